"""The answer on its way to the client: in one piece, or as a stream as soon as something precedes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache

from nexus.hub.replies import JSON, Reply
from nexus.hub.request import HubRequest, Send
from tokens.keys import Kind
from tokens.lookup import WARN_BEFORE, TokenAuthority

Headers = list[tuple[bytes, bytes]]

STREAM: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),
    (b"cache-control", b"no-store"),
]
EXPOSED = (
    b"access-control-expose-headers",
    b"Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Nexus-Token-Id, Nexus-Token-Expires, Nexus-Token-Warning",
)


class Downstream:
    """Opens the stream lazily: `before_first_byte` makes its row durable, and then it begins."""

    __slots__ = (
        "_lock",
        "_request",
        "_send",
        "allows_stream",
        "authority",
        "before_first_byte",
        "bytes_out",
        "is_open",
        "shown_origin",
    )

    def __init__(self, request: HubRequest, send: Send) -> None:
        self._request = request
        self._send = send
        self._lock: asyncio.Lock | None = None
        self.allows_stream = False
        self.is_open = False
        self.shown_origin = b""  # a web page that may read the answer
        self.authority: TokenAuthority | None = None
        self.before_first_byte: Callable[[], Awaitable[None]]
        self.bytes_out = 0

    async def event(self, data: bytes) -> None:
        """Send one message as an event; begins the stream."""
        await self._write(b"event: message\ndata: " + data.replace(b"\n", b"\ndata: ") + b"\n\n")

    async def comment(self) -> None:
        """Send what every reader skips, so that nothing on the way takes the stream for dead."""
        await self._write(b":\n\n")

    async def _write(self, chunk: bytes) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if not self.is_open:
                await self.before_first_byte()
                await self._send({"type": "http.response.start", "status": 200, "headers": [*STREAM, *self._common()]})
                self.is_open = True
            self.bytes_out += len(chunk)
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, reply: Reply) -> None:
        """Send the reply: as the last event of the stream, or as the whole answer."""
        if self.is_open:
            if reply.body:
                await self.event(reply.body)
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._finish_in_one(reply)

    async def _finish_in_one(self, reply: Reply) -> None:
        headers, body = reply.headers, reply.body
        if reply.status == 200 and body and self._request.accepts_only_stream():
            body = b"event: message\ndata: " + body.replace(b"\n", b"\ndata: ") + b"\n\n"
            headers = [*STREAM, *(header for header in headers if header != JSON)]
        headers = [*headers, *self._common()]
        if reply.status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        self.bytes_out = len(body)
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _common(self) -> Headers:
        headers = [(b"x-request-id", self._request.id.encode())]
        if authority := self.authority:
            headers += _token_headers(authority.public_id, authority.ends_at)
            left = authority.ends_at - time.time()
            if 0 < left <= WARN_BEFORE and authority.kind is Kind.DELEGATED:  # a client refreshes the others itself
                headers.append((b"nexus-token-warning", b"expires-in=%d" % left))
        if self.shown_origin:
            headers += [(b"access-control-allow-origin", self.shown_origin), (b"vary", b"origin"), EXPOSED]
        return headers


@lru_cache(maxsize=4096)
def _token_headers(public_id: str, ends_at: float) -> tuple[tuple[bytes, bytes], ...]:
    return (b"nexus-token-id", public_id.encode()), (b"nexus-token-expires", rfc3339(ends_at).encode())


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
