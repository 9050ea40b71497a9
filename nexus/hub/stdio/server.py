"""JSON-RPC with one running server: numbers of our own on the way there, the client's own ids on the way back."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from nexus.hub.stdio import messages
from nexus.hub.stdio.confinement import Confinement
from nexus.hub.stdio.messages import Key, key_of, members_in
from nexus.hub.stdio.program import Flood, Program, ServerDied
from nexus.hub.stdio.streams import Stream
from profiles.upstream.wire import Message

START_TIMEOUT = 20.0  # seconds
WINDOW = 10.0  # seconds in which a server may write so much that answers nothing:
UNASKED_MESSAGES = 20_000
UNASKED_BYTES = 64 << 20


@dataclass(eq=False, slots=True)
class Exchange:
    """A request on its way: its id as it came, whose it is, and the stream of what the server says for it."""

    id: bytes
    owner: object = None
    stream: Stream = field(default_factory=Stream)
    token: bytes = b""  # the client's own, for progress
    number: int = 0


class Hearer(Protocol):
    """Decides where it goes what a server says unasked; hears of its end unless that was wanted."""

    def hear_request(self, server: "Server", message: Message, line: bytes) -> None: ...
    def hear_notification(self, server: "Server", message: Message, line: bytes) -> None: ...
    def hear_end(self, server: "Server") -> None: ...


class Allowance:
    """How much a server may write that answers nothing."""

    def __init__(self) -> None:
        self._ends_at = 0.0
        self._messages = self._bytes = 0

    def spend(self, size: int, now: float) -> None:
        """Raise Flood."""
        if now > self._ends_at:
            self._ends_at, self._messages, self._bytes = now + WINDOW, 0, 0
        self._messages += 1
        self._bytes += size
        if self._messages > UNASKED_MESSAGES or self._bytes > UNASKED_BYTES:
            raise Flood(f"it wrote {self._messages} messages within {WINDOW:.0f} s that answer nothing")


class Server:
    """A server's process from its introduction until `is_over`."""

    def __init__(self, program: Program, hearer: Hearer) -> None:
        self.used_at = time.monotonic()
        self.introduction = b""  # what it answered to `initialize`
        self.has_answered = False  # anything after that
        self.is_over = False
        self._is_stopping = False
        self._reason = ""
        self._hearer = hearer
        self._program = program
        self._ids = itertools.count(1)
        self._waiting: dict[Key | None, Exchange] = {}
        self._allowance = Allowance()
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls, command: list[str], confinement: Confinement, home: Path, *, hello: bytes, hearer: Hearer
    ) -> "Server":
        """Start the program and have it introduce itself; raise ServerDied."""
        server = cls(await Program.start(command, confinement, home), hearer)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                server.introduction = await server._introduce(hello)
        except TimeoutError:
            reason = f"it did not introduce itself within {START_TIMEOUT:.0f} s"
            raise ServerDied(f"Its program does not run ({reason}).") from None
        finally:
            if not server.introduction:
                await server.stop()
        return server

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def exchanges_of(self, owner: object) -> list[Exchange]:
        """Return what the owner waits for, the newest first."""
        return [exchange for exchange in reversed(self._waiting.values()) if exchange.owner is owner]

    async def ask(self, exchange: Exchange, method: str, params: bytes) -> None:
        """Send the request; what the server says for it comes to the exchange's stream. Raise ServerDied."""
        self.used_at = time.monotonic()
        exchange.number = next(self._ids)
        line = messages.request(exchange.number, method, _with_own_token(exchange, params))
        if self.is_over:
            raise ServerDied(self._reason)
        self._waiting[exchange.number] = exchange
        await self._program.write(line)

    async def write(self, line: bytes) -> None:
        """Send a notification, or an answer to the server's own request, as it is. Raise ServerDied."""
        self.used_at = time.monotonic()
        await self._program.write(line)

    def give_up(self, exchange: Exchange) -> None:
        """Forget a request whose client has gone, and tell the server; nothing if it is answered."""
        if self._waiting.pop(exchange.number, None):
            self.cancel(exchange, b'{"reason":"the client has gone"}')

    def cancel(self, exchange: Exchange, params: bytes) -> None:
        """Pass on, under our number, that the answer is no longer wanted."""
        content = messages.with_members(params, requestId=exchange.number) or b"{}"
        self._program.mention(messages.notification("notifications/cancelled", content))

    def refuse(self, message: Message, code: int, reason: str) -> None:
        self._program.mention(messages.error(bytes(message.id), code, reason))

    async def stop(self) -> None:
        self._is_stopping = True
        await self._program.stop()
        await self._life

    async def _introduce(self, hello: bytes) -> bytes:
        exchange = Exchange(b"0")
        await self.ask(exchange, "initialize", hello)
        line = await exchange.stream.next()
        while line is not None and line is not exchange.stream.answer:
            line = await exchange.stream.next()
        if line is None:
            raise ServerDied(exchange.stream.reason)
        self.has_answered = False
        answer = messages.message_in(line) or Message()
        if not answer.result:
            reason = messages.text_in(members_in(answer.error).get("message", b""))
            raise ServerDied(f"Its program does not run (it refused to start: {reason[:200]}).")
        return bytes(answer.result)

    async def _live(self) -> None:
        reason = "Nexus could not read it"
        try:
            reason = await self._program.run(self._take)
        finally:
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.is_over = True
        what = "ended before it answered" if self.introduction else "does not run"
        self._reason = f"Its program {what} ({reason})."
        for exchange in self._waiting.values():
            exchange.stream.break_off(self._reason)
        self._waiting.clear()
        if self.introduction and not self._is_stopping:
            self._hearer.hear_end(self)

    def _take(self, line: bytes) -> None:
        """Raise Flood."""
        message = messages.message_in(line) or Message()
        if message.method is None and self._take_answer(message, line):
            return
        self._allowance.spend(len(line), time.monotonic())
        if message.method == "ping" and message.id:
            self._program.mention(messages.result(bytes(message.id), b"{}"))
        elif message.method == "notifications/progress":
            self._take_progress(message, line)
        elif message.method and message.id:
            self._hearer.hear_request(self, message, line)
        elif message.method:
            self._hearer.hear_notification(self, message, line)

    def _take_answer(self, message: Message, line: bytes) -> bool:
        """Give the answer to who waits for it; return False if nobody does."""
        exchange = self._waiting.pop(key_of(message.id), None)
        if exchange is None:
            return False
        self.has_answered = True
        answer = messages.with_members(line, id=msgspec.Raw(exchange.id))
        exchange.stream.finish(answer or messages.error(exchange.id, messages.INTERNAL_ERROR, "It answered garbage."))
        return True

    def _take_progress(self, message: Message, line: bytes) -> None:
        params = members_in(message.params)
        exchange = self._waiting.get(key_of(params.get("progressToken", b"")))
        if exchange and exchange.token:
            content = {**params, "progressToken": msgspec.Raw(exchange.token)}
            if told := messages.with_members(line, params=content):
                exchange.stream.put(told)


def _with_own_token(exchange: Exchange, params: bytes) -> bytes:
    """Put our number in place of the client's progress token: another client may use the same."""
    if b"progressToken" not in params:
        return params
    meta = members_in(members_in(params).get("_meta", b""))
    exchange.token = bytes(meta.get("progressToken", b""))
    content = {**meta, "progressToken": exchange.number}
    return messages.with_members(params, _meta=content) or params if exchange.token else params
