"""Server-sent events, as MCP uses them: the data of each event, one JSON-RPC message."""

from collections.abc import AsyncIterator

from profiles.upstream.errors import NoAnswer

MAX_EVENT = 32 * 1024 * 1024  # bytes


async def data_of_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the joined data lines of each event that has any (WHATWG HTML, section server-sent events).

    Raise NoAnswer for an event that is larger than MAX_EVENT.
    """
    line = bytearray()  # begun, not ended
    data: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_EVENT:
            raise NoAnswer(f"an event of its stream is larger than {MAX_EVENT // (1024 * 1024)} MB")
        line += chunk
        if b"\n" not in chunk:
            continue
        *ended, rest = line.split(b"\n")
        line = bytearray(rest)
        for one in ended:
            text = bytes(one).removesuffix(b"\r")
            if text.startswith(b"data:"):
                data.append(text[5:].removeprefix(b" "))
            elif not text:
                size = len(line)
                if data:
                    yield b"\n".join(data)
                    data = []
