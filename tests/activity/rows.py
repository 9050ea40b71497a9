"""Rows as the hub hands them over, and a place to put them where no Django is."""

import contextlib
import sqlite3
import uuid
from datetime import UTC, datetime

from activity.models import uuid7
from activity.recorder import COLUMNS, TABLE, CallRow

ACCOUNT, TOOLKIT = uuid.UUID(int=1), uuid.UUID(int=2)


def row(**fields):
    values = dict.fromkeys(COLUMNS, "") | {
        "id": uuid7(), "at": datetime.now(UTC), "account_id": ACCOUNT, "owner_id": 1, "toolkit_id": TOOLKIT,
        "token_public_id": "abcdefghijkl", "token_kind": "nxs", "outcome": "ok", "server": "echo", "tool": "echo__echo",
        "hub_ms": 0.5, "upstream_ms": 0.0, "bytes_in": 1, "bytes_out": 1,
    }  # fmt: skip
    return CallRow(**values | fields)


def make_file(folder):
    """Return the path of an SQLite file that has the tables of calls, and no rollup."""
    path = str(folder / "calls.sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(f"CREATE TABLE {TABLE} ({', '.join(COLUMNS)}, UNIQUE (id))")
        file.execute("CREATE TABLE activity_uncounted (id INTEGER PRIMARY KEY, call_id)")
    return path
