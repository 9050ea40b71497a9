"""Server-sent events, as MCP uses them: the data of each event, one JSON-RPC message."""

from collections.abc import AsyncIterator

MAX_EVENT = 32 * 1024 * 1024


async def data_of_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the joined data lines of each event that has any (WHATWG HTML, section server-sent events)."""
    rest = b""
    data: list[bytes] = []
    async for chunk in chunks:
        lines = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        rest = lines.pop()
        if len(rest) > MAX_EVENT:
            raise ValueError("event too large")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data = []
