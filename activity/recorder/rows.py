from collections.abc import Awaitable
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

RETRY_FOR = 2.0  # seconds for which a busy SQLite file or a lost connection is tried again


class NotRecorded(Exception):
    """The row could not be written; the call must not be answered as if it had been."""


class CallRow(NamedTuple):
    """One row of activity.Call, in the order of COLUMNS. New columns come last, with a default (activity/drain.py)."""

    id: UUID
    at: datetime
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
    application: str = ""
    arguments: str = ""
    result: str = ""


COLUMNS = CallRow._fields
TABLE = "activity_call"
OPEN = "open"
# What is known of a call only when it has ended.
COMPLETED = ("outcome", "reason", "hub_ms", "upstream_ms", "bytes_out", "server", "tool", "result")


class Recorder(Protocol):
    """`record` writes a row; `complete` says how the call of a row that was written at its beginning has ended."""

    @property
    def is_drained(self) -> bool:
        """Whether rows are on their way through the stream, and the drain will note when tokens were used."""

    async def start(self) -> None: ...
    def record(self, row: CallRow) -> Awaitable[None]: ...
    def complete(self, row: CallRow) -> Awaitable[None]: ...
    async def stop(self) -> None: ...
