"""The request heads that go to upstreams: every value on one line, in ASCII."""

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, quote

from profiles.upstream.http import refuse_line_breaks

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
WRAPPED = "=?base64?"
REMEMBERED_NAME = 200  # characters; longer ones are no tools' names, and are not remembered


@dataclass(frozen=True, slots=True)
class Heads:
    """What the heads to one server begin with, by method; none has its empty line yet."""

    post: bytes
    get: bytes
    delete: bytes


def to_address(parts: SplitResult) -> Heads:
    """Return the heads to a streamable HTTP server, without what its era adds."""
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_query(parts.query)}" if parts.query else "")
    host = (
        (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    )
    netloc = f"{host}:{parts.port}" if parts.port else host
    return _heads(_line(target), b"Host: %b\r\nUser-Agent: nexus\r\n" % _line(netloc))


def to_stdio_host(command: list[str]) -> Heads:
    quoted = json.dumps(command)  # in ASCII, unlike msgspec's
    return _heads(b"/", b"Host: localhost\r\nnexus-command: %b\r\n" % _line(quoted))


def _heads(target: bytes, common: bytes) -> Heads:
    sends = b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    return Heads(
        post=b"POST %b HTTP/1.1\r\n%b%b" % (target, common, sends),
        get=b"GET %b HTTP/1.1\r\n%bAccept: text/event-stream\r\n" % (target, common),
        delete=b"DELETE %b HTTP/1.1\r\n%b" % (target, common),
    )


def modern(base: bytes, method: str, name: str) -> bytes:
    """Add the headers that 2026-07-28 demands (basic/transports, standard headers)."""
    return _known(base, method, name) if len(name) <= REMEMBERED_NAME else _modern(base, method, name)


@lru_cache(maxsize=4096)
def _known(base: bytes, method: str, name: str) -> bytes:
    return _modern(base, method, name)


def _modern(base: bytes, method: str, name: str) -> bytes:
    named = b"Mcp-Name: %b\r\n" % _line(wrapped(name)) if name else b""
    return b"%bMCP-Protocol-Version: %b\r\nMcp-Method: %b\r\n%b" % (base, MODERN.encode(), _line(method), named)


def legacy(base: bytes, session: str, version: str = LEGACY) -> bytes:
    head = b"%bMCP-Protocol-Version: %b\r\n" % (base, _line(version))
    return head + (b"Mcp-Session-Id: %b\r\n" % _line(session) if session else b"")


def mirrored(header: str, value: str) -> bytes:
    """Return the line that repeats an argument (2026-07-28, basic/transports: custom headers from parameters)."""
    return b"Mcp-Param-%b: %b\r\n" % (_line(header), _line(wrapped(value)))


def wrapped(value: str) -> str:
    """Return the value as it is if a header can carry it, else wrapped as =?base64?…?=."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith(WRAPPED):
        return value
    return f"{WRAPPED}{base64.b64encode(value.encode()).decode()}?="


def _query(query: str) -> str:
    return quote(query, safe="/?%:@!$&'()*+,;=~[]")


def _line(value: str) -> bytes:
    return refuse_line_breaks(value).encode("ascii")
