"""REST for unexpected use: what the page shows, to the same people, and the same answer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Finding, Habit, Rule
from profiles.events import Action, Event
from tests import cast, rest
from tests.activity.calls import make_finding
from tests.security.pages import browser

pytestmark = [pytest.mark.django_db(databases="__all__")]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


@pytest.mark.sqlite
def test_findings_are_shown_to_who_sees_the_token(alice, bob, charlie, acme, token):
    own = make_finding(token)
    make_finding(cast.make_token(alice, token.toolkit, "ci").token)
    row = rest.person(bob).rows("findings")[0]
    assert (row["id"], row["token"], row["state"], row["rule"]) == (str(own.pk), token.public_id, "open", "network")
    assert row["evidence"][0]["address"] == "203.0.113.7"
    assert rest.person(bob)("get", f"findings/{own.pk}").json() == row
    assert len(rest.person(alice).rows(f"findings?account={acme.pk}")) == 2
    assert len(rest.key(alice, acme, "findings:read").rows("findings")) == 2
    assert rest.person(charlie).rows("findings") == []
    assert rest.person(charlie)("get", f"findings/{own.pk}").status_code == 404


def test_who_has_left_sees_and_answers_nothing_of_what_was_done_there(bob, acme, token):
    finding = make_finding(token)
    acme.members.get(user=bob).remove(by=cast.OPERATOR, now=timezone.now())
    assert rest.person(bob).rows("findings") == []
    assert rest.person(bob)("get", f"findings/{finding.pk}").status_code == 404
    assert rest.person(bob)("post", f"findings/{finding.pk}/fine").status_code == 404
    assert browser(bob).post(f"/activity/unexpected/{finding.pk}/fine/").status_code == 404
    assert Finding.objects.get().answer == ""


def test_a_key_sees_its_own_account_alone(alice, acme, token):
    other = cast.make_account("Other", owner=alice)
    make_finding(token)
    assert rest.key(alice, other, "findings:read").rows("findings") == []
    assert rest.key(alice, acme, "activity:read", name="Reader")("get", "findings").status_code == 403


def test_findings_are_filtered_and_ordered(bob, acme, token):
    now = timezone.now()
    old = make_finding(token, now - timedelta(days=3), rule=Rule.BURST)
    new = make_finding(token, now)
    ask, since = rest.person(bob, acme), (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = {
        "": [new, old], "ordering=last_at": [old, new], "rule=burst": [old], f"since={since}": [new],
        f"until={since}": [old], "state=open": [new, old], "state=fine": [], f"token={token.public_id}": [new, old],
        "token=other": [],
    }  # fmt: skip
    for query, rows in wanted.items():
        assert [row["id"] for row in ask.rows(f"findings?{query}")] == [str(row.pk) for row in rows], query
    for query in ("rule=all", "state=x", "since=x", "owner=1", "ordering=token_name", "account=x"):
        assert ask("get", f"findings?{query}").status_code == 400, query


@pytest.mark.sqlite
def test_what_is_called_fine_is_learned_and_an_answer_stays(alice, bob, acme, token):
    finding = make_finding(token)
    ask = rest.key(bob, acme, "findings:read", "findings:write")
    answered = ask("post", f"findings/{finding.pk}/fine").json()
    assert (answered["state"], answered["answered_by"] != "") == ("fine", True)
    assert Habit.objects.get(family=token.family).value == "203.0.113.0/24"
    assert rest.person(alice)("post", f"findings/{finding.pk}/fine").json() == answered
    events = Event.objects.filter(action=Action.TOKEN_USE_ACCEPTED, subject_id=str(token.pk))
    assert [(event.actor_label, event.after["rule"]) for event in events] == [(answered["answered_by"], "network")]


def test_who_may_only_read_answers_nothing(bob, charlie, acme, token):
    finding = make_finding(token)
    reader = rest.key(bob, acme, "findings:read")
    assert reader("post", f"findings/{finding.pk}/fine").json()["code"] == "insufficient_scope"
    assert rest.person(charlie)("post", f"findings/{finding.pk}/fine").status_code == 404
    for path in ("findings", f"findings/{finding.pk}"):
        assert rest.person(bob)("post", path, {}).status_code == 405
    assert Finding.objects.get().answer == ""


def test_the_list_asks_no_more_often_for_more_rows(alice, acme, work, django_assert_max_num_queries):
    for number in range(8):
        make_finding(cast.make_token(alice, work, f"service {number}").token)
    ask = rest.person(alice, acme)
    with django_assert_max_num_queries(8):
        assert len(ask.rows("findings")) == 8
