"""Rows go through a Redis that keeps them to PostgreSQL, each once, whoever dies or is brought twice on the way."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from django.core.management import call_command
from django.utils import timezone

from activity import stream
from activity.drain import Drain
from activity.models import Call, HourRollup, HourTotal, MinuteRollup, MinuteTotal, TokenUse
from activity.recorder import PostgresRecorder, StreamRecorder
from activity.storing import Store, connection_parameters
from nexus.settings import DATABASE_URL
from profiles.events import Action, Event
from tests import cast
from tests.activity.rows import row
from tests.servers import start_redis
from tokens.models import DelegatedToken

ROLLUPS = (MinuteRollup, HourRollup, MinuteTotal, HourTotal)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATABASE_URL, reason="embedded, there is no stream"),
]


@pytest.fixture(scope="module")
def kept():
    """The address of a Redis with an append-only file."""
    folder = Path(tempfile.mkdtemp(prefix="nexus-aof-"))
    daemon = start_redis(folder, "--appendonly", "yes")
    yield f"unix://{folder}/redis.sock"
    daemon.send_signal(signal.SIGINT)
    daemon.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(kept):
    with redis.from_url(kept) as server:
        server.flushall()
        yield server


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


@pytest.fixture
def drain(kept, server):
    drain = Drain(kept, connection_parameters())
    yield drain
    drain.close()


@contextlib.asynccontextmanager
async def recording(url):
    """A recorder as the hub has it."""
    recorder = StreamRecorder(url, PostgresRecorder(connection_parameters()))
    await recorder.start()
    yield recorder
    await recorder.stop()


def record(url, *rows):
    """Return whether the rows went through Redis."""

    async def go():
        async with recording(url) as recorder:
            await asyncio.gather(*map(recorder.record, rows))
            return recorder.is_drained

    return asyncio.run(go())


def counted():
    return {model.__name__: sum(calls for _, calls in model.objects.all().by("outcome")) for model in ROLLUPS}


def test_rows_of_a_moment_share_an_entry_and_arrive_as_they_were_written(kept, server, drain):
    rows = [row(tool=f"t{number}", arguments='{"ü":1}') for number in range(200)]
    assert record(kept, *rows)
    assert server.xlen(stream.STREAM) <= 2
    assert not Call.objects.exists()
    drain.all_that_waits()
    stored = {call.id: call for call in Call.objects.all()}
    assert stored.keys() == {one.id for one in rows}
    first = stored[rows[0].id]
    assert (first.at, first.account_id, first.tool, first.arguments) == (
        rows[0].at,
        rows[0].account_id,
        "t0",
        '{"ü":1}',
    )
    assert server.xlen(stream.STREAM) == 0
    assert set(counted().values()) == {200}


def test_what_another_drain_took_and_never_finished_is_taken_over_and_stored_once(kept, server, drain):
    record(kept, *(row() for _ in range(5)))
    drain._make_group()
    dead = Drain(kept, connection_parameters())
    dead._consumer = "dead"
    taken = dead._new(None)
    dead._store.store(stream.decode(taken[0][1]))  # committed, and killed before it could say so
    dead._store.close()
    server.xclaim(stream.STREAM, stream.GROUP, "dead", 0, [taken[0][0]], idle=60_000)
    drain.step(wait=None)
    assert Call.objects.count() == 5
    assert set(counted().values()) == {5}
    assert server.xlen(stream.STREAM) == 0


def test_a_stream_is_counted_once_when_it_ends_in_whatever_order_its_rows_come(kept, drain):
    begun = row(outcome="open", method="subscriptions/listen", hub_ms=1.0)
    late = row(outcome="open")
    ends = [one._replace(outcome="tool_error", hub_ms=9.0, tool="known") for one in (begun, late)]
    with contextlib.closing(Store(connection_parameters())) as store:
        store.store([begun])
        assert set(counted().values()) == {0}
        assert not TokenUse.objects.exists()
        store.store([ends[0], ends[1], ends[0]])
        store.store([late, begun, *ends])
    assert set(Call.objects.values_list("outcome", "tool")) == {("tool_error", "known")}
    assert set(counted().values()) == {2}
    assert HourRollup.objects.filter(latency=-1).count() == 1


def test_a_row_that_cannot_be_stored_costs_no_other_and_is_put_aside(kept, server, drain):
    rows = [row(), row(tool="x" * 300), row(tool="nul\0nul")]
    record(kept, *rows)
    drain.all_that_waits()
    assert set(Call.objects.values_list("tool", flat=True)) == {"echo__echo", "nul�nul"}
    assert stream.decode(server.xrange(stream.REFUSED_STREAM)[0][1])[0].id == rows[1].id
    assert server.xlen(stream.STREAM) == 0


def test_an_entry_of_another_version_stays_where_it_is(kept, server, drain):
    server.xadd(stream.STREAM, {b"rows9": b"?"})
    server.xadd(stream.STREAM, {stream.ROWS: b"garbage"})
    record(kept, row())
    drain.all_that_waits()
    assert (Call.objects.count(), server.xlen(stream.STREAM)) == (1, 2)


def test_a_redis_that_would_lose_rows_gets_none(server, kept):
    server.config_set("maxmemory", "100mb")
    server.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert not record(kept, row())
    finally:
        server.config_set("maxmemory", "0")
        server.config_set("maxmemory-policy", "noeviction")
    assert (Call.objects.count(), server.xlen(stream.STREAM)) == (1, 0)
    assert not record(os.environ["REDIS_URL"], row())  # that of the suite has no append-only file
    assert Call.objects.count() == 2


def test_without_redis_rows_go_straight_to_postgresql(tmp_path):
    assert not record(f"unix://{tmp_path}/none.sock", row(), row(outcome="open"))
    assert Call.objects.count() == 2
    assert set(counted().values()) == {1}


def test_the_drain_notes_when_tokens_were_used_and_the_first_use_is_an_event(kept, drain, token):
    at = timezone.now()
    record(kept, row(token_public_id=token.public_id, at=at), row(token_public_id=token.public_id, outcome="refused"))
    drain.all_that_waits()
    token.refresh_from_db()
    assert token.last_used_at == at
    use = TokenUse.objects.get()
    assert (use.first_at, use.last_accepted_at, use.accepted, use.refused) == (at, at, 1, 1)
    assert use.last_refused_at == use.last_at > at


def test_late_rows_and_rows_of_a_wrong_clock_are_stored_and_counted_where_they_say(kept, drain):
    moments = [
        datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2140, 2, 29, 12, tzinfo=UTC),
        timezone.now() - timedelta(days=40),
    ]
    record(kept, *(row(at=at) for at in moments))
    drain.all_that_waits()
    assert set(Call.objects.values_list("at", flat=True)) == set(moments)
    assert set(HourTotal.objects.values_list("at", flat=True)) == {HourTotal.floor(at) for at in moments}
    assert set(MinuteTotal.objects.values_list("at", flat=True)) == {MinuteTotal.floor(at) for at in moments}


def test_two_that_store_the_same_rows_at_once_neither_wait_in_a_circle_nor_count_twice(kept):
    rows = [row(tool=f"t{number % 7}", token_public_id=f"t{number % 5}") for number in range(300)]

    async def go():
        with (
            contextlib.closing(Store(connection_parameters())) as one,
            contextlib.closing(Store(connection_parameters())) as two,
        ):
            for begin in range(0, 300, 60):
                part = rows[begin : begin + 60]
                await asyncio.gather(asyncio.to_thread(one.store, part), asyncio.to_thread(two.store, part[::-1]))

    asyncio.run(go())
    assert Call.objects.count() == 300
    assert set(counted().values()) == {300}


def test_the_command_drains_once(settings, kept, capsys):
    settings.REDIS_URL = kept
    record(kept, row())
    call_command("drain_activity", "--once")
    assert "Stored 1 entries" in capsys.readouterr().out
    settings.REDIS_URL = ""
    call_command("drain_activity")
    assert "nothing to do" in capsys.readouterr().out


def test_a_database_that_is_away_leaves_everything_in_redis(kept, server, tmp_path):
    record(kept, row())
    drain = Drain(kept, {"host": str(tmp_path), "dbname": "none"})
    drain._make_group()
    with pytest.raises(psycopg.OperationalError):
        drain.step(wait=None)
    assert server.xlen(stream.STREAM) == 1
    drain._uses = {}
    drain.close()


def test_uses_that_a_killed_drain_had_stored_and_not_noted_are_noted_by_the_next(kept, server, drain, token):
    call = row(token_public_id=token.public_id, at=timezone.now())
    record(kept, call)
    drain.all_that_waits()
    DelegatedToken.objects.filter(pk=token.pk).update(last_used_at=None)  # as where it was killed before it noted them
    Event.objects.filter(action=Action.TOKEN_FIRST_USED)._raw_delete("default")
    assert drain.make_up()
    drain.close()
    token.refresh_from_db()
    assert token.last_used_at == call.at
    assert Event.objects.filter(action=Action.TOKEN_FIRST_USED).count() == 1
