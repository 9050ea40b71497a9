"""A file that may not grow, as on a full disk: rows are refused, nothing is half there, and afterwards it goes on."""

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from activity.recorder import TABLE
from tests.activity.rows import make_file
from tests.live import ROOT

pytestmark = [pytest.mark.sqlite, pytest.mark.slow]

WRITER = """
import asyncio, os, resource, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "nexus.settings"
django.setup()
from activity.recorder import NotRecorded, SqliteRecorder
from tests.activity.rows import row

async def main(path, limit):
    recorder = SqliteRecorder(path)
    await recorder.start()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    written = []
    for _ in range(40):
        rows = [row(reason="x" * 300) for _ in range(8)]
        told = await asyncio.gather(*map(recorder.record, rows), return_exceptions=True)
        written += [str(one.id) for one, problem in zip(rows, told) if problem is None]
        assert all(problem is None or isinstance(problem, NotRecorded) for problem in told), told
    print(len(written), told[-1] is None)
    await recorder.stop()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def write(path, limit):
    """Record 320 rows in a process whose files may have so many bytes; return how many it took, and if it still does."""
    command = [sys.executable, "-c", WRITER, path, str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    number, is_well = done.stdout.split()
    return int(number), is_well == "True"


def stored(path):
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        waiting = file.execute("SELECT count(*) FROM activity_uncounted").fetchone()[0]
        return file.execute(f"SELECT count(*) FROM {TABLE}").fetchone()[0], waiting


def test_a_row_that_was_answered_is_there_and_one_that_was_refused_is_not(tmp_path):
    path = make_file(tmp_path)
    taken, is_well = write(path, 200_000)
    assert 0 < taken < 320
    assert not is_well
    assert stored(path) == (taken, taken)
    assert write(path, 0) == (320, True)
    assert stored(path) == (taken + 320, taken + 320)
