"""Writes calls by group commit: `record` returns when the row survives the end of any process.

Embedded, the rows of one turn of the event loop share one SQLite transaction. In production those that arrive while a
write is under way share the next one: an entry of a Redis Stream, or a COPY to PostgreSQL where Redis cannot take it.
"""

from activity.recorder.postgres import PostgresRecorder
from activity.recorder.rows import COLUMNS, TABLE, CallRow, NotRecorded, Recorder
from activity.recorder.sqlite import SqliteRecorder
from activity.recorder.stream import StreamRecorder

__all__ = [
    "COLUMNS",
    "TABLE",
    "CallRow",
    "NotRecorded",
    "PostgresRecorder",
    "Recorder",
    "SqliteRecorder",
    "StreamRecorder",
]
