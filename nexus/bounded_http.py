"""uvicorn's HTTP/1.1 with bounds that it does not have: on the size of a request, and on the time that one may take.

Without them, headers that never end fill the memory, and clients that say nothing keep their connections for ever.
"""

import asyncio
import resource
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes before the body; also of what comes without a byte of body among it, as in trailers
MAX_BODY = 8 * 1024 * 1024  # bytes; the hub and the portal have lower limits of their own, with better words
HEAD_TIMEOUT = 10.0  # seconds from the connection, or the first byte of a further request, to the end of its headers
BODY_TIMEOUT = 60.0  # seconds for the whole body
READ_TIMEOUT = 60.0  # seconds in which a client has to take MIN_READ of what waits for it
MIN_READ = 64 * 1024
SPARE_DESCRIPTORS = 200  # for databases, upstreams and files
MAX_DESCRIPTORS = 65536

REASONS = {
    400: "This is not a request that HTTP/1.1 knows.",
    408: "The request did not arrive in time.",
    413: f"The body is larger than {MAX_BODY // (1024 * 1024)} MB.",
    431: f"The headers are larger than {MAX_HEAD // 1024} KB.",
}


class BoundedProtocol(HttpToolsProtocol):
    """`silent` are the connections that owe a request, the one that has for longest in front."""

    silent: ClassVar[dict["BoundedProtocol", None]] = {}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._fruitless = 0  # bytes since the last that were body or ended the headers
        self._body_size = 0
        self._is_in_head = True  # the next bytes belong to headers
        self._has_begun = False  # some of them have come
        self._refusal = 400
        self._timer: asyncio.TimerHandle | None = None  # for what is to arrive
        self._reading: asyncio.TimerHandle | None = None  # for what is to be taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.silent[self] = None
        self._expect(HEAD_TIMEOUT)
        if len(self.connections) > max_connections():
            next(iter(self.silent)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.silent.pop(self, None)
        self._forget_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._fruitless += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._fruitless > MAX_HEAD:
            self.refuse(431)
        elif self._has_begun and self._timer is None:
            self._expect(HEAD_TIMEOUT)

    # httptools' side
    def on_message_begin(self) -> None:
        self._has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._stop(431)
        if any(name == b"content-length" and int(value) > MAX_BODY for name, value in self.headers):
            self._stop(413)
        self._fruitless = self._body_size = 0
        self._is_in_head = self._has_begun = False
        self.silent.pop(self, None)
        self._expect(BODY_TIMEOUT)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._fruitless = 0
        self._body_size += len(body)
        if self._body_size > MAX_BODY:
            self._stop(413)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fruitless = 0
        self._is_in_head = True
        self._expect(None)
        super().on_message_complete()

    # uvicorn's side
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.silent[self] = None

    def send_400_response(self, msg: str) -> None:
        self.refuse(self._refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading:
            self._reading.cancel()
            self._reading = None

    # ours
    def refuse(self, status: int) -> None:
        """Say what is wrong, unless an answer is on its way already, and end the connection."""
        if self.transport.is_closing():
            return
        self._forget_timers()
        if not self._may_answer():
            self.transport.abort()
            return
        text = REASONS[status].encode()
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text)
        self.transport.write(STATUS_LINE[status] + head + text)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Return True if the next answer on this connection is that to the request that is refused."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.cycle.response_started and not self.pipeline

    def _stop(self, status: int) -> None:
        """Stop the parser; uvicorn then asks for the refusal."""
        self._refusal = status
        raise httptools.HttpParserError(REASONS[status])

    def _expect(self, seconds: float | None) -> None:
        """Start the time in which what is to come next has to come."""
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._run_out) if seconds else None

    def _run_out(self) -> None:
        self._timer = None
        if self._is_in_head and self.cycle and not self.cycle.response_complete:
            self._expect(HEAD_TIMEOUT)  # it has begun a further request, and waits for an answer
        elif self._is_in_head and not self._has_begun:
            self.transport.close()  # it never said anything
        else:
            self.refuse(408)

    def _expect_reading(self) -> None:
        waits = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(READ_TIMEOUT, self._look_at_reading, waits)

    def _look_at_reading(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() > waited - MIN_READ:
            self.transport.abort()
        else:
            self._expect_reading()

    def _forget_timers(self) -> None:
        self._expect(None)
        if self._reading:
            self._reading.cancel()
            self._reading = None


def max_connections() -> int:
    return max(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS)


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the system lets us have: every connection is one, and the usual 1,024 are few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
