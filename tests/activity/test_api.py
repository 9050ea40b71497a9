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
    assert rest.person(bob).rows(path) == []
    rest.person(bob)("post", f"tokens/{token.public_id}/revoke", {})
    assert [row["action"] for row in rest.person(bob).rows("activity/events?action=token.revoked")] == ["token.revoked"]


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


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_beyond_the_calendar_is_refused_by_name(alice, acme, moment):
    for name in ("since", "until"):
        answer = rest.person(alice, acme)("get", f"activity/events?{name}={moment}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


def file_of(asker, **wish):
    answer = asker("post", "activity/export", wish, Accept="text/csv")
    assert answer.status_code == 200, answer.content
    return answer, b"".join(answer.streaming_content).decode()


def test_calls_and_events_are_taken_along_as_files_and_that_is_an_event(alice, acme, token):
    make_call(token, tool="one")
    make_call(token, tool="other")
    reads = rest.key(alice, acme, "activity:read")
    answer, text = file_of(reads, what="calls", filters={"tool": "one", "profile": "work"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert len(text.splitlines()) == 2
    _, text = file_of(reads, what="events", format="ndjson", filters={"group": "token"})
    assert "token.issued" in text
    taken = Event.objects.filter(action=Action.ACTIVITY_EXPORTED)
    assert {event.after["what"] for event in taken} == {"calls", "events"}
    assert all("by key Terraform" in event.actor_label for event in taken)


def test_a_file_holds_what_one_sees_and_nothing_of_others(alice, bob, charlie, acme, token):
    make_call(token)
    make_call(cast.make_token(alice, token.toolkit, "ci").token)
    seen = {user: len(file_of(rest.person(user, acme), what="calls")[1].splitlines()) - 1 for user in (alice, bob)}
    assert seen == {alice: 2, bob: 1}
    stranger = rest.person(charlie)
    assert stranger("post", "activity/export", {"what": "calls", "account": str(acme.pk)}).status_code == 404
    assert rest.key(alice, acme, "tokens:read")("post", "activity/export", {"what": "calls"}).status_code == 403


@pytest.mark.parametrize(
    ("wish", "wrong"),
    [
        ({}, "what"),
        ({"what": "secrets"}, "what"),
        ({"what": "calls", "format": "xlsx"}, "format"),
        ({"what": "calls", "filters": {"group": "tokens"}}, "filters"),
        ({"what": "calls", "filters": {"before": "x"}}, "filters"),
        ({"what": "calls", "filters": {"range": "9y"}}, "filters"),
        ({"what": "calls", "filters": {"\0": "x"}}, "filters"),
        ({"what": "events", "filters": {"since": "0001-01-01T00:00:00+14:00"}}, "filters"),
    ],
)
def test_a_file_of_something_else_is_refused_by_name(alice, acme, wish, wrong):
    answer = rest.person(alice, acme)("post", "activity/export", wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [wrong])
    assert not Event.objects.filter(action=Action.ACTIVITY_EXPORTED).exists()
