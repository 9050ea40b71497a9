"""What goes on beside a call that takes long: the client goes away or takes it back, or its rights end."""

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec

from nexus.hub import replies
from nexus.hub.bus import Bus
from nexus.hub.downstream import STREAM
from nexus.hub.exchange import Exchange
from nexus.hub.replies import Reply
from nexus.hub.request import Receive
from nexus.hub.rights import Rights

T = TypeVar("T")

PATIENCE = 0.05  # seconds that a call may take before anybody watches it
TICK = 1.0  # seconds between two looks at its rights
COMMENT_EVERY = 15.0  # seconds
SLOWEST_READER = 5.0  # seconds that a client may take to read what little we say by ourselves


class Entry(msgspec.Struct):
    """A call that is under way, or a body that is awaited until `deadline` (seconds of the event loop's clock)."""

    begun: float
    exchange: Exchange | None = None
    deadline: float = math.inf
    is_late: bool = False
    watch: "asyncio.Task[None] | None" = None


class Running:
    """One timer for all calls: a timer for each would cost more than all else that happens here."""

    def __init__(self, rights: Rights, bus: Bus) -> None:
        self._rights = rights
        self._entries: dict[asyncio.Task[Any], Entry] = {}
        self._sessions: dict[tuple[str, bytes], tuple[Exchange, asyncio.Task[Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        bus.on("cancelled", self._take_back)

    async def run(self, exchange: Exchange, work: Awaitable[Reply]) -> Reply:
        """Return the reply, or what the client is told where its call was cut short."""
        task = _current_task()
        entry = self._enter(task, Entry(asyncio.get_running_loop().time(), exchange))
        key = self._key(exchange)
        if key:
            self._sessions[key] = exchange, task
        try:
            return await work
        except asyncio.CancelledError:
            if exchange.cut is None:
                raise
            task.uncancel()
            return exchange.cut
        finally:
            del self._entries[task]
            if entry.watch:
                entry.watch.cancel()
            if key:
                self._sessions.pop(key, None)

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """Await something for so long, give or take a tick; raise TimeoutError."""
        task, now = _current_task(), asyncio.get_running_loop().time()
        entry = self._enter(task, Entry(now, deadline=now + seconds))
        try:
            return await work
        except asyncio.CancelledError:
            if not entry.is_late:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            del self._entries[task]

    def _enter(self, task: "asyncio.Task[Any]", entry: Entry) -> Entry:
        self._entries[task] = entry
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._tick)
        return entry

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, entry in self._entries.items():
            if entry.exchange and entry.watch is None and now - entry.begun > PATIENCE:
                entry.watch = loop.create_task(self._watch(entry.exchange, task))
            elif now > entry.deadline and not entry.is_late:
                entry.is_late = True
                task.cancel()
        self._timer = loop.call_later(PATIENCE, self._tick) if self._entries else None

    def _key(self, exchange: Exchange) -> tuple[str, bytes] | None:
        context = exchange.context
        is_request = context and context.session and context.call.id
        return (context.session.nonce, context.call.id) if context and context.session and is_request else None

    async def _watch(self, exchange: Exchange, task: "asyncio.Task[Any]") -> None:
        gone = asyncio.ensure_future(disconnected(exchange.receive))
        said_at = time.monotonic()
        try:
            while not task.done():
                await asyncio.wait({gone}, timeout=TICK) if not gone.done() else await asyncio.sleep(TICK)
                if gone.done() and exchange.context and exchange.context.call.is_modern:
                    self._cut(exchange, task, went_away(exchange))
                elif exchange.downstream.is_open and (refusal := await self._refusal(exchange)):
                    self._cut(exchange, task, refusal)
                elif exchange.downstream.is_open and time.monotonic() - said_at > COMMENT_EVERY:
                    if not await still_reads(exchange):
                        self._cut(exchange, task, went_away(exchange))
                    said_at = time.monotonic()
        finally:
            gone.cancel()

    async def _refusal(self, exchange: Exchange) -> Reply | None:
        """Return why the call may not go on: its token, its server or its tool is no longer there."""
        if refusal := await self._rights.refusal(exchange):
            return refusal
        context = exchange.context
        if context is None or context.view.is_current:
            return None
        view = await self._rights.view(exchange)
        server_is_there = view and context.server in {"", *(server.slug for server in view.servers.values())}
        tool_is_there = view and (context.tool in view.routes or context.tool not in context.view.routes)
        if server_is_there and tool_is_there:
            return None
        reply = context.call.error(replies.FORBIDDEN, "This was taken out of the toolkit while it was under way.")
        reply.outcome, reply.reason = "refused", "taken out of the toolkit"
        return reply

    def _cut(self, exchange: Exchange, task: "asyncio.Task[Any]", reply: Reply) -> None:
        if not task.done() and exchange.cut is None:
            exchange.cut = reply
            task.cancel()

    def _take_back(self, data: dict[str, str]) -> None:
        exchange, task = self._sessions.get((data["nonce"], data["id"].encode()), (None, None))
        if exchange and task and exchange.context:
            self._cut(exchange, task, taken_back(exchange))


async def still_reads(exchange: Exchange) -> bool:
    """Send what keeps the stream alive; return False for a client that does not even read that."""
    try:
        async with asyncio.timeout(SLOWEST_READER):
            await exchange.downstream.comment()
    except TimeoutError:
        return False
    return True


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def went_away(exchange: Exchange) -> Reply:
    """Return what nobody reads any more; in the modern era, going away takes the call back."""
    assert exchange.context
    reply = exchange.context.call.error(replies.CANCELLED, "The client went away.")
    reply.outcome, reply.reason = "failed", "the client went away"
    return reply


def taken_back(exchange: Exchange) -> Reply:
    """Return what ends the response: a request that was taken back is not answered (2025-11-25, basic/cancellation).

    A stream may end without an answer; who reads no stream must get one object of JSON (2025-11-25, basic/transports).
    """
    assert exchange.context
    if exchange.downstream.allows_stream:
        reply = Reply(200, b"", list(STREAM))
    else:
        reply = exchange.context.call.error(replies.CANCELLED, "The client took this back.")
    reply.outcome, reply.reason = "failed", "the client took it back"
    return reply


def _current_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task
    return task
