"""What somebody who installs a toolkit sees arriving: the steps of a client, and near misses with the way out."""

import asyncio
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from nexus import views_live
from nexus.hub.strangers import Strangers, strangers
from tests import cast
from tests.activity.calls import make_call
from tests.activity.conftest import browser_of

pytestmark = pytest.mark.django_db(databases="__all__")
REFUSED, FAILED = Call.Outcome.REFUSED, Call.Outcome.FAILED


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


@pytest.fixture
def as_alice(alice, acme):
    return browser_of(alice, acme)


@pytest.fixture(autouse=True)
def _nobody_before():
    strangers.forget()


def seen(browser, work, **query):
    answer = browser.get("/install/live/", {"toolkit": str(work.pk), **query})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_nothing_has_come(as_alice, work):
    page = seen(as_alice, work)
    assert "Waiting for a first request" in page
    assert page.count('<li class="done"') == 0


@pytest.mark.parametrize(
    ("methods", "steps"), [(["initialize"], 2), (["initialize", "tools/list"], 3), (["tools/list", "tools/call"], 4)]
)
def test_each_step_is_marked_when_its_call_has_come(as_alice, work, token, methods, steps):
    for method in methods:
        make_call(token, method=method, tool="", client_name="claude-code", client_version="2.1")
    page = seen(as_alice, work)
    assert page.count('<li class="done"') == steps
    assert "says it is <bdi>claude-code 2.1</bdi>" in page


def test_the_test_of_the_page_itself_is_no_first_call(as_alice, work, token):
    make_call(token, client_name="nexus-portal-test")
    assert "Waiting for a first request" in seen(as_alice, work)


def test_calls_from_before_and_of_other_tokens_do_not_count(as_alice, alice, work, token):
    make_call(token, at=timezone.now() - timedelta(minutes=5))
    assert "Called a tool" in seen(as_alice, work)
    now = int(timezone.now().timestamp())
    assert "Called a tool" not in seen(as_alice, work, since=now - 60)
    other = cast.make_token(alice, work, "other").token
    make_call(other)
    assert "Called a tool" not in seen(as_alice, work, since=now - 60, token=token.public_id)
    assert "Called a tool" in seen(as_alice, work, since=now - 60, token=other.public_id)


@pytest.mark.parametrize(
    ("reason", "outcome", "says", "fix"),
    [
        ("expired", REFUSED, "a token that has expired", "/install/?profile=work&amp;name=n8n"),
        ("revoked", REFUSED, "a token that was revoked", "Make a new token"),
        ("names the toolkit “sales”", REFUSED, "for another toolkit", "Copy the MCP URL of this page"),
        ("from 203.0.113.9", REFUSED, "an address that its token does not allow", "Make a token without this limit"),
        ("paused", REFUSED, "a token that is paused", "/tokens/"),
        (
            "Send the header Content-Type: application/json.",
            FAILED,
            "did not say that it sends JSON (415)",
            "Content-Type",
        ),
        ("The body is not JSON.", FAILED, "could not be read", "The body is not JSON."),
        ("something new", REFUSED, "A call was refused", "Activity"),
    ],
)
def test_a_near_miss_is_said_in_plain_words_with_the_way_out(as_alice, work, token, reason, outcome, says, fix):
    make_call(token, method="", tool="", outcome=outcome, reason=reason, address="203.0.113.9")
    page = seen(as_alice, work)
    assert says in page
    assert fix in page
    assert "n8n, from 203.0.113.9" in page


def test_the_same_miss_is_said_once(as_alice, work, token):
    for _ in range(5):
        make_call(token, outcome=REFUSED, reason="expired")
    assert seen(as_alice, work).count("has expired") == 2  # in words for all, and for screen readers


def test_a_stranger_from_the_same_address_is_told_and_no_other(as_alice, work):
    strangers.note("127.0.0.1", "no_credentials")
    strangers.note("198.51.100.7", "unknown_token")
    page = seen(as_alice, work)
    assert "came without a token (401)" in page
    assert "was turned away" in page
    assert "198.51.100.7" not in page


def test_what_is_remembered_of_strangers_is_bounded():
    few = Strangers()
    for number in range(1500):
        few.note(f"10.0.{number // 256}.{number % 256}", "unknown_token")
    assert len(few) == 1000


def test_hostile_words_of_a_client_stay_text(as_alice, work, token):
    make_call(token, client_name="<script>alert(1)</script>", tool="x\u202ey")
    page = seen(as_alice, work)
    assert "<script>alert" not in page
    assert "x\\u{202e}y" in page


def test_nobody_sees_what_arrives_for_others(as_alice, bob, acme, work, token):
    make_call(token)
    assert "Waiting for a first request" in seen(browser_of(bob, acme), work)


@pytest.mark.parametrize("path", ["/install/live/", "/install/live/stream/"])
def test_a_stranger_a_wrong_method_and_nonsense(as_alice, charlie, work, path):
    assert browser_of(charlie).get(path, {"toolkit": str(work.pk)}).status_code == 404
    assert as_alice.post(path).status_code == 405
    for query in ({}, {"toolkit": "x"}, {"toolkit": str(work.account_id)}):
        assert as_alice.get(path, query).status_code == 404
    assert as_alice.head(path, {"toolkit": str(work.pk)}).status_code == 200
    for since in ("x", "-1", "9" * 30, "1e9", "²"):
        assert "Waiting" in seen(as_alice, work, since=since)


def test_a_look_costs_the_same_however_much_came(as_alice, work, token, django_assert_max_num_queries):
    for _ in range(30):
        make_call(token)
    with django_assert_max_num_queries(12):
        seen(as_alice, work)


def test_too_many_streams_are_refused_so_that_the_page_asks_again(as_alice, alice, work, monkeypatch):
    monkeypatch.setitem(views_live._open, alice.pk, views_live.STREAMS_OF_ONE)
    assert as_alice.get("/install/live/stream/", {"toolkit": str(work.pk)}).status_code == 503


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_the_stream_says_it_when_it_has_come_and_counts_itself_out(alice, work, token, monkeypatch):
    monkeypatch.setattr(views_live, "EVERY", 0.01)
    watch = views_live.Watch(
        alice, work, timezone.now() - timedelta(hours=1), "", "127.0.0.1", timezone.get_current_timezone(), "en"
    )

    async def read():
        events = views_live._events(watch)
        parts = [await anext(events), await anext(events), await anext(events)]
        await asyncio.to_thread(make_call, token)
        while not (part := await anext(events)).startswith("data: "):
            pass
        is_counted = views_live._open[alice.pk]
        await events.aclose()
        return parts, part, is_counted

    (retry, first, silence), arrived, counted = asyncio.run(read())
    assert (retry, silence) == ("retry: 500\n\n", ":\n\n")
    assert "Waiting for a first request" in json.loads(first.removeprefix("data: "))
    assert "Called a tool" in json.loads(arrived.removeprefix("data: "))
    assert counted == 1
    assert views_live._open[alice.pk] == 0
