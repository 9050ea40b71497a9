"""Calls under way: their hub says that it has them; of whose hub is gone, somebody says that nobody knows."""

import asyncio
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from activity import lost
from activity.models import Call, MinuteRollup, UnderWay
from activity.models.under_way import PATIENCE
from activity.tasks import end_lost_calls
from nexus.settings import DATABASE_URL
from tests import cast
from tests.activity.calls import make_call
from tests.hub.conftest import hub_client, in_thread  # noqa: F401
from tests.hub.test_eras import call as tool_call
from tests.hub.test_eras import initialized, post, stage
from tests.security.pages import browser
from tokens.models import JobRun

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]
SECOND = timedelta(seconds=1)


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


def open_since(token, ago, **fields):
    return make_call(token, timezone.now() - ago, outcome=Call.Outcome.OPEN, **fields)


def outcomes():
    return dict(Call.objects.values_list("pk", "outcome"))


def test_calls_that_no_process_speaks_of_are_ended_counted_and_shown_in_plain_words(token, alice):
    dead = open_since(token, PATIENCE + SECOND)
    held, young, done = open_since(token, timedelta(days=2)), open_since(token, PATIENCE / 2), make_call(token)
    UnderWay.objects.note([held.pk], timezone.now() - timedelta(seconds=20))
    assert lost.end_lost(timezone.now()).endswith(": 1")
    assert outcomes() == {dead.pk: "unknown", held.pk: "open", young.pk: "open", done.pk: "ok"}
    assert lost.end_lost(timezone.now()).endswith(": 0"), "twice does nothing twice"
    if not DATABASE_URL:
        call_command("drain_activity")
    counted = MinuteRollup.objects.filter(outcome="unknown")
    assert [(row.calls, row.token_public_id) for row in counted] == [(1, token.public_id)]
    page = browser(alice).get(f"/activity/calls/{dead.pk}/").content.decode()
    assert "Unknown" in page
    assert "The hub ended before an answer did. Whether the tool ran is not known." in page


def test_a_process_that_falls_silent_is_waited_for_and_then_forgotten(token):
    held = open_since(token, timedelta(hours=1))
    UnderWay.objects.note([held.pk], timezone.now())
    later = timezone.now() + PATIENCE
    lost.end_lost(later - SECOND)
    assert outcomes()[held.pk] == "open"
    lost.end_lost(later + SECOND)
    assert (outcomes()[held.pk], UnderWay.objects.count()) == ("unknown", 0)


def test_it_runs_by_schedule_and_by_hand(token, capsys):
    open_since(token, PATIENCE + SECOND)
    assert end_lost_calls().endswith(": 1")
    open_since(token, PATIENCE + SECOND)
    call_command("end_lost_calls")
    assert capsys.readouterr().out == "Calls ended of which nothing more was heard: 1\n"
    assert JobRun.objects.get(name="end-lost-calls").started_by == "operator (end_lost_calls)"


async def test_a_hub_says_which_streams_it_has_open_until_they_end(hub_client, in_thread):  # noqa: F811
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        await post(client, secret, session, tool_call("count"))
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await stream.began()
        await client.hub._accounting.touch()
        held = await in_thread(lambda: list(UnderWay.objects.values_list("pk", flat=True)))
        assert held == await in_thread(lambda: list(Call.objects.filter(outcome="open").values_list("pk", flat=True)))
        assert len(held) == 1
        stream.go_away()
        await asyncio.wait([stream.task])
        assert client.hub._accounting._under_way == set()
