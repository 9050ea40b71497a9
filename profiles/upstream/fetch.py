"""Single requests to authorization servers and webhooks, through the guarded connector: no redirect is followed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote

import msgspec

from profiles.upstream import addresses
from profiles.upstream.errors import NoAnswer, SignInFailed, UpstreamError
from profiles.upstream.http import Pool, Response, refuse_line_breaks

TIMEOUT = 10.0  # seconds
MAX_BODY = 256 * 1024  # bytes
PATH = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case

    def members(self) -> dict[str, Any]:
        """Return the JSON object in the body; raise SignInFailed for anything else."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise SignInFailed(f"its authorization server answered HTTP {self.status} with something that is not JSON")
        return found


async def get(url: str) -> Fetched:
    return await _ask(url, "GET", b"", b"")


async def post(url: str, body: bytes, content_type: str, *, authorization: str = "") -> Fetched:
    lines = f"Content-Type: {content_type}\r\n"
    if authorization:
        lines += f"Authorization: {refuse_line_breaks(authorization)}\r\n"
    return await _ask(url, "POST", lines.encode("ascii"), body)


async def deliver(url: str, body: bytes, head: bytes, *, max_answer: int) -> Fetched:
    """Post once; return the status, and what came of the answer in time, up to `max_answer` bytes of it.

    Raise UpstreamError if there is no status.
    """
    pool = Pool(url, limit=1)
    status, received = 0, b""
    try:
        async with asyncio.timeout(TIMEOUT):
            response: Response = await pool.request(_head(url, "POST", head, "*/*"), body, timeout=TIMEOUT)
            status = response.status
            async for part in response.chunks():
                received += part
                if len(received) >= max_answer:
                    break
    except TimeoutError:
        if not status:
            raise NoAnswer(f"it did not answer within {TIMEOUT:.0f} s") from None
    except UpstreamError:
        if not status:
            raise
    finally:
        pool.close()
    return Fetched(status, received[:max_answer])


async def challenge(url: str, body: bytes) -> str | None:
    """Post MCP's first message without a credential; return the WWW-Authenticate of the refusal, None if there is none.

    Raise UpstreamError if the server cannot be reached.
    """
    head = b"Content-Type: application/json\r\n"
    pool = Pool(url, limit=1)
    try:
        response = await pool.request(
            _head(url, "POST", head, "application/json, text/event-stream"), body, timeout=TIMEOUT
        )
        return response.headers.get("www-authenticate", "") if response.status in (401, 403) else None
    finally:
        pool.close()


async def _ask(url: str, method: str, head: bytes, body: bytes) -> Fetched:
    pool = Pool(url, limit=1)
    try:
        async with asyncio.timeout(TIMEOUT):
            response: Response = await pool.request(_head(url, method, head, "application/json"), body, timeout=TIMEOUT)
            return Fetched(response.status, await response.read(MAX_BODY), response.headers)
    except TimeoutError:
        raise SignInFailed(f"{pool.host} did not answer within {TIMEOUT:.0f} s") from None
    except UpstreamError as error:
        text = str(error)
        raise type(error)(text if text.endswith(".") else f"{pool.host} cannot be asked: {text}") from error
    finally:
        pool.close()


def _head(url: str, method: str, more: bytes, accept: str) -> bytes:
    parts = addresses.parse(url)
    query = f"?{quote(parts.query, safe=PATH + '?')}" if parts.query else ""
    line = f"{method} {quote(parts.path or '/', safe=PATH)}{query} HTTP/1.1\r\nHost: {_host(parts)}\r\n"
    return f"{line}User-Agent: nexus\r\nAccept: {accept}\r\n".encode("ascii") + more


def _host(parts: SplitResult) -> str:
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name.encode("idna").decode()
    return f"{host}:{parts.port}" if parts.port else host
