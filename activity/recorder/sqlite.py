import asyncio
import contextlib
import logging
import sqlite3
import threading
from typing import Any

from activity.recorder.counter import SqliteCounter
from activity.recorder.gathering import Waiting, settle
from activity.recorder.rows import COLUMNS, COMPLETED, OPEN, RETRY_FOR, TABLE, CallRow, NotRecorded

logger = logging.getLogger("nexus.activity")

COUNT_EVERY = 1.0  # seconds
CHECKPOINT_EVERY = 5  # counts

INSERT = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
# Only how a call ended that was written when it began; once ended, it stays as it is.
COMPLETE = f"""{INSERT} ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COMPLETED)}
WHERE outcome = '{OPEN}'"""
WAIT = "INSERT INTO activity_uncounted (call_id) VALUES (?)"
WAIT_UNLESS_ENDED = f"""INSERT INTO activity_uncounted (call_id) SELECT ?1
WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE id = ?1 AND outcome <> '{OPEN}')"""  # noqa: S608


class SqliteRecorder:
    """Commits on the event loop itself, which takes less time than handing over to a thread would."""

    is_drained = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._waiting: list[Waiting] = []
        self._counting: threading.Thread | None = None
        self._stopping = threading.Event()

    async def start(self) -> None:
        self._file = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        self._file.execute("PRAGMA wal_autocheckpoint=0")  # a thread does it: it may wait for the disk
        self._counting = threading.Thread(target=self._count_now_and_then, name="activity-counter", daemon=True)
        self._counting.start()

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
        while self._waiting:
            await asyncio.sleep(0.01)
        self._stopping.set()
        if self._counting:
            await asyncio.to_thread(self._counting.join)
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
        for one in waiting:
            settle(one, problem)

    def _write(self, waiting: list[Waiting]) -> None:
        assert self._file
        begun = [one.row for one in waiting if not one.is_end]
        ended = [one.row for one in waiting if one.is_end]
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._file.executemany(INSERT, [_for_sqlite(row) for row in begun])
            self._file.executemany(WAIT, [(row.id.hex,) for row in begun if row.outcome != OPEN])
            if ended:
                self._file.executemany(WAIT_UNLESS_ENDED, [(row.id.hex,) for row in ended])
                self._file.executemany(COMPLETE, [_for_sqlite(row) for row in ended])
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:  # some errors, a full disk for one, have ended it already
                self._file.execute("ROLLBACK")
            raise

    def _count_now_and_then(self) -> None:
        with contextlib.closing(SqliteCounter(self._path)) as counter:
            rounds, is_last = 0, False
            while not is_last:
                is_last = self._stopping.wait(COUNT_EVERY)
                rounds += 1
                try:
                    counter.count()
                    if rounds % CHECKPOINT_EVERY == 0:
                        counter.checkpoint()
                except sqlite3.Error as error:
                    logger.warning("calls could not be counted, they wait: %s", error)


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
