"""MCP servers to stand behind the hub: one made with the official SDK, and one that records what it receives."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import mcp.types as types
import uvicorn
from mcp.server.lowlevel import Server

from tests.cast import definition

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
# Members that no version of the protocol knows: they must arrive as they are, byte for byte.
ECHOED = b'"x-unknown":{"z":1,"a":[null,1.10,123456789012345678901234567890]},"_meta":{"kept":"\\u00e4"}'


def sdk_server() -> Server:
    """Return a server of both eras with the tools echo, add, fail, slow and crash."""

    async def list_tools(context, params):
        tools = [("echo", TEXT), ("add", NUMBERS), ("fail", TEXT), ("slow", TEXT), ("crash", TEXT)]
        return types.ListToolsResult(
            tools=[types.Tool(name=name, description=f"Does {name}", input_schema=schema) for name, schema in tools]
        )

    async def call_tool(context, params):
        arguments = params.arguments or {}
        if params.name == "add":
            return said(str(arguments["a"] + arguments["b"]))
        if params.name == "crash":
            raise RuntimeError("the tool crashed")
        if params.name == "slow":
            await asyncio.sleep(0.2)
        return said(arguments.get("text", ""), is_error=params.name == "fail")

    return Server("upstream", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


def said(text: str, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)


@contextlib.contextmanager
def running_sdk_server(json_response: bool = False) -> Iterator[str]:
    """Serve it from a thread and yield its address; it answers by event streams unless told otherwise."""
    application = sdk_server().streamable_http_app(streamable_http_path="/mcp", json_response=json_response)
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="sdk-upstream")
    thread.start()
    try:
        wait_for(lambda: server.started, "the upstream")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        thread.join(10)


def wait_for(condition, what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.01)


@dataclass
class Recorder:
    """A server of the newest protocol, byte by byte: keeps all it receives, and misbehaves when told to.

    `mode`: answer, refuse (each method with `refusal`), error (500), garbage, hang, redirect (to `elsewhere`), half (a
    body that breaks off), unauthorized, challenge (unauthorized, with metadata at `elsewhere`), one of ENDLESS or DRIPS.
    """

    url: str = ""
    mode: str = "answer"
    elsewhere: str = ""
    refusal: dict = field(default_factory=dict)
    tools: list[dict] = field(default_factory=lambda: [definition("echo"), definition("add")])
    connections: int = 0
    received: list[bytes] = field(default_factory=list)  # head and body of each request, as they came
    messages: list[dict] = field(default_factory=list)

    @property
    def calls(self) -> list[dict]:
        return [message["params"] for message in self.messages if message.get("method") == "tools/call"]

    def has_received(self, text: str) -> bool:
        return text.lower().encode() in b"".join(self.received).lower()

    def forget(self) -> None:
        self.mode = "answer"
        self.received.clear()
        self.messages.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.take_requests(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # nobody is left who would take the rest
        finally:
            writer.close()

    async def take_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(length_in(head))
            self.received.append(head + body)
            message = json.loads(body or b"{}")
            self.messages.append(message)
            await self.answer(message, writer)

    async def answer(self, message: dict, writer: asyncio.StreamWriter) -> None:
        if self.mode in ENDLESS or self.mode in DRIPS:
            await pour(writer, self.mode)
        elif self.mode == "hang":
            await asyncio.sleep(60)
        elif self.mode == "half":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"jsonrpc"')
            writer.close()
        elif self.mode == "redirect":
            writer.write(b"HTTP/1.1 307 See\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % self.elsewhere.encode())
        elif self.mode == "garbage":
            writer.write(response(b"200 OK", b"<html>not what you expect</html>", b"text/html"))
        elif self.mode == "error":
            writer.write(response(b"500 Internal Server Error", b'{"detail":"broken"}'))
        elif self.mode == "unauthorized":
            writer.write(response(b"401 Unauthorized", b"{}"))
        elif self.mode == "challenge":
            challenge = b'WWW-Authenticate: Bearer resource_metadata="%b"' % self.elsewhere.encode()
            writer.write(b"HTTP/1.1 401 Unauthorized\r\n%b\r\nContent-Length: 0\r\n\r\n" % challenge)
        elif self.mode == "refuse" and message["method"] != "server/discover":
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": self.refusal}).encode()
            writer.write(response(b"200 OK", body))
        elif "id" not in message:
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        else:
            result = self.result(message)
            body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json.dumps(message["id"]).encode(), result)
            writer.write(response(b"200 OK", body))

    def result(self, message: dict) -> bytes:
        if message["method"] == "server/discover":
            return DISCOVERED
        if message["method"] == "tools/list":
            return json.dumps({"resultType": "complete", "tools": self.tools}).encode()
        text = json.dumps(message.get("params", {}).get("arguments", {}).get("text", ""))
        return b'{"content":[{"type":"text","text":%b}],"resultType":"complete",%b}' % (text.encode(), ECHOED)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "
LARGE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"
ENDLESS = {"endless": LARGE, "endless headers": b"HTTP/1.1 200 OK\r\nX: ", "endless stream": STREAM}
DRIPS = {"drip": LARGE, "drip stream": STREAM}


async def pour(writer: asyncio.StreamWriter, mode: str) -> None:
    """Send a hundred megabytes as fast as they are taken, or byte by byte."""
    writer.write((ENDLESS | DRIPS)[mode])
    for _ in range(1600):
        writer.write(b"x" * (65536 if mode in ENDLESS else 1))
        await writer.drain()
        await asyncio.sleep(0 if mode in ENDLESS else 0.05)


DISCOVERED = json.dumps(
    {
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0,
        "cacheScope": "private",
    }
).encode()  # fmt: skip


def length_in(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def response(status: bytes, body: bytes, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
    return head + body


@contextlib.contextmanager
def running_recorder() -> Iterator[Recorder]:
    """Serve a recorder from a thread with an event loop of its own."""
    recorder = Recorder()
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(recorder.serve, "127.0.0.1", 0))
    recorder.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    thread = threading.Thread(target=loop.run_forever, name="recording-upstream")
    thread.start()
    try:
        yield recorder
    finally:
        asyncio.run_coroutine_threadsafe(end_all_tasks(listener), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def end_all_tasks(listener: asyncio.Server) -> None:
    listener.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # transports close in the next round
