"""Counts calls into rollups beside the embedded hub, a little after they were written, each exactly once."""

import sqlite3

from activity import counting
from activity.models.latency import bucket_of
from activity.recorder.rows import TABLE

AT_ONCE = 1000  # calls: the hub waits for the lock no longer than these take

_waiting = f"SELECT c.* FROM activity_uncounted u JOIN {TABLE} c ON c.id = u.call_id WHERE u.id <= ?"  # noqa: S608


class SqliteCounter:
    """A connection of its own, for one thread. Several may count the same file: only one of them counts a call."""

    def __init__(self, path: str) -> None:
        self._file = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._file.create_function("latency_bucket", 1, bucket_of, deterministic=True)
        self._file.execute("PRAGMA temp_store=MEMORY")

    def count(self) -> int:
        """Count what waits, in short transactions; return how many calls that were."""
        counted = 0
        while number := self._count_some():
            counted += number
        return counted

    def checkpoint(self) -> None:
        self._file.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        self._file.close()

    def _count_some(self) -> int:
        oldest = "SELECT id FROM activity_uncounted ORDER BY id LIMIT ?"
        newest, number = self._file.execute(f"SELECT MAX(id), COUNT(*) FROM ({oldest})", [AT_ONCE]).fetchone()  # noqa: S608
        if number:
            self._group(newest)  # outside the transaction, in which the hub cannot write
            self._file.execute("BEGIN IMMEDIATE")
            try:
                is_ours = self._add_up(newest, number)
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT" if is_ours else "ROLLBACK")
        return int(number)

    def _group(self, newest: int) -> None:
        select = counting.SQLITE.grouped(f"({_waiting})")
        self._file.execute("DROP TABLE IF EXISTS temp.counted")
        self._file.execute(f"CREATE TEMP TABLE counted AS {select}", [newest])

    def _add_up(self, newest: int, number: int) -> bool:
        """Return False if another process has counted some of these calls meanwhile."""
        for statement in counting.UPSERTS_SQLITE:
            self._file.execute(statement)
        return self._file.execute("DELETE FROM activity_uncounted WHERE id <= ?", [newest]).rowcount == number
