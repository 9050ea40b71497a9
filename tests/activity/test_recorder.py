"""Rows are durable when `record` returns, whoever writes beside it, and one bad row costs no other."""

import asyncio
import sqlite3
import threading
import uuid

import pytest
from django.conf import settings
from django.db import connections

from activity.models import Call
from activity.recorder import TABLE, NotRecorded, SqliteRecorder
from nexus.hub.assembly import make_recorder
from tests.activity.rows import make_file, row

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
async def recorder():
    recorder = make_recorder()
    await recorder.start()
    yield recorder
    await recorder.stop()


def read(function):
    try:
        return function()
    finally:
        connections.close_all()


async def test_many_rows_at_once_are_all_there_and_read_as_they_were_written(recorder):
    account = uuid.uuid4()  # a live hub of another test may be writing still
    rows = [row(tool=f"t{number}", account_id=account) for number in range(300)]
    await asyncio.gather(*(recorder.record(one) for one in rows))
    stored = await asyncio.to_thread(read, lambda: {call.id: call for call in Call.objects.filter(account_id=account)})
    assert stored.keys() == {one.id for one in rows}
    first = stored[rows[0].id]
    assert (first.at, first.account_id, first.tool) == (rows[0].at, rows[0].account_id, "t0")


async def test_a_row_that_cannot_be_written_costs_no_other(recorder):
    good, bad = row(), row(owner_id="not a number" if settings.DATABASE_URL else None)
    results = await asyncio.gather(recorder.record(good), recorder.record(bad), return_exceptions=True)
    assert isinstance(results[1], NotRecorded)
    if settings.DATABASE_URL:
        assert results[0] is None
    await recorder.record(row())


async def test_a_file_that_is_locked_for_a_moment_is_waited_for(tmp_path):
    recorder = SqliteRecorder(make_file(tmp_path))
    await recorder.start()
    locked, go_on = threading.Event(), threading.Event()

    def hold():
        file = sqlite3.connect(recorder._path, isolation_level=None)
        file.execute("BEGIN IMMEDIATE")
        locked.set()
        go_on.wait(10)
        file.execute("COMMIT")
        file.close()

    holder = threading.Thread(target=hold)
    holder.start()
    await asyncio.to_thread(locked.wait, 10)
    writing = asyncio.gather(*(recorder.record(row()) for _ in range(3)))
    await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    await writing
    holder.join()
    assert recorder._file.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (3,)
    await recorder.stop()
