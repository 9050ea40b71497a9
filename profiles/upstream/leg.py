"""MCP to one upstream server: which protocol era it speaks, its session, one request at a time.

Modern (2026-07-28) servers are asked without a session. Older ones are introduced to with `initialize`; the session
belongs to one principal and is never shared. A stdio server is asked through the stdio host, which introduces itself.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult

import msgspec

from profiles.upstream import addresses, sse, wire
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError
from profiles.upstream.http import Pool, Response, refuse_line_breaks

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
CLIENT = {"name": "nexus", "version": "1"}
CALL_TIMEOUT = 120.0  # seconds
LIST_TIMEOUT = 20.0
ENVELOPE = b"io.modelcontextprotocol/"
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}


class Era(Enum):
    UNKNOWN = "unknown"
    MODERN = "modern"
    LEGACY = "legacy"
    HOST = "stdio host"


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's answer: exactly one of the two is there, as the bytes that came."""

    result: bytes = b""
    error: bytes = b""


class SessionLost(Exception):
    """The upstream no longer knows the session (404), so the request did not run."""


class Leg:
    """The way to one server. `command` is set for stdio, where `url` is that of the host's socket."""

    def __init__(self, url: str, *, command: list[str] | None = None) -> None:
        self._pool = Pool(url)
        self._era = Era.HOST if command else Era.UNKNOWN
        self._ids = itertools.count(1)
        self._sessions: dict[str, str] = {}
        self._introduction = asyncio.Lock()
        parts = addresses.parse(url) if not command else None
        self._base = _base_head(parts, command)
        self._legacy = b"%bMCP-Protocol-Version: %b\r\n" % (self._base, LEGACY.encode())

    async def request(
        self,
        method: str,
        params: bytes,
        *,
        name: str = "",
        principal: str = "",
        timeout: float = CALL_TIMEOUT,
        last_look: Callable[[], None] | None = None,
    ) -> Answer:
        """Ask, and return the answer; raise UpstreamError.

        `params` is a JSON object as bytes, without the _meta that the era demands. `name` goes into Mcp-Name. A
        request that may have run is never sent again.
        """
        if self._era is Era.UNKNOWN:
            async with self._introduction:
                if self._era is Era.UNKNOWN:
                    self._era = await self._probe()
        for attempt in (1, 2):
            head, body = await self._prepared(method, params, name, principal)
            try:
                return await self._exchange(head, body, timeout, last_look)
            except SessionLost:
                self._sessions.pop(principal, None)
                if attempt == 2 or self._era is not Era.LEGACY:
                    raise UpstreamError("it keeps forgetting the session that it gave") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._pool.close()

    async def _prepared(self, method: str, params: bytes, name: str, principal: str) -> tuple[bytes, bytes]:
        number = next(self._ids)
        if self._era is Era.MODERN:
            meta = _meta_of(params) | MODERN_META
            head = self._modern_head(method, name)
            return head, wire.request(number, method, wire.with_members(params, _meta=meta))
        params = _without_envelope(params)
        if self._era is Era.LEGACY:
            if principal not in self._sessions:
                async with self._introduction:
                    if principal not in self._sessions:
                        self._sessions[principal] = await self._introduce()
            session = self._sessions[principal]
            head = self._legacy + (b"Mcp-Session-Id: %b\r\n" % session.encode() if session else b"")
            return head, wire.request(number, method, params)
        return self._base, wire.request(number, method, params)

    async def _probe(self) -> Era:
        """Ask as a modern client would; whoever does not understand is asked as an older one."""
        body = wire.request(next(self._ids), "server/discover", wire.encode({"_meta": MODERN_META}))
        response = await self._pool.request(self._modern_head("server/discover", ""), body, timeout=LIST_TIMEOUT)
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                answer = await _answer_in(response) if response.status in (200, 400, 404) else None
        except (UpstreamError, TimeoutError):
            answer = None
        finally:
            response.close()
        if answer and answer.result and MODERN in _supported_versions(answer.result):
            return Era.MODERN
        return Era.LEGACY

    def _modern_head(self, method: str, name: str) -> bytes:
        named = b"Mcp-Name: %b\r\n" % _header(name) if name else b""
        version = b"MCP-Protocol-Version: %b\r\nMcp-Method: %b\r\n" % (MODERN.encode(), method.encode())
        return self._base + version + named

    async def _introduce(self) -> str:
        """Open a session of an older server and return its id, empty if it needs none."""
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        body = wire.request(next(self._ids), "initialize", wire.encode(hello))
        async with asyncio.timeout(LIST_TIMEOUT):
            response = await self._pool.request(self._base, body, timeout=LIST_TIMEOUT)
            try:
                answer = await _answer_in(response)
            finally:
                response.close()
            if not answer.result:
                raise UpstreamError(f"it refused to start a session ({_message_of(answer.error)})")
            session = response.headers.get("mcp-session-id", "")
            named = b"Mcp-Session-Id: %b\r\n" % session.encode() if session else b""
            done = await self._pool.request(
                self._legacy + named, wire.notification("notifications/initialized"), timeout=LIST_TIMEOUT
            )
            await done.read(limit=64 * 1024)
        return session

    async def _exchange(self, head: bytes, body: bytes, timeout: float, last_look: Callable[[], None] | None) -> Answer:
        response = await self._pool.request(head, body, timeout=timeout, last_look=last_look)
        try:
            if response.status == 404 and self._era is Era.LEGACY:
                raise SessionLost
            async with asyncio.timeout(timeout):
                return await _answer_in(response)
        except TimeoutError:
            raise NoAnswer(f"it did not finish its answer within {timeout:.0f} s") from None
        finally:
            response.close()


