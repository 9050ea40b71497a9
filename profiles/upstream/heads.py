"""The request heads that go to upstreams: every value on one line, in ASCII."""

import base64
import json
from urllib.parse import SplitResult, quote

from profiles.upstream.http import refuse_line_breaks

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
WRAPPED = "=?base64?"


def to_address(parts: SplitResult) -> bytes:
    """Return the head of a POST to a streamable HTTP server, without what its era adds."""
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_query(parts.query)}" if parts.query else "")
    host = (
        (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    )
    netloc = f"{host}:{parts.port}" if parts.port else host
    return (
        b"POST %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: nexus\r\nContent-Type: application/json\r\n"
        b"Accept: application/json, text/event-stream\r\n" % (_line(target), _line(netloc))
    )


def to_stdio_host(command: list[str]) -> bytes:
    quoted = json.dumps(command)  # in ASCII, unlike msgspec's
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nnexus-command: %b\r\n"
    return head % _line(quoted)


def modern(base: bytes, method: str, name: str) -> bytes:
    """Add the headers that 2026-07-28 demands (basic/transports, standard headers)."""
    named = b"Mcp-Name: %b\r\n" % _line(wrapped(name)) if name else b""
    return b"%bMCP-Protocol-Version: %b\r\nMcp-Method: %b\r\n%b" % (base, MODERN.encode(), _line(method), named)


def legacy(base: bytes, session: str) -> bytes:
    head = b"%bMCP-Protocol-Version: %b\r\n" % (base, LEGACY.encode())
    return head + (b"Mcp-Session-Id: %b\r\n" % _line(session) if session else b"")


def wrapped(value: str) -> str:
    """Return the value as it is if a header can carry it, else wrapped as =?base64?…?=."""
    if value.isascii() and value.isprintable() and value == value.strip() and not value.startswith(WRAPPED):
        return value
    return f"{WRAPPED}{base64.b64encode(value.encode()).decode()}?="


def _query(query: str) -> str:
    return quote(query, safe="/?%:@!$&'()*+,;=~[]")


def _line(value: str) -> bytes:
    return refuse_line_breaks(value).encode("ascii")
