"""Sees to it that no call is answered without its row, and says so where one is (NEXUS_ACTIVITY=best-effort)."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings

from activity.models import Drop, UnderWay
from activity.recorder import CallRow, NotRecorded, Recorder
from nexus.hub.authority import Database
from nexus.hub.counters import counters
from nexus.hub.deeds import Minute
from nexus.hub.exchange import Exchange
from nexus.hub.replies import Reply
from nexus.hub.rows import row_of
from tokens.lookup import TokenAuthority

REFUSED_ROWS = 60  # rows of refusals per token and minute; the rest is counted
ASK_AGAIN = 1.0  # seconds for which nothing is called after a row could not be written


class Accounting:
    def __init__(self, recorder: Recorder, database: Database, minute: Minute) -> None:
        self._recorder = recorder
        self._database = database
        self._minute = minute
        self._closed_until = 0.0  # of the monotonic clock
        self._dropped = 0
        self._under_way: set[UUID] = set()  # rows of streams that have begun here

    def look(self) -> None:
        """Raise NotRecorded while rows cannot be taken: a tool must not run whose call would be withheld."""
        if self._closed_until and time.monotonic() < self._closed_until and not _is_best_effort():
            raise NotRecorded("rows cannot be taken")

    async def begin(self, exchange: Exchange) -> None:
        """Write the row of a stream before its first byte."""
        assert exchange.authority
        exchange.downstream.authority = exchange.authority
        exchange.opened_at = datetime.now(UTC)
        await self._write(self._recorder.record, row_of(exchange, exchange.authority, Reply(200, outcome="open")))
        self._under_way.add(exchange.request.row_id)

    async def record(self, exchange: Exchange, authority: TokenAuthority, reply: Reply) -> None:
        is_first = exchange.opened_at is None
        if is_first and reply.outcome == "refused" and not self._minute.has_room(authority.public_id, REFUSED_ROWS):
            counters.refusals_only_counted += 1
            exchange.is_only_counted = True
            return
        row = row_of(exchange, authority, reply)
        await self._write(self._recorder.record if is_first else self._recorder.complete, row)

    async def record_failure(self, exchange: Exchange, reply: Reply) -> None:
        """Write the row of a request in which we failed: its tool may have run."""
        if exchange.authority:
            with contextlib.suppress(NotRecorded):
                await self.record(exchange, exchange.authority, reply)

    def leave(self, exchange: Exchange) -> None:
        """Have nobody wait for this call any more, however it ended."""
        self._under_way.discard(exchange.request.row_id)

    async def touch(self) -> None:
        """Write down which calls are under way still, and how many have no row."""
        if self._under_way:
            await self._database.run(UnderWay.objects.note, list(self._under_way), datetime.now(UTC))
        dropped, self._dropped = self._dropped, 0
        if not dropped:
            return
        try:
            await self._database.run(Drop.objects.note, dropped, datetime.now(UTC))
        except Exception:
            self._dropped += dropped
            raise

    async def _write(self, write: Callable[[CallRow], Awaitable[None]], row: CallRow) -> None:
        try:
            await write(row)
        except NotRecorded:
            if not _is_best_effort():
                self._closed_until = time.monotonic() + ASK_AGAIN
                raise
            counters.calls_not_recorded += 1
            self._dropped += 1


def _is_best_effort() -> bool:
    return bool(settings.NEXUS_ACTIVITY == "best-effort")
