"""Stores calls in PostgreSQL and counts them, in one transaction, each exactly once however often it is brought.

The drain and, where Redis cannot be used, the hub itself call the same function.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connections

from activity import counting
from activity.recorder.rows import COLUMNS, COMPLETED, OPEN, TABLE, CallRow

logger = logging.getLogger("nexus.activity")

_columns = ", ".join(COLUMNS)
_TYPES = {
    "id": "uuid", "at": "timestamptz", "account_id": "uuid", "toolkit_id": "uuid", "owner_id": "int8",
    "hub_ms": "float8", "upstream_ms": "float8", "bytes_in": "int4", "bytes_out": "int4",
    **dict.fromkeys(("arguments", "result"), "text"),
}  # fmt: skip
TYPES = [_TYPES.get(name, "varchar") for name in COLUMNS]

TEMPORARY = [
    f"CREATE TEMP TABLE arrived ON COMMIT DELETE ROWS AS SELECT {_columns} FROM {TABLE} WITH NO DATA",  # noqa: S608
    f"CREATE TEMP TABLE counted ON COMMIT DELETE ROWS AS {counting.POSTGRES.grouped(TABLE)} WITH NO DATA",
]
COPY = f"COPY arrived ({_columns}) FROM STDIN (FORMAT BINARY)"
# In the order of ids, as every writer goes, so that two of them never wait for each other in a circle. A row that is
# there stays as it is, unless it was written when its call began and this is how the call has ended.
STORE = f"""
WITH stored AS (
    INSERT INTO {TABLE} AS kept ({_columns})
    SELECT DISTINCT ON (id, at) {_columns} FROM arrived ORDER BY id, at, (outcome = '{OPEN}')
    ON CONFLICT (id, at) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in COMPLETED)}
    WHERE kept.outcome = '{OPEN}' AND EXCLUDED.outcome <> '{OPEN}'
    RETURNING {counting.READ}
)
INSERT INTO counted {counting.POSTGRES.grouped("stored")}"""  # noqa: S608
USES = f"SELECT token_kind, token_public_id, MAX(last_at) FROM counted WHERE {counting.ACCEPTED} GROUP BY 1, 2"  # noqa: S608


@dataclass(slots=True)
class Stored:
    """When tokens were used, by kind and public id, and the rows that PostgreSQL does not take, with the reason."""

    uses: dict[tuple[str, str], datetime] = field(default_factory=dict)
    refused: dict[UUID, str] = field(default_factory=dict)


class Store:
    """One connection, made when it is needed and again when it is lost. For one thread at a time."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = {"connect_timeout": 3, **parameters}
        self._connection: psycopg.Connection[Any] | None = None

    def store(self, rows: list[CallRow]) -> Stored:
        """Store all rows, or raise psycopg.Error; one that can never be stored costs no other."""
        try:
            return Stored(self._store_again(rows))
        except (psycopg.DataError, psycopg.IntegrityError, TypeError, ValueError, OverflowError):
            return self._store_singly(rows)

    def rows_of(self, query: str) -> list[tuple[Any, ...]]:
        return self._connected().execute(query.encode()).fetchall()

    def connect(self) -> int:
        """Return the id of the process that works for this connection."""
        return self._connected().info.backend_pid

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def _store_again(self, rows: list[CallRow]) -> dict[tuple[str, str], datetime]:
        """Try once more over a new connection: what was stored in spite of the error is not stored twice."""
        try:
            return self._store(rows)
        except psycopg.OperationalError:
            self.close()
            return self._store(rows)

    def _store_singly(self, rows: list[CallRow]) -> Stored:
        stored = Stored()
        for row in rows:
            try:
                stored.uses |= self._store_again([_storable(row)])
            except (psycopg.DataError, psycopg.IntegrityError, TypeError, ValueError, OverflowError) as error:
                logger.error("a call cannot be stored: %s", type(error).__name__, extra={"row": str(row.id)})
                stored.refused[row.id] = type(error).__name__
        return stored

    def _store(self, rows: list[CallRow]) -> dict[tuple[str, str], datetime]:
        connection = self._connected()
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(COPY) as copy:
                copy.set_types(TYPES)
                for row in rows:
                    copy.write_row(row)
            with connection.pipeline():
                for statement in (STORE, *counting.UPSERTS_POSTGRES, USES):
                    cursor.execute(statement, prepare=True)
            return {(kind, public_id): at for kind, public_id, at in cursor.fetchall()}

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(**self._parameters, autocommit=True)
            for statement in TEMPORARY:
                self._connection.execute(statement)
        return self._connection


def _storable(row: CallRow) -> CallRow:
    texts: dict[str, Any] = {
        name: _storable_text(value) for name, value in row._asdict().items() if isinstance(value, str)
    }
    return row._replace(**texts)


def _storable_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def connection_parameters() -> dict[str, Any]:
    """Return what psycopg needs to connect as Django does, without Django's pool."""
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold", "pool"):
        parameters.pop(name, None)
    return parameters
