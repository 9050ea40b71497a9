"""One HTTP/1.1 connection to an upstream, and the answer that comes over it.

Written for this because a general client costs more than the rest of a call (docs/performance.md). It decodes no
compression, and takes nothing for an answer that was not asked for.
"""

import asyncio
import math
import select
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from profiles.upstream.errors import NoAnswer, UpstreamError

IDLE_LIMIT = 4.0  # seconds; below the 5 s after which common servers close, so that few requests meet a closing end
MAX_BODY = 32 * 1024 * 1024  # bytes of one answer
MAX_HEADERS = 64 * 1024  # bytes; also what may come without a byte of body among it, as in trailers
HIGH_WATER = 1024 * 1024  # bytes of an answer that wait to be read before the sender is made to wait
SILENCE_LIMIT = 30.0  # seconds in which an answer in one piece must go on
# The other end of a stream may vanish without a word: asked after 30 s of silence, given up 30 s later.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
NEVER = math.inf
WITHOUT_BODY = (202, 205)  # where no length is given; of 204 and 304 the parser knows it


class Response:
    """The status and headers of an answer; its body comes by `read()` or `chunks()`."""

    __slots__ = ("_buffer", "_connection", "_done", "_error", "_size", "_waiter", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], connection: "Connection") -> None:
        self.status = status
        self.headers = headers
        self._connection = connection
        self._buffer: deque[bytes] = deque()
        self._size = 0
        self._done = False
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read(self, limit: int = MAX_BODY, silence: float = SILENCE_LIMIT) -> bytes:
        """Return the whole body; raise NoAnswer if it breaks off, stops for `silence` seconds or is too large."""
        if self._done and self._error is None and self._size <= limit:  # as nearly always
            parts, self._size = list(self._buffer), 0
            self._buffer.clear()
            return b"".join(parts) if len(parts) != 1 else parts[0]
        total = 0
        parts = []
        async for part in self.chunks(silence):
            total += len(part)
            if total > limit:
                self.close()
                raise NoAnswer(f"its answer is larger than {limit // (1024 * 1024)} MB")
            parts.append(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    async def chunks(self, silence: float | None = None) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; a stream may be silent for as long as it likes unless told otherwise."""
        while True:
            while self._buffer:
                part = self._buffer.popleft()
                self._size -= len(part)
                if self._size < HIGH_WATER and not self._done:
                    self._connection.resume()
                yield part
            if self._error:
                raise self._error
            if self._done:
                return
            await self._more(silence)

    async def _more(self, silence: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(silence, self._give_up, silence) if silence else None
        try:
            await self._waiter
        finally:
            if timer:
                timer.cancel()

    def _give_up(self, silence: float) -> None:
        self.finish(NoAnswer(f"it fell silent for {silence:.0f} s in the middle of its answer"))
        self._connection.abort()

    def close(self) -> None:
        """Give the connection up unless the answer is complete: what follows on it would belong to nobody."""
        if not self._done:
            self._connection.abort()

    def feed(self, part: bytes) -> None:
        self._buffer.append(part)
        self._size += len(part)
        if self._size > HIGH_WATER:
            self._connection.pause()
        self._wake()

    def finish(self, error: UpstreamError | None = None) -> None:
        if not self._done:
            self._done, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection; one request at a time. `give_back` and `lost` tell its pool when it is free, and when gone."""

    def __init__(self, give_back: "Callable[[Connection], None]", lost: "Callable[[Connection], None]") -> None:
        self._give_back = give_back
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._watch = select.poll()
        self._head: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._header_size = 0
        self._fruitless = 0  # bytes since the last that were body
        self._is_complete = self._keeps = self._is_paused = self._is_given_up = False
        self._objection = ""
        self.idle_since = 0.0
        self._timeout = 0.0  # seconds for the headers, or for the whole answer
        self._is_for_whole = False
        self.deadline = NEVER  # monotonic; the pool looks at it

    # asyncio's side
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        endpoint = transport.get_extra_info("socket")
        self._watch.register(endpoint.fileno(), select.POLLIN)
        if endpoint.family != socket.AF_UNIX:
            for level, option, value in KEEP_ALIVE:
                endpoint.setsockopt(level, option, value)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.abort()  # bytes that nobody asked for
            return
        self._fruitless += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break("it wants to speak another protocol")
        except httptools.HttpParserError:
            self._break(self._objection or "it answered with something that is not HTTP")
        else:
            if self._is_complete:
                self._end()
            elif self._fruitless > MAX_HEADERS:
                self._break(f"its headers are larger than {MAX_HEADERS // 1024} KB")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        if self._response and exc is None and not self._is_given_up and not self._has_length():
            self._is_complete = True  # a body without a length ends with the connection
        self._break("it closed the connection before its answer was complete")

    # httptools' side
    def on_message_begin(self) -> None:
        if self._is_complete:
            self._refuse("it answered more than it was asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_size += len(name) + len(value)
        if self._header_size > MAX_HEADERS:
            self._refuse(f"its headers are larger than {MAX_HEADERS // 1024} KB")
        if self._response is None:  # trailers are not looked at
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        assert self._head is not None
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._headers = {}
            return
        self._check(status, self._parser.get_http_version())
        self._fruitless = 0
        self._response = Response(status, self._headers, self)
        self._is_complete = status in WITHOUT_BODY and not self._has_length()
        if not self._is_for_whole:
            self.deadline = NEVER
        if not self._head.done():
            self._head.set_result(self._response)

    def on_body(self, body: bytes) -> None:
        self._fruitless = 0
        if self._response and not self._is_complete:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        if self._response is None or self._parser is None:
            return  # an interim answer
        self._is_complete = True
        ends_by_itself = self._has_length() or self._response.status in (204, 304)
        self._keeps = ends_by_itself and self._parser.should_keep_alive()

    # ours
    def send(
        self, request: bytes, deadline: float = NEVER, timeout: float = 0.0, *, is_for_whole: bool = False
    ) -> "asyncio.Future[Response]":
        """Write the request and return the future of its response.

        The deadline, which comes after so many seconds, is for its headers, or for the whole of it.
        """
        assert self._transport
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._header_size, self._fruitless = {}, 0, 0
        self._is_complete = self._keeps = False
        self.deadline, self._timeout, self._is_for_whole = deadline, timeout, is_for_whole
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._head

    def run_out(self) -> None:
        """Say that no answer came in time."""
        self.deadline = NEVER
        self._break(f"it did not answer within {self._timeout:.0f} s")

    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def is_usable(self, now: float) -> bool:
        """Return True if it waits for a request: nothing has come since the last answer, not even the other's end."""
        return self.is_open() and now - self.idle_since < IDLE_LIMIT and not self._watch.poll(0)

    def abort(self) -> None:
        self._is_given_up = True
        if self._transport:
            self._transport.abort()

    def pause(self) -> None:
        if self._transport and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport and self._is_paused:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _check(self, status: int, version: str) -> None:
        """Refuse what was not asked for: another version, another encoding, a status that is none."""
        coding = self._headers.get("content-encoding", "").strip().lower()
        transfer = self._headers.get("transfer-encoding", "").strip().lower()
        if version not in ("1.1", "1.0") or status < 100:
            self._refuse(f"it answered with HTTP/{version} and the status {status}")
        if coding not in ("", "identity"):
            self._refuse(f"it compresses its answer ({coding[:20]}), which it was not asked to")
        if transfer not in ("", "chunked") or (transfer and version == "1.0"):
            self._refuse(f"it encodes its answer ({transfer[:20]}), which it was not asked to")

    def _refuse(self, objection: str) -> None:
        """Stop the parser; what it raises then is told with this reason."""
        self._objection = objection
        raise ValueError(objection)

    def _has_length(self) -> bool:
        return "content-length" in self._headers or "transfer-encoding" in self._headers

    def _end(self) -> None:
        """The answer is there, and nothing but it."""
        response, keeps = self._response, self._keeps
        self.deadline = NEVER
        self._parser = self._head = self._response = None
        if response:
            response.finish()
        if self._is_paused:
            self.resume()
        if keeps:
            self._give_back(self)
        else:
            self.abort()

    def _break(self, reason: str) -> None:
        head, response = self._head, self._response
        self._parser = self._head = self._response = None
        if response:
            response.finish(None if self._is_complete else NoAnswer(reason))
        elif head and not head.done():
            head.set_exception(NoAnswer(reason))
        self.abort()
