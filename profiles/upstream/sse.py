"""Server-sent events (WHATWG HTML, section server-sent events), as MCP uses them: one JSON-RPC message each."""

from collections.abc import AsyncIterator

import msgspec

from profiles.upstream.errors import NoAnswer

MAX_EVENT = 32 * 1024 * 1024  # bytes
MAX_RETRY = 3_600_000  # milliseconds
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(msgspec.Struct, frozen=True, gc=False):
    """What is dispatched at an empty line; `id` is the last one that the stream gave, `retry` is in milliseconds."""

    data: bytes
    event: str = "message"
    id: str = ""
    retry: int | None = None


class Parser:
    """Takes the stream in pieces, cut anywhere."""

    __slots__ = ("_after_return", "_data", "_id", "_is_begun", "_line", "_name", "_retry", "_size")

    def __init__(self) -> None:
        self._line = bytearray()  # begun, not ended
        self._data: list[bytes] = []
        self._name = self._id = ""
        self._retry: int | None = None
        self._size = 0
        self._is_begun = self._after_return = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that this piece completes; raise NoAnswer for one that is larger than MAX_EVENT."""
        self._size += len(chunk)
        if self._size > MAX_EVENT:
            raise NoAnswer(f"an event of its stream is larger than {MAX_EVENT // (1024 * 1024)} MB")
        if self._after_return or b"\r" in chunk:
            chunk = self._with_plain_line_ends(chunk)
        self._line += chunk
        return self._take_lines() if b"\n" in chunk else []

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        """A line ends with CR, LF or both; a CR that ends the piece may have its LF in the next."""
        if self._after_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_return = False
        self._after_return = self._after_return or chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take_lines(self) -> list[Event]:
        *ended, rest = self._line.split(b"\n")
        self._line = rest
        if not self._is_begun:
            self._is_begun = True
            ended[0] = ended[0].removeprefix(BYTE_ORDER_MARK)
        found = []
        for line in ended:
            if line.startswith(b"data:"):
                self._data.append(bytes(line[5:]).removeprefix(b" "))
            elif line:
                self._note(line)
            else:
                if self._data:
                    found.append(self._dispatched())
                self._name, self._size = "", len(rest)
        return found

    def _note(self, line: bytearray) -> None:
        field, _, value = bytes(line).partition(b":")
        text = value.removeprefix(b" ")
        if field == b"event":
            self._name = text.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in text:
            self._id = text.decode("utf-8", "replace")
        elif field == b"retry" and text.isdigit() and len(text) < 20:
            self._retry = min(int(text), MAX_RETRY)
        elif field == b"data":
            self._data.append(b"")

    def _dispatched(self) -> Event:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        return Event(data, self._name or "message", self._id, self._retry)


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield each event that has data; raise NoAnswer for one that is larger than MAX_EVENT."""
    parser = Parser()
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event


async def data_of_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the data of each event that has any."""
    parser = Parser()
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event.data
