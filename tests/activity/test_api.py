"""REST for calls and events: what the Activity page shows, and to nobody more."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast, rest
from tests.activity.calls import make_call
from tokens import keys

pytestmark = [pytest.mark.django_db(databases="__all__")]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


def test_calls_are_shown_to_who_may_see_them(alice, bob, charlie, acme, token):
    make_call(token, tool="echo__echo")
    make_call(cast.make_token(alice, token.toolkit, "ci").token)
    path = f"activity/calls?account={acme.pk}"
    assert len(rest.person(alice).rows(path)) == 2
    assert [row["token"] for row in rest.person(bob).rows(path)] == [token.public_id]
    assert rest.person(charlie)("get", path).status_code == 404
    assert len(rest.key(alice, acme, "activity:read").rows("activity/calls")) == 2


@pytest.mark.sqlite
def test_pages_of_calls_follow_each_other(alice, acme, token):
    now = timezone.now()
    made = [make_call(token, now - timedelta(seconds=number)) for number in range(5)]
    ask, path, found = rest.person(alice, acme), "activity/calls?limit=2", []
    while path:
        page = ask("get", path).json()
        found += [row["id"] for row in page["results"]]
        path = (page["next"] or "").partition("/api/v1/")[2]
    assert found == [str(call.pk) for call in made]


def test_calls_are_filtered_as_on_the_page(alice, acme, token):
    make_call(token, outcome="refused")
    make_call(token)
    ask = rest.person(alice, acme)
    for query, number in (("outcome=refused", 1), (f"token={token.public_id}", 2), ("range=1h&profile=work", 2)):
        assert len(ask.rows(f"activity/calls?{query}")) == number
    secret = keys.make(keys.Kind.DELEGATED).text
    for query in ("range=9h", "outcome=x", "profile=nope", "cursor=x", "account=x", "limit=0", "who=me"):
        answer = ask("get", f"activity/calls?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.split("=")[0]])
    assert ask("get", f"activity/calls?text={secret}").status_code == 400


def test_events_are_those_of_accounts_one_sees_and_ones_own(alice, bob, charlie, acme, token):
    path = f"activity/events?account={acme.pk}&action=token.issued"
    row = rest.person(alice).rows(path)[0]
    assert (row["subject_id"], row["subject"]) == (str(token.pk), str(token))
    assert rest.person(alice)("get", f"activity/events/{row['id']}").json() == row
    assert rest.person(charlie).rows(path) == []
    assert rest.person(charlie)("get", f"activity/events/{row['id']}").status_code == 404
    assert rest.person(bob).rows(path) == [row]  # of his own token, as on the page of events
    assert rest.key(bob, acme, "activity:read").rows("activity/events?action=token.issued") == [row]
    other = cast.make_token(alice, token.toolkit, "ci").token
    assert str(other.pk) not in [row["subject_id"] for row in rest.person(bob).rows(path)]
    rest.person(bob)("post", f"tokens/{token.public_id}/revoke", {})
    assert [row["action"] for row in rest.person(bob).rows("activity/events?action=token.revoked")] == ["token.revoked"]


def test_what_belongs_to_no_account_is_shown_to_its_person_and_to_no_key(bob, charlie, acme):
    Event.record(Action.SIGNED_IN, by=cast.OPERATOR, now=timezone.now(), subject=bob)
    path = "activity/events?action=user.signed_in&subject_kind=user"
    assert {row["subject_id"] for row in rest.person(bob).rows(path)} == {str(bob.pk)}
    assert rest.key(bob, acme, "activity:read").rows(path) == []
    assert str(bob.pk) not in {row["subject_id"] for row in rest.person(charlie).rows(path)}


def test_who_has_left_sees_nothing_of_it(bob, acme, token):
    call = make_call(token)
    assert rest.person(bob).client.get(f"/activity/calls/{call.pk}/").status_code == 200
    acme.members.get(user=bob).remove(by=cast.OPERATOR, now=timezone.now())
    ask = rest.person(bob)
    assert ask.client.get(f"/activity/calls/{call.pk}/").status_code == 404
    assert [row for row in ask.rows("activity/events") if row["account"] == str(acme.pk)] == []


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_calls_are_exported_as_on_the_page(alice, bob, charlie, acme, token, kind):
    make_call(token, tool="=1+1")
    make_call(cast.make_token(alice, token.toolkit, "ci").token)
    path = f"activity/export?account={acme.pk}&format={kind}"
    answer = rest.person(bob)("get", path, Accept="text/csv")
    text = b"".join(answer.streaming_content).decode()
    assert (answer.status_code, text.count(token.public_id), "attachment" in answer["Content-Disposition"]) == (
        200,
        1,
        True,
    )
    assert ("'=1+1" in text) is (kind == "csv")
    everything = rest.key(alice, acme, "activity:read")("get", f"activity/export?format={kind}")
    assert len(b"".join(everything.streaming_content).splitlines()) == (3 if kind == "csv" else 2)
    assert Event.objects.filter(action=Action.ACTIVITY_EXPORTED, account_id=acme.pk).count() == 2
    assert rest.person(bob)("get", path, Accept="text/csv").status_code == 200
    assert rest.person(charlie)("get", path).status_code == 404
    for query in ("format=exe", "outcome=good", "cursor=x", "who=me"):
        assert rest.person(bob, acme)("get", f"activity/export?{query}").status_code == 400
    assert rest.key(alice, acme, "tokens:read", name="Other")("get", "activity/export").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_history_is_only_read(alice, acme, method):
    assert rest.person(alice, acme)(method, "activity/events", {}).status_code == 405


@pytest.mark.parametrize("noun", ["activity/calls", "activity/events"])
def test_no_list_asks_more_often_for_more_rows(alice, acme, token, noun, django_assert_max_num_queries):
    for _ in range(8):
        make_call(token)
    ask = rest.person(alice, acme)
    with django_assert_max_num_queries(7):
        ask("get", noun)


@pytest.mark.parametrize(
    "moment", ["0312-05-04T13:48:18-21:19", "2026-01-01T00:00:00%2B23:59", "0001-01-01T00:00:00%2B14:00"]
)
def test_offsets_that_the_database_does_not_know_are_no_trouble(alice, moment):
    for noun in ("events", "calls"):
        assert rest.person(alice)("get", f"activity/{noun}?until={moment}").status_code in (200, 400)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_beyond_the_calendar_is_refused_by_name(alice, acme, moment):
    for name in ("since", "until"):
        answer = rest.person(alice, acme)("get", f"activity/events?{name}={moment}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])
