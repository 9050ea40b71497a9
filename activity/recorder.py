"""Writes calls by group commit: `record` returns when the row survives the end of any process.

Embedded, the rows of one turn of the event loop share one SQLite transaction. On PostgreSQL the rows that arrive while
a COPY is under way share the next one.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import psycopg

logger = logging.getLogger("nexus.activity")

RETRY_FOR = 2.0  # seconds for which a busy SQLite file or a lost connection is tried again
CHECKPOINT_EVERY = 5.0  # seconds


class NotRecorded(Exception):
    """The row could not be written; the call must not be answered as if it had been."""


class CallRow(NamedTuple):
    """One row of activity.Call, in the order of COLUMNS."""

    id: UUID
    at: Any
    account_id: UUID
    owner_id: int
    owner_email: str
    toolkit_id: UUID
    toolkit_alias: str
    token_public_id: str
    token_name: str
    token_kind: str
    actors: str
    client_name: str
    client_version: str
    address: str
    user_agent: str
    protocol: str
    method: str
    server: str
    tool: str
    outcome: str
    reason: str
    hub_ms: float
    upstream_ms: float
    bytes_in: int
    bytes_out: int
    request_id: str


COLUMNS = CallRow._fields
TABLE = "activity_call"


COMPLETED = ("outcome", "reason", "hub_ms", "upstream_ms", "bytes_out", "server", "tool")


class Recorder(Protocol):
    """`record` writes a row; `complete` says how the call of a row that was written at its beginning has ended."""

    async def start(self) -> None: ...
    async def record(self, row: CallRow) -> None: ...
    async def complete(self, row: CallRow) -> None: ...
    async def stop(self) -> None: ...


class Waiting(NamedTuple):
    row: CallRow
    done: "asyncio.Future[None]"
    is_end: bool = False


class SqliteRecorder:
    """Commits on the event loop itself, which takes less time than handing over to a thread would."""

    STATEMENT = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
    COMPLETION = f"UPDATE {TABLE} SET {', '.join(f'{name} = ?' for name in COMPLETED)} WHERE id = ?"  # noqa: S608

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._waiting: list[Waiting] = []
        self._checkpoints: threading.Thread | None = None
        self._stopping = threading.Event()

    async def start(self) -> None:
        self._file = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        self._file.execute("PRAGMA wal_autocheckpoint=0")  # a thread does it: it may wait for the disk
        self._checkpoints = threading.Thread(target=self._checkpoint, name="activity-checkpoint", daemon=True)
        self._checkpoints.start()

    async def record(self, row: CallRow) -> None:
        await self._enqueue(row, is_end=False)

    async def complete(self, row: CallRow) -> None:
        await self._enqueue(row, is_end=True)

    def _enqueue(self, row: CallRow, *, is_end: bool) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit, loop.time() + RETRY_FOR)
        self._waiting.append(Waiting(row, done, is_end))
        return done

    async def stop(self) -> None:
        self._stopping.set()
        while self._waiting:
            await asyncio.sleep(0.01)
        if self._checkpoints:
            await asyncio.to_thread(self._checkpoints.join)
        if self._file:
            self._file.close()

    def _commit(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        waiting, problem = self._waiting, None
        try:
            self._write(waiting)
        except sqlite3.OperationalError as error:
            if "locked" in str(error) and loop.time() < deadline:
                loop.call_later(0.005, self._commit, deadline)  # somebody deletes old rows; those who wait join us
                return
            problem = NotRecorded(str(error))
        except Exception as error:
            logger.exception("calls could not be written")
            problem = NotRecorded(type(error).__name__)
        self._waiting = []
        _settle(waiting, problem)

    def _write(self, waiting: list[Waiting]) -> None:
        assert self._file
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._file.executemany(self.STATEMENT, [_for_sqlite(one.row) for one in waiting if not one.is_end])
            ends = [(*_end_of(one.row), one.row.id.hex) for one in waiting if one.is_end]
            if ends:
                self._file.executemany(self.COMPLETION, ends)
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise

    def _checkpoint(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None, timeout=5)) as file:
            while not self._stopping.wait(CHECKPOINT_EVERY):
                try:
                    file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                except sqlite3.OperationalError as error:
                    logger.warning("the write-ahead log of calls could not be moved: %s", error)


class PostgresRecorder:
    """Copies what has gathered while the copy before was under way."""

    STATEMENT = f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN"
    COMPLETION = f"UPDATE {TABLE} SET {', '.join(f'{name} = %s' for name in COMPLETED)} WHERE id = %s AND at = %s"  # noqa: S608

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._connection = await self._connect()

    async def record(self, row: CallRow) -> None:
        await self._enqueue(row, is_end=False)

    async def complete(self, row: CallRow) -> None:
        await self._enqueue(row, is_end=True)

    def _enqueue(self, row: CallRow, *, is_end: bool) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(row, done, is_end))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return done

    async def stop(self) -> None:
        if self._task:
            await self._task
        if self._connection:
            await self._connection.close()

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                async with asyncio.timeout(RETRY_FOR + 3):
                    await self._write(batch)
            except psycopg.DataError:
                await self._drain_singly(batch)
            except Exception as error:
                logger.exception("calls could not be written")
                _settle(batch, NotRecorded(type(error).__name__))
            else:
                _settle(batch)

    async def _drain_singly(self, batch: list[Waiting]) -> None:
        """Write row by row: one that PostgreSQL does not take costs none of the others."""
        for one in batch:
            try:
                await self._write([one])
            except (psycopg.Error, OSError) as error:
                _settle([one], NotRecorded(type(error).__name__))
            else:
                _settle([one])

    async def _write(self, waiting: list[Waiting]) -> None:
        rows = [one.row for one in waiting if not one.is_end]
        if rows:
            await self._insert(rows)
        if ends := [one.row for one in waiting if one.is_end]:
            await self._complete(ends)

    async def _complete(self, rows: list[CallRow]) -> None:
        ends = [(*_end_of(CallRow(*_for_postgres(row))), row.id, row.at) for row in rows]
        try:
            await self._update(ends)
        except psycopg.OperationalError:  # the same end may be written twice
            await self._update(ends)

    async def _update(self, ends: list[tuple[Any, ...]]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        async with self._connection.cursor() as cursor:
            await cursor.executemany(self.COMPLETION, ends)

    async def _insert(self, rows: list[CallRow]) -> None:
        """Write the rows; over a lost connection once more, with the same ids, so that none is there twice."""
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
            await self._copy(rows)
            return
        try:
            await self._copy(rows)
        except psycopg.OperationalError:
            await self._connection.close()
            self._connection = await self._connect()
            await self._copy([row for row in rows if not await self._is_there(row)])

    async def _copy(self, rows: list[CallRow]) -> None:
        assert self._connection
        async with self._connection.cursor() as cursor, cursor.copy(self.STATEMENT) as copy:
            for row in rows:
                await copy.write_row(_for_postgres(row))

    async def _is_there(self, row: CallRow) -> bool:
        assert self._connection
        query = "SELECT 1 FROM activity_call WHERE id = %s AND at = %s"
        cursor = await self._connection.execute(query, [row.id, row.at])
        return await cursor.fetchone() is not None

    async def _connect(self) -> "psycopg.AsyncConnection[Any]":
        return await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True)


def _end_of(row: CallRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COMPLETED)


def _for_sqlite(row: CallRow) -> tuple[Any, ...]:
    """Return the values as Django stores them: UUIDs as 32 hex digits, times as text in UTC without a zone."""
    return (
        row.id.hex,
        row.at.replace(tzinfo=None).isoformat(" ", "microseconds"),
        row.account_id.hex,
        *row[3:5],
        row.toolkit_id.hex,
        *row[6:],
    )


def _for_postgres(row: CallRow) -> tuple[Any, ...]:
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)


def _settle(waiting: list[Waiting], error: Exception | None = None) -> None:
    for one in waiting:
        done = one.done
        if done.done():
            continue
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)
