"""The one process of a machine that runs stdio servers, so that all hub workers share them.

`python -m nexus.hub.stdio_host SOCKET` answers `POST /` on a socket of its own user (mode 0600): the body is a JSON-RPC
request or notification, the header `nexus-command` the server's command as a JSON list. It loads neither Django nor the
settings: it needs no database, and what it starts inherits none of the hub's keys.
"""

import asyncio
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

START_TIMEOUT = 20.0  # seconds
BACKLOG = 1024  # connections that wait to be taken
IDLE_LIMIT = 600.0  # seconds without a request, after which a server is stopped
BACK_OFF_LIMIT = 30.0  # seconds between two starts of a server that keeps dying
PROTOCOL_VERSION = "2025-11-25"
CLIENT = {"name": "nexus", "version": "1"}


class ServerDied(Exception):
    """The server's process could not be started, or has ended; the text is for a person."""


class StdioServer:
    """One server process, and the requests that wait for its answers."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.used_at = time.monotonic()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._write: Any = None
        self._stop = asyncio.Event()
        self.is_over = False
        self.task = asyncio.create_task(self._run())

    async def request(self, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        """Return the answer's `result` or `error` member; raise ServerDied."""
        self.used_at = time.monotonic()
        await asyncio.shield(self.ready)
        try:
            return await self._ask(method, params)
        except (ServerDied, OSError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise ServerDied("Its program ended before it answered.") from error

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        await asyncio.shield(self.ready)
        await self._write.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params)))

    async def stop(self) -> None:
        self._stop.set()
        await self.task

    async def _ask(self, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
            await self._write.send(SessionMessage(request))
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _run(self) -> None:
        """Start the process, introduce ourselves, and deliver its answers until it ends or is stopped."""
        program, *arguments = self.command
        reason = "it ended"
        try:
            async with stdio_client(StdioServerParameters(command=program, args=arguments)) as (read, write):
                self._write = write
                reader = asyncio.create_task(self._deliver(read))
                await asyncio.wait_for(self._introduce(), START_TIMEOUT)
                self.ready.set_result(None)
                stopper = asyncio.create_task(self._stop.wait())
                await asyncio.wait([reader, stopper], return_when=asyncio.FIRST_COMPLETED)
                for task in (reader, stopper):
                    task.cancel()
        except* TimeoutError:
            reason = f"it did not introduce itself within {START_TIMEOUT:.0f} s"
        except* (OSError, ValueError, ServerDied) as group:
            reason = str(group.exceptions[0])
        self._fail(f"Its program does not run ({reason}).")

    async def _introduce(self) -> None:
        hello = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": CLIENT}
        answer = await self._ask("initialize", hello)
        if "error" in answer:
            raise ServerDied(f"it refused to start: {answer['error'].get('message')}")
        await self._write.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")))

    async def _deliver(self, read: Any) -> None:
        async for received in read:
            message = getattr(received, "message", None)
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                answer = self._waiting.get(message.id) if isinstance(message.id, int) else None
                if answer and not answer.done():
                    answer.set_result(message.model_dump(by_alias=True, exclude_unset=True))
            elif isinstance(message, JSONRPCRequest):
                await self._refuse(message)
        self.is_over = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ServerDied("it ended before it answered"))

    async def _refuse(self, request: JSONRPCRequest) -> None:
        """Answer a request of the server's own: we declared no capability, so only ping has an answer."""
        if request.method == "ping":
            answer: Any = JSONRPCResponse(jsonrpc="2.0", id=request.id, result={})
        else:
            error = {"code": -32601, "message": f"{request.method} is not supported"}
            answer = JSONRPCError.model_validate({"jsonrpc": "2.0", "id": request.id, "error": error})
        await self._write.send(SessionMessage(answer))

    def _fail(self, reason: str) -> None:
        self.is_over = True
        everyone: list[asyncio.Future[Any]] = [self.ready, *self._waiting.values()]
        for waiting in everyone:
            if not waiting.done():
                waiting.set_exception(ServerDied(reason))
        self.ready.exception()  # read once, so that nobody is told of an exception that nobody waited for


class StdioHost:
    """The ASGI application: one request in, the server's answer out."""

    def __init__(self) -> None:
        self._servers: dict[str, StdioServer] = {}
        self._deaths: dict[str, tuple[int, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        command = dict(scope["headers"]).get(b"nexus-command", b"")
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        status, answer = await self._answer(command.decode(), body)
        content = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, command: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if not command:
            return 200, {"status": "ok", "running": len(self._servers)}
        message = json.loads(body)
        try:
            server = self._server(command)
            if "id" not in message:
                await server.notify(message["method"], message.get("params"))
                return 202, {}
            answer = await server.request(message["method"], message.get("params"))
        except ServerDied as death:
            return 502, {"detail": str(death)}
        self._deaths.pop(command, None)
        return 200, answer | {"id": message["id"]}

    def _server(self, command: str) -> StdioServer:
        server = self._servers.get(command)
        if server is None or server.is_over:
            deaths, at = self._deaths.get(command, (0, 0.0))
            pause = min(2.0 ** (deaths - 1), BACK_OFF_LIMIT) if deaths else 0.0
            if (wait := at + pause - time.monotonic()) > 0:
                raise ServerDied(f"Its program keeps ending; it is started again in {wait:.0f} s.")
            self._deaths[command] = (deaths + 1, time.monotonic())
            server = self._servers[command] = StdioServer(json.loads(command))
        return server

    async def _live(self, receive: Receive, send: Send) -> None:
        reaper = asyncio.create_task(self._reap())
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                reaper.cancel()
                await asyncio.gather(*(server.stop() for server in self._servers.values()), return_exceptions=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(IDLE_LIMIT / 10)
            idle = [key for key, server in self._servers.items() if server.used_at < time.monotonic() - IDLE_LIMIT]
            for key in idle:
                await self._servers.pop(key).stop()


def main(address: str) -> None:
    path = Path(address)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.umask(0o077)  # the socket, and whatever the servers write, is for this user alone
    listener = listen(path)
    config = uvicorn.Config(
        StdioHost(), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    uvicorn.Server(config).run(sockets=[listener])


def listen(path: Path) -> socket.socket:
    """Return a socket at the path, which is there only when a connection to it is taken."""
    unready = path.with_suffix(".new")
    unready.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(unready))
    listener.listen(BACKLOG)
    unready.rename(path)
    return listener


if __name__ == "__main__":
    main(sys.argv[1])
