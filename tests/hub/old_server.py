"""A server of MCP 2024-11-05, byte by byte: one stream for each session, which the test writes."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from profiles.upstream.http import Pool
from profiles.upstream.sse_session import SseSession

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted"


@dataclass
class OldServer:
    """`endpoint` is what it sends first, `accepted` its answer to each post; what was posted lies in `posted`."""

    endpoint: str = "/messages?session_id=7"
    opening: bytes = STREAM
    accepted: bytes = ACCEPTED
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    posted: asyncio.Queue = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # the stream has
    stream: asyncio.StreamWriter | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sse"

    def say(self, message, event="message") -> None:
        data = message if isinstance(message, str) else json.dumps(message)
        self.stream.write(f"event: {event}\r\ndata: {data}\r\n\r\n".encode())

    def answer(self, rpc_id, result) -> None:
        self.say({"jsonrpc": "2.0", "id": rpc_id, "result": result})

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    await self.open_stream(reader, writer)
                else:
                    writer.write(self.accepted)
                    self.posted.put_nowait(json.loads(body))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def open_stream(self, reader, writer):
        self.stream = writer
        writer.write(self.opening)
        if self.endpoint:
            self.say(self.endpoint.replace("PORT", str(self.port)), "endpoint")
        try:
            await reader.read()
        finally:
            self.ended.set()


@asynccontextmanager
async def old_server(**fields):
    server = OldServer(**fields)
    tasks = set()

    def serve(reader, writer):
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)  # transports close in the next round


async def ignore(message, data):
    return True


@asynccontextmanager
async def session_with(server, on_idle_message=ignore, **options):
    """Open a session with the server and close it in the end."""

    pool = Pool(server.url)
    session = SseSession(pool, server.url, on_idle_message=on_idle_message, **options)
    try:
        await session.open(5)
        yield session
    finally:
        session.close()
        pool.close()
