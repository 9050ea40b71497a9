"""A server that writes what a test wants, byte by byte, and a pool of connections to it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from profiles.upstream.http import Pool

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Raw:
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)  # one for each connection
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # one for each request
    ended: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # one for each connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@asynccontextmanager
async def raw_server(answer, *, greet=b"", tls=None, host="127.0.0.1", port=0, **options):
    """Serve on a free port; `answer(number, request, writer)` is called for each request of each connection."""
    raw = Raw()
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        raw.writers.append(writer)
        number = len(raw.writers)
        try:
            writer.write(greet)
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                raw.heads.append(head)
                raw.bodies.append(await reader.readexactly(length))
                raw.arrived.release()
                await answer(number, raw.bodies[-1], writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            raw.ended.release()
            writer.close()

    listener = await asyncio.start_server(serve, host, port, ssl=tls)
    raw.port = listener.sockets[0].getsockname()[1]
    pool = Pool(options.pop("url", raw.url).replace("PORT", str(raw.port)), **options)
    try:
        yield pool, raw
    finally:
        pool.close()
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next round


def always(data):
    async def answer(number, request, writer):
        writer.write(data)

    return answer


def first(data, then=OK, *, and_closes=False):
    """Answer so on the first connection, and well on the others."""

    async def answer(number, request, writer):
        writer.write(data if number == 1 else then)
        if and_closes and number == 1:
            writer.close()

    return answer


async def ask(pool, body=b"{}", head=HEAD, **options):
    response = await pool.request(head, body, timeout=5, **options)
    return await response.read()
