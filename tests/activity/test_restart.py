"""PostgreSQL is stopped and started again while calls are under way."""

import contextlib
import signal
import uuid
from datetime import UTC, datetime

import psycopg
import pytest

from activity.models import uuid7
from activity.recorder import COLUMNS, CallRow, PostgresRecorder
from tests.servers import start_postgres

KINDS = {"id": "uuid", "at": "timestamptz"}


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("restart")


@contextlib.contextmanager
def postgres(folder):
    daemon = start_postgres(folder)
    try:
        yield
    finally:
        daemon.send_signal(signal.SIGINT)  # ends the sessions that are open
        daemon.wait(10)


def row(**fields):
    values = dict.fromkeys(COLUMNS, "") | {"id": uuid7(), "at": datetime.now(UTC), "account_id": uuid.uuid4()}
    return CallRow(**values | {"toolkit_id": uuid.uuid4(), "outcome": "open"} | fields)


async def test_a_row_that_was_open_over_a_restart_is_completed(folder):
    parameters = {"host": str(folder), "user": "postgres", "dbname": "postgres"}
    recorder, begun = PostgresRecorder(parameters), row(tool="slow")
    with postgres(folder), psycopg.connect(**parameters, autocommit=True) as connection:
        columns = ", ".join(f"{name} {KINDS.get(name, 'text')}" for name in COLUMNS)
        connection.execute(f"CREATE TABLE activity_call ({columns})")
        await recorder.start()
        await recorder.record(begun)
    with postgres(folder), psycopg.connect(**parameters) as connection:
        await recorder.complete(begun._replace(outcome="ok", bytes_out=7))
        await recorder.record(row(tool="next"))
        await recorder.stop()
        stored = connection.execute("SELECT tool, outcome, bytes_out FROM activity_call ORDER BY at").fetchall()
    assert stored == [("slow", "ok", "7"), ("next", "open", "")]
