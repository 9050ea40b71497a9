"""The host as a streamable HTTP server of the older era (MCP 2025-11-25, basic/transports).

Every request names its server by `nexus-command`, a JSON list. A request without a session is asked of the shared
process, which was introduced already; `GET /` without a command says how the host is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

import msgspec

from nexus.hub.stdio import messages
from nexus.hub.stdio.commands import Command
from nexus.hub.stdio.host import Host, TooMany
from nexus.hub.stdio.program import LINE_LIMIT, ServerDied, on_one_line
from nexus.hub.stdio.server import Exchange
from nexus.hub.stdio.sessions import Session
from nexus.hub.stdio.streams import Stream
from profiles.upstream.wire import Message

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REAP_EVERY = 0.1  # of the shorter idle limit
JSON = (b"content-type", b"application/json")
EVENTS = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))


class Refusal(Exception):
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class Application:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        call = Call(self._host, scope, receive, send)
        try:
            await call.handle()
        except Refusal as refusal:
            await call.reply(refusal.status, refusal.body)
        except ServerDied as death:
            await call.reply(502, detail(death), OURS)
        except TooMany as reason:
            await call.reply(503, detail(reason), OURS)

    async def _live(self, receive: Receive, send: Send) -> None:
        reaper = asyncio.create_task(self._reap())
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        reaper.cancel()
        await self._host.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _reap(self) -> None:
        limits = self._host.limits
        while True:
            await asyncio.sleep(REAP_EVERY * min(limits.shared_idle, limits.session_idle))
            await self._host.reap(time.monotonic())


class Call:
    """One HTTP request."""

    def __init__(self, host: Host, scope: Scope, receive: Receive, send: Send) -> None:
        self._host = host
        self._method = scope["method"]
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._send = send

    async def handle(self) -> None:
        """Raise Refusal, ServerDied or TooMany."""
        if self._method == "GET" and b"nexus-command" not in self._headers:
            await self.reply(200, msgspec.json.encode(self._host.status))
        elif self._method == "POST":
            await self._post(self._command())
        elif self._method == "GET":
            await self._listen(self._session(self._command()))
        elif self._method == "DELETE":
            self._session(self._command())
            await self._host.close(self._session_number)
            await self.reply(204)
        else:
            raise Refusal(405, detail("Use GET, POST or DELETE."))

    async def reply(self, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        sized = (JSON, (b"content-length", b"%d" % len(body)), *headers) if status != 204 else headers
        await self._send({"type": "http.response.start", "status": status, "headers": list(sized)})
        await self._send({"type": "http.response.body", "body": body})

    async def _post(self, command: Command) -> None:
        body = await self._body()
        message = messages.message_in(body)
        if message is None or not (message.method or message.id):
            raise Refusal(400, messages.error(b"", messages.PARSE_ERROR, "The body is not one JSON-RPC message."))
        if message.method == "initialize" and message.id:
            await self._while_connected(self._open(command, message))
        elif message.method and message.id:
            session = self._session(command) if self._session_number else None
            await self._while_connected(self._ask(command, session, message))
        else:
            await self._tell(command, message, body)

    async def _open(self, command: Command, message: Message) -> None:
        number, introduction = await self._host.open(command, bytes(message.params))
        answer = messages.result(bytes(message.id), introduction)
        await self.reply(200, answer, (b"mcp-session-id", number.encode()))

    async def _ask(self, command: Command, session: Session | None, message: Message) -> None:
        exchange = Exchange(bytes(message.id), session)
        method, params = message.method or "", bytes(message.params)
        server = await (session or command).running()
        try:
            if session and session.is_settled(method, params):
                exchange.stream.finish(messages.result(exchange.id, b"{}"))
            else:
                await server.ask(exchange, method, params)
            await self._answer(exchange.stream)
        finally:
            server.give_up(exchange)

    async def _tell(self, command: Command, message: Message, body: bytes) -> None:
        """Take a notification, or the answer to what a server asked; without a session nobody waits for either."""
        if self._session_number:
            session = self._session(command)
            await (session.notify(message, body) if message.method else session.answer(message, body))
        await self.reply(202)

    async def _answer(self, stream: Stream) -> None:
        """Answer in one piece, or as a stream if the server says something before its answer."""
        first = await stream.next()
        if first is None:
            raise ServerDied(stream.reason)
        if first is stream.answer:
            await self.reply(200, first)
        else:
            await self._stream(stream, first)

    async def _listen(self, session: Session) -> None:
        """Send what belongs to no request, for as long as session and client live."""
        if session.stream.is_read:
            raise Refusal(409, detail("This session has its stream already."))
        session.stream.is_read = True
        try:
            await self._while_connected(self._stream(session.stream))
        finally:
            session.stream.is_read = False

    async def _stream(self, stream: Stream, first: bytes | None = None) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": list(EVENTS)})
        message = first or await self._opened(stream)
        while message is not None:
            event = b"event: message\ndata: %b\n\n" % on_one_line(message)
            await self._send({"type": "http.response.body", "body": event, "more_body": True})
            message = await stream.next()
        await self._send({"type": "http.response.body", "body": b""})

    async def _opened(self, stream: Stream) -> bytes | None:
        """Send the headers at once: it may be long until there is something to say."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        return await stream.next()

    async def _while_connected(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it until it is done or nobody waits for it any more."""
        working = asyncio.create_task(work)
        gone = asyncio.create_task(self._receive_until_gone())
        try:
            await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        finally:
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)

    async def _receive_until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _body(self) -> bytes:
        body = bytearray()
        while True:
            part = await self._receive()
            body += part.get("body", b"")
            if len(body) > LINE_LIMIT:
                raise Refusal(413, detail(f"The message is larger than {LINE_LIMIT >> 20} MB."))
            if not part.get("more_body"):
                return bytes(body)

    def _command(self) -> Command:
        try:
            return self._host.command(self._headers.get(b"nexus-command", b"").decode())
        except ValueError:
            raise Refusal(400, detail("The header nexus-command must be a JSON list: a program, arguments.")) from None

    def _session(self, command: Command) -> Session:
        session = self._host.session(self._session_number, command)
        if session is None:
            raise Refusal(404, messages.error(b"", messages.NO_SESSION, "There is no such session: initialize again."))
        return session

    @property
    def _session_number(self) -> str:
        return self._headers.get(b"mcp-session-id", b"").decode("latin-1")


OURS = (b"nexus-stdio-host", b"1")  # tells a failure of the host's from one of the server's


def detail(reason: object) -> bytes:
    return msgspec.json.encode({"detail": str(reason)})