def _base_head(parts: SplitResult | None, command: list[str] | None) -> bytes:
    if parts is None:
        quoted = wire.encode(command)
        return (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nnexus-command: %b\r\n"
            % _header(quoted.decode())
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (
        b"POST %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: nexus\r\nContent-Type: application/json\r\n"
        b"Accept: application/json, text/event-stream\r\n" % (_header(target), _header(parts.netloc))
    )


def _header(value: str) -> bytes:
    return refuse_line_breaks(value).encode("ascii", "backslashreplace")


async def _answer_in(response: Response) -> Answer:
    """Read a JSON-RPC answer from JSON or from a stream; what a stream says before the answer is passed over."""
    if response.status in (301, 302, 303, 307, 308):
        raise UpstreamError(f"it sends elsewhere (HTTP {response.status}); give the final address instead")
    if response.status in (401, 403):
        raise UpstreamError(f"it asks for a sign-in that Nexus does not have (HTTP {response.status})")
    if response.content_type == "text/event-stream":
        async for data in sse.data_of_events(response.chunks()):
            if answer := _answer(data):
                return answer
        raise NoAnswer("its stream ended before the answer")
    body = await response.read()
    answer = _answer(body)
    if answer is None:
        if response.status == 502 and (detail := _detail(body)):
            raise Unreachable(detail)
        raise UpstreamError(f"it answered HTTP {response.status} with something that is not MCP")
    return answer


def _answer(data: bytes) -> Answer | None:
    try:
        message = wire.message_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    result, error = bytes(message.result), bytes(message.error)
    if message.method is not None or not (result or error):
        return None
    return Answer(error=error) if error else Answer(result=result)


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["detail"]).rstrip(".")
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def _meta_of(params: bytes) -> dict[str, object]:
    meta = wire.members_decoder.decode(params).get("_meta") if params else None
    return dict(wire.members_decoder.decode(meta)) if meta else {}


def _without_envelope(params: bytes) -> bytes:
    """Take out of _meta what only the modern era knows; servers of the older eras refuse requests that carry it."""
    if ENVELOPE not in params:
        return params
    members = wire.members_decoder.decode(params)
    meta = wire.members_decoder.decode(members.get("_meta", wire.EMPTY))
    kept = {key: value for key, value in meta.items() if not key.startswith(ENVELOPE.decode())}
    if kept:
        return wire.with_members(params, _meta=kept)
    return wire.encode({key: value for key, value in members.items() if key != "_meta"})


def _supported_versions(result: bytes) -> list[str]:
    versions = msgspec.json.decode(result).get("supportedVersions", [])
    return versions if isinstance(versions, list) else []


def _message_of(error: bytes) -> str:
    try:
        return wire.error_decoder.decode(error).message[:200]
    except msgspec.DecodeError:
        return "no reason given"
