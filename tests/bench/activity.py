"""What it costs to write calls down: in the hub, in the drain; and ten million of them for the pages, made by SQL.

`python -m tests.bench.activity measure [postgres]`; `python -m tests.bench.activity make CALLS` fills the database of
this environment (DATABASE_URL, NEXUS_DATA_DIR), in which Nexus must have been started once.
"""

import asyncio
import importlib
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime

from tests.bench.installation import cpu_seconds
from tests.bench.report import Gates, say

CAPTURE_LIMIT = 0.1  # ms of CPU per call at 32 connections
DRAIN_TARGET = 20_000  # rows a second
CONNECTIONS, CALLS, DRAINED = 32, 20_000, 50_000
ACCOUNTS = [uuid.UUID(int=number) for number in range(1, 6)]


def measure(store: str, rounds: int) -> bool:
    """Measure in this process, with servers of its own that end with it; return whether every gate holds."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-activity-") as name:
        folder = pathlib.Path(name)
        os.environ["NEXUS_TEST_STORE"] = {"embedded": "sqlite"}.get(store, "")
        importlib.import_module("tests.servers")
        os.environ["NEXUS_DATA_DIR"] = str(folder)
        set_up()
        gates = Gates()
        redis = _redis_that_keeps(folder) if store == "postgres" else None
        figures = [asyncio.run(_capture(redis)) for _ in range(rounds)]
        gates.judge("CPU of a row, 32 at once", statistics.median(figures), CAPTURE_LIMIT, "ms")
        if redis:
            gates.judge("drain, rows a second", _drained(redis), DRAIN_TARGET, "", at_least=True)
        return gates.hold


def set_up() -> None:
    import django
    from django.core.management import call_command
    from django.db import connections

    os.environ["DJANGO_SETTINGS_MODULE"] = "nexus.settings"
    django.setup()
    for alias in connections:
        call_command("migrate", database=alias, verbosity=0)


def _redis_that_keeps(folder: pathlib.Path) -> str:
    from tests.servers import start_redis

    start_redis(folder, "--appendonly", "yes")
    return f"unix://{folder}/redis.sock"


async def _capture(redis: str | None) -> float:
    """Return the milliseconds of CPU that this process spends on a row, all its threads counted."""
    from activity.recorder import PostgresRecorder, SqliteRecorder, StreamRecorder
    from activity.storing import connection_parameters

    if redis:
        recorder = StreamRecorder(redis, PostgresRecorder(connection_parameters()))
    else:
        recorder = SqliteRecorder(f"{os.environ['NEXUS_DATA_DIR']}/activity.sqlite3")
    await recorder.start()
    rows = iter([make_row(number) for number in range(CALLS)])

    async def connection() -> None:
        for row in rows:
            await recorder.record(row)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    wall = time.perf_counter() - begun
    await recorder.stop()
    spent = (time.process_time() - cpu) * 1000 / CALLS
    say(
        f"{CALLS:,} rows, {CONNECTIONS} at once: {CALLS / wall:,.0f} rows/s, {spent:.3f} ms of CPU each, counting included"
    )
    return spent


def _drained(redis: str) -> float:
    """Return how many rows a second one drain brings to PostgreSQL, of a stream that has long waited."""
    from redis import from_url

    from activity import stream
    from activity.drain import Drain
    from activity.storing import connection_parameters

    drain = Drain(redis, connection_parameters())
    drain.all_that_waits()
    with from_url(redis) as server:
        rows = [make_row(number) for number in range(DRAINED)]
        for begin in range(0, DRAINED, 10):
            server.xadd(stream.STREAM, {stream.ROWS: stream.encode(rows[begin : begin + 10])})
    drain = Drain(redis, connection_parameters())
    backend = drain.connect()
    begun, cpu, stored = time.perf_counter(), time.process_time(), cpu_seconds(backend)
    while drain.step(wait=None):
        pass
    wall = time.perf_counter() - begun
    own, its = time.process_time() - cpu, cpu_seconds(backend) - stored
    drain.close()
    say(
        f"{DRAINED:,} rows in entries of 10 drained in {wall:.1f} s; CPU of the drain {own * 1e6 / DRAINED:.1f} µs a row, "
        f"of PostgreSQL {its * 1e6 / DRAINED:.1f} µs: {DRAINED / (own + its):,.0f} rows per second of CPU"
    )
    return DRAINED / wall


def make_row(number: int):
    from activity.recorder import CallRow
    from profiles.ids import uuid7

    token = random.randrange(100)
    return CallRow(
        uuid7(), datetime.now(UTC), ACCOUNTS[token % 5], token % 20, f"person{token % 20}@example.com",
        uuid.UUID(int=1000 + token % 10), f"toolkit-{token % 10}", f"token{token:07}", f"service {token}", "nxs", "",
        "claude-code", "2.1.0", f"203.0.113.{token}", "claude-code/2.1.0 (cli)", "2026-07-28", "tools/call", "echo",
        f"echo__tool{token % 7}", "ok" if number % 20 else "tool_error", "", 0.4, random.expovariate(1 / 80), 240, 900,
        str(uuid.uuid4()),
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "make":
        set_up()
        importlib.import_module("tests.bench.many").make(int(sys.argv[2]))
    else:
        sys.exit(0 if measure("postgres" if "postgres" in sys.argv else "embedded", rounds=3) else 1)
