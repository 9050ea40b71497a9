"""Redis and PostgreSQL are killed and started again under load: what was recorded is there, once."""

import asyncio
import contextlib
import os
import signal
import threading

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections

from activity.drain import Drain
from activity.recorder import NotRecorded, PostgresRecorder, StreamRecorder
from nexus.settings import DATABASE_URL
from tests.activity.rows import row
from tests.servers import start_postgres, start_redis
from tests.upstreams import wait_for

pytestmark = pytest.mark.skipif(not DATABASE_URL, reason="this is about PostgreSQL and Redis")

WRITERS = 8
SURVIVES_KILLS = ("-c", "fsync=off", "-c", "full_page_writes=off")  # and a commit is a write; no power cut here


class Servers:
    """A PostgreSQL and a Redis of the test's own, which it may kill."""

    def __init__(self, folder):
        self.folder = folder
        self.parameters = {"host": str(folder), "user": "postgres", "dbname": "postgres"}
        self.redis_url = f"unix://{folder}/redis.sock"
        self.processes = {}
        self.start("postgres")
        self.start("redis")

    def start(self, name):
        if name == "postgres":
            self.processes[name] = start_postgres(self.folder, *SURVIVES_KILLS)
        else:
            self.processes[name] = start_redis(self.folder, "--appendonly", "yes")

    def kill(self, name):
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def restart(self, name):
        self.kill(name)
        self.start(name)


@pytest.fixture
def servers(tmp_path_factory):
    servers = Servers(tmp_path_factory.mktemp("own"))
    yield servers
    for name in servers.processes:
        servers.kill(name)


@pytest.fixture
def own(servers, django_db_blocker):
    """Make the tables of calls in that PostgreSQL."""
    settings = {**connections["default"].settings_dict, "HOST": str(servers.folder), "NAME": "postgres", "OPTIONS": {}}
    connections.databases["own"] = settings
    with django_db_blocker.unblock():
        call_command("migrate", "activity", database="own", verbosity=0)
        connections["own"].close()
    yield
    del connections["own"]
    del connections.databases["own"]


def fetch(servers, query):
    with psycopg.connect(**servers.parameters) as connection:
        return connection.execute(query).fetchall()


class Load:
    """Writers that record one row after another until they are told to stop; some rows are streams."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.answered = set()
        self.refused = 0
        self.is_over = False

    async def run(self):
        await asyncio.gather(*(self.write(number) for number in range(WRITERS)))

    async def write(self, number):
        while not self.is_over:
            one = row(tool=f"t{number % 3}", token_public_id=f"token-{number}", outcome="ok" if number % 4 else "open")
            try:
                await self.recorder.record(one)
                if one.outcome == "open":
                    await self.recorder.complete(one._replace(outcome="ok", bytes_out=7))
            except NotRecorded:
                self.refused += 1
            else:
                self.answered.add(one.id)

    def goes_on(self, more=40):
        """Return when so many more rows have been recorded."""
        wanted = len(self.answered) + more
        wait_for(lambda: len(self.answered) >= wanted, "more rows", seconds=60)


class Draining:
    """A drain in a thread, which can be left as a killed process leaves its entries: taken, and not brought."""

    def __init__(self, servers):
        self.drain = Drain(servers.redis_url, servers.parameters)
        self.drain._note_uses = lambda: None  # tokens lie in the database of the suite
        self.thread = threading.Thread(target=self.drain.run)
        self.thread.start()

    def stop(self):
        self.drain.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def under_load(servers):
    """Yield a load that runs in a thread: servers end with the thread that started them, so that is not for it."""
    recorder = StreamRecorder(servers.redis_url, PostgresRecorder(servers.parameters))
    load = Load(recorder)

    async def run():
        await recorder.start()
        await load.run()
        await recorder.stop()

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    try:
        load.goes_on()
        yield load
    finally:
        load.is_over = True
        thread.join(60)


def test_every_answered_call_has_one_row_though_redis_and_postgresql_are_killed(servers, own, monkeypatch):
    monkeypatch.setattr("activity.recorder.stream.SLOWEST", 0.2)
    monkeypatch.setattr("activity.drain.PAUSE", 0.1)
    draining = Draining(servers)
    with under_load(servers) as load:
        for name in ("redis", "postgres", "redis"):
            servers.restart(name)
            load.goes_on()
    draining.stop()
    rest = Drain(servers.redis_url, servers.parameters)
    rest._note_uses = lambda: None
    monkeypatch.setattr("activity.drain.DEAD_AFTER", 0)
    rest.all_that_waits()
    stored = fetch(servers, "SELECT id, outcome FROM activity_call")
    assert len(stored) == len({pk for pk, _ in stored})
    assert load.answered <= {pk for pk, _ in stored}
    assert all(outcome == "ok" for pk, outcome in stored if pk in load.answered)
    ended = sum(outcome != "open" for _, outcome in stored)
    for table in ("minuterollup", "hourrollup", "minutetotal", "hourtotal"):
        assert fetch(servers, f"SELECT sum(calls) FROM activity_{table}") == [(ended,)]
    assert fetch(servers, "SELECT sum(accepted) FROM activity_tokenuse") == [(ended,)]


def test_with_both_away_nothing_is_recorded_and_afterwards_it_goes_on(servers, own):
    async def go():
        recorder = StreamRecorder(servers.redis_url, PostgresRecorder(servers.parameters))
        await recorder.start()
        first, second = row(), row()
        await recorder.record(first._replace(outcome="open"))
        servers.kill("redis")
        servers.kill("postgres")
        with pytest.raises(NotRecorded):
            await recorder.record(second)
        servers.start("postgres")
        await recorder.complete(first)
        await recorder.stop()

    asyncio.run(go())
    assert fetch(servers, "SELECT outcome FROM activity_call") == [("ok",)]
