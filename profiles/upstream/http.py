"""HTTP/1.1 to upstreams: keep-alive pools on asyncio protocols, for an answer in one piece or as a stream.

Written for this because a general client costs more than the rest of a call (docs/performance.md). It follows no
redirect, sends no cookie, decodes no compression, and never sends a request twice.
"""

import asyncio
import contextlib
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NoReturn, cast

import httptools

from profiles.upstream import addresses
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError

CONNECT_TIMEOUT = 5.0  # seconds
IDLE_LIMIT = 4.0  # seconds; below the 5 s after which common servers close, so that few requests meet a closing end
MAX_BODY = 32 * 1024 * 1024  # bytes of one answer
MAX_HEADERS = 64 * 1024
HIGH_WATER = 1024 * 1024  # bytes of a stream that wait to be read before the sender is made to wait


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

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """Return the whole body; raise UpstreamError if it breaks off or is larger than the limit."""
        total = 0
        parts = []
        async for part in self.chunks():
            total += len(part)
            if total > limit:
                self.close()
                raise NoAnswer(f"its answer is larger than {limit // (1024 * 1024)} MB")
            parts.append(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while True:
            while self._buffer:
                part = self._buffer.popleft()
                self._size -= len(part)
                if self._size < HIGH_WATER:
                    self._connection.resume()
                yield part
            if self._error:
                raise self._error
            if self._done:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

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
        self._done, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._header_size = 0
        self._paused = False
        self.idle_since = 0.0

    # asyncio's side
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.abort()  # bytes that nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break("it answered with something that is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self._response and self._parser and not self._ends_with_length():
            self._response.finish()  # a body without a length ends with the connection
            self._response = None
        self._break("it closed the connection before its answer was complete")

    # httptools' side
    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_size += len(name) + len(value)
        if self._header_size > MAX_HEADERS:
            raise ValueError("headers too large")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        assert self._head is not None
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = {}
            return
        self._response = Response(status, self._headers, self)
        if not self._head.done():
            self._head.set_result(self._response)

    def on_body(self, body: bytes) -> None:
        if self._response:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        response = self._response
        if response is None:
            return  # an interim answer
        keeps = self._parser is not None and self._parser.should_keep_alive() and self._ends_with_length()
        self._parser = self._head = self._response = None
        response.finish()
        self.resume()
        if keeps:
            self._pool.give_back(self)
        else:
            self.abort()

    # ours
    def send(self, request: bytes) -> "asyncio.Future[Response]":
        """Write the request and return the future of its response."""
        assert self._transport
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._header_size = {}, 0
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._head

    def is_usable(self, now: float) -> bool:
        return self._transport is not None and not self._transport.is_closing() and now - self.idle_since < IDLE_LIMIT

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def pause(self) -> None:
        if self._transport and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport and self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _ends_with_length(self) -> bool:
        return "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "").lower()

    def _break(self, reason: str) -> None:
        error = NoAnswer(reason)
        head, response = self._head, self._response
        self._parser = self._head = self._response = None
        if response:
            response.finish(error)
        elif head and not head.done():
            head.set_exception(error)
        self.abort()


class Pool:
    """The connections to one origin: at most `limit` at once, idle ones used again, newest first."""

    def __init__(self, url: str, *, limit: int = 512) -> None:
        """Take an http(s) address, or unix:<path> for a socket of this machine."""
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._parts = addresses.parse("http://localhost/" if self._socket else url)
        self._ssl = ssl.create_default_context() if self._parts.scheme == "https" else None
        self._idle: deque[Connection] = deque()
        self._limit = limit
        self._opening = 0
        self._held: set[Connection] = set()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self.host = self._parts.netloc

    async def request(
        self, head: bytes, body: bytes, *, timeout: float | None, last_look: Callable[[], None] | None = None
    ) -> Response:
        """Send the request and return the response when its headers are there.

        `head` is everything down to, not including, Content-Length. `last_look` runs immediately before the first byte
        is sent; what it raises goes to the caller and nothing is sent. Raise Unreachable if nothing was sent, NoAnswer
        if it was and no answer came in `timeout` seconds; without one, the caller watches the clock.
        """
        connection = self._take() or await self._open(timeout)
        try:
            if last_look:
                last_look()
            answer = connection.send(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        except BaseException:
            self.give_back(connection)
            raise
        timer = asyncio.get_running_loop().call_later(timeout, _time_out, answer, timeout) if timeout else None
        try:
            return await answer
        except BaseException:
            connection.abort()
            raise
        finally:
            if timer:
                timer.cancel()

    def _take(self) -> Connection | None:
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(now):
                return connection
            connection.abort()
        return None

    async def _open(self, timeout: float | None) -> Connection:
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT, timeout or CONNECT_TIMEOUT)):
                while len(self._held) + self._opening >= self._limit:
                    if (freed := await self._next_free()) is not None:
                        return freed
                self._opening += 1
                try:
                    connection = await self._connect()
                finally:
                    self._opening -= 1
        except TimeoutError:
            raise Unreachable("it could not be reached in time") from None
        except ssl.SSLError as error:
            raise Unreachable(f"its TLS certificate or handshake failed ({error.reason or error})") from None
        except OSError as error:
            raise Unreachable(f"no connection could be made ({_why(error)})") from None
        self._held.add(connection)
        return connection

    async def _next_free(self) -> Connection | None:
        """Wait until a connection is given back, which is returned, or lost, which makes room for another."""
        freed: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(freed)
        try:
            return await freed
        except asyncio.CancelledError:
            if freed.done() and not freed.cancelled() and (connection := freed.result()):
                self.give_back(connection)
            raise

    async def _connect(self) -> Connection:
        if self._socket:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_unix_connection(lambda: Connection(self), self._socket)
            return connection
        host, port = self._parts.hostname or "", addresses.default_port(self._parts)
        *others, last = await addresses.resolve(host, port)
        for address in others:
            with contextlib.suppress(OSError):
                return await self._connect_to(address, port, host)
        return await self._connect_to(last, port, host)

    async def _connect_to(self, address: str, port: int, host: str) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self),
            address,
            port,
            ssl=self._ssl,
            server_hostname=host if self._ssl else None,
        )
        return connection

    def give_back(self, connection: Connection) -> None:
        if not self._hand_on(connection):
            connection.idle_since = time.monotonic()
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        self._held.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._hand_on(None)

    def _hand_on(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False

    def close(self) -> None:
        for connection in list(self._held):
            connection.abort()


def _time_out(answer: "asyncio.Future[Response]", timeout: float) -> None:
    if not answer.done():
        answer.set_exception(NoAnswer(f"it did not answer within {timeout:.0f} s"))


def _why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error) or type(error).__name__


def refuse_line_breaks(value: str) -> str:
    """Return a header value that can be written as it is; raise ValueError for one that would begin another line."""
    if any(character in value for character in "\r\n\0"):
        _refuse()
    return value


def _refuse() -> NoReturn:
    raise ValueError("A header value must be on one line.")
