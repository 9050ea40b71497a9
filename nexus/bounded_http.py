"""uvicorn's HTTP/1.1 with bounds that it does not have: on the size of a request, and on the time that one may take.

Without them, headers that never end fill the memory, and clients that say nothing keep their connections for ever.
"""

import asyncio
import resource
from enum import IntEnum
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from nexus.http_answer import HttpAnswer

MAX_HEAD = 64 * 1024  # bytes before the body
MAX_BODY = 8 * 1024 * 1024  # bytes, as sent; the hub and the portal have lower limits of their own, with better words
HEAD_TIMEOUT = 10.0  # seconds from the connection, or the first byte of a further request, to the end of its headers
BODY_TIMEOUT = 60.0  # seconds for the whole body
READ_TIMEOUT = 60.0  # seconds in which a client has to take MIN_READ of what waits for it
MIN_READ = 64 * 1024
SPARE_DESCRIPTORS = 200  # for databases, upstreams and files
MAX_DESCRIPTORS = 65536

REASONS = {
    400: "This is not a well-formed HTTP request.",
    408: "The request did not arrive in time.",
    413: f"The body is larger than {MAX_BODY // (1024 * 1024)} MB.",
    431: f"The headers are larger than {MAX_HEAD // 1024} KB.",
}


class Stage(IntEnum):
    """What is to come next; a connection goes through the three again and again."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class BoundedProtocol(HttpToolsProtocol):
    """`silent` are the connections that owe a request, the one that has for longest in front.

    What is done for each request is done in as few steps as possible: this is the hot path of the hub.
    """

    silent: ClassVar[dict["BoundedProtocol", None]] = {}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._step = self._looked_at = 0  # how often the stage has changed; modulo three, the stage
        self._size = 0  # bytes in this stage
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
        self._size += len(data)
        super().data_received(data)
        if self._step != self._looked_at:
            if self._step % 3 or self._timer:
                self._look()
            else:  # a whole request in one piece, as nearly always
                self._looked_at, self._size = self._step, 0
        elif self._size > MAX_HEAD:
            self._weigh()

    # httptools' side
    def on_message_begin(self) -> None:
        self._step += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._step += 1
        if self._size > MAX_HEAD and _size_of(self.headers) + len(self.url) > MAX_HEAD:
            self._refusal = 431
            raise httptools.HttpParserError  # uvicorn asks for the refusal
        self.silent.pop(self, None)
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        self._begin()

    def _begin(self) -> None:
        """Hand the request to the application, or to the queue behind the one before it."""
        scope, parser, before = self.scope, self.parser, self.cycle
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self.cycle = HttpAnswer(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # there are lines of our own
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_message_complete(self) -> None:
        self._step += 1
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
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what the application says now is too late
            self.cycle.message_event.set()
        text = REASONS[status].encode()
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text)
        self.transport.write(STATUS_LINE[status] + head + text)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Return True if the next answer on this connection is that to the request that is refused."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.cycle.response_started and not self.pipeline

    def _look(self) -> None:
        """The stage has changed: it has a size and a time of its own."""
        self._looked_at = self._step
        self._size = 0
        if self._stage is Stage.NOTHING:
            if self._timer:
                self._expect(None)
        elif not self.transport.is_closing():
            self._expect(HEAD_TIMEOUT if self._stage is Stage.HEAD else BODY_TIMEOUT)
            if self._stage is Stage.BODY and _length_in(self.headers) > MAX_BODY:
                self.refuse(413)

    @property
    def _stage(self) -> Stage:
        return Stage(self._step % 3)

    def _weigh(self) -> None:
        if self._stage is Stage.HEAD:
            self.refuse(431)
        elif self._stage is Stage.BODY and self._size > MAX_BODY:
            self.refuse(413)

    def _expect(self, seconds: float | None) -> None:
        """Start the time in which what is to come next has to come."""
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._run_out) if seconds else None

    def _run_out(self) -> None:
        self._timer = None
        if self._stage is Stage.HEAD and self.cycle and not self.cycle.response_complete:
            self._expect(HEAD_TIMEOUT)  # it has begun a further request, and waits for an answer
        elif self._stage is Stage.NOTHING:
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


def _size_of(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _length_in(headers: list[tuple[bytes, bytes]]) -> int:
    return int(dict(headers).get(b"content-length", b"0"))


def max_connections() -> int:
    return max(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS)


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the system lets us have: every connection is one, and the usual 1,024 are few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
