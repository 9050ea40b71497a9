"""MCP to one upstream server: which protocol era it speaks, its session, one request at a time.

Modern (2026-07-28) servers are asked without a session. Older ones are introduced to with `initialize`; the session
belongs to one principal and is never shared. A stdio server is asked through the stdio host, which introduces itself.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from profiles.upstream import addresses, heads, sse, wire
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError
from profiles.upstream.heads import LEGACY, MODERN
from profiles.upstream.http import Pool, Response

CLIENT = {"name": "nexus", "version": "1"}
CALL_TIMEOUT = 120.0  # seconds
LIST_TIMEOUT = 20.0
MAX_SESSIONS = 1000  # of one older server
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
        self._probing = asyncio.Lock()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._introductions: dict[str, asyncio.Task[str]] = {}
        self._base = heads.to_stdio_host(command) if command else heads.to_address(addresses.parse(url))

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
        session of an older server is the principal's own. A request that may have run is never sent again.
        """
        if self._era is Era.UNKNOWN:
            async with self._probing:
                if self._era is Era.UNKNOWN:
                    self._era = await self._probe()
        for attempt in (1, 2):
            head, body = await self._prepared(method, params, name, principal)
            try:
                return await self._exchange(head, body, timeout, last_look)
            except SessionLost:
                self._sessions.pop(principal, None)
                if attempt == 2:
                    raise UpstreamError("it keeps forgetting the session that it gave") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        for task in self._introductions.values():
            task.cancel()
        self._pool.close()

    async def _prepared(self, method: str, params: bytes, name: str, principal: str) -> tuple[bytes, bytes]:
        number = next(self._ids)
        if self._era is Era.MODERN:
            meta = _meta_of(params) | MODERN_META
            head = heads.modern(self._base, method, name)
            return head, wire.request(number, method, wire.with_members(params, _meta=meta))
        params = _without_envelope(params)
        if self._era is Era.LEGACY:
            head = heads.legacy(self._base, await self._session_of(principal))
            return head, wire.request(number, method, params)
        return self._base, wire.request(number, method, params)

    async def _probe(self) -> Era:
        """Ask as a modern client would; who answers, and does not understand, is asked as an older one.

        Raise UpstreamError, and remember nothing, for an answer that tells nothing of the era.
        """
        body = wire.request(next(self._ids), "server/discover", wire.encode({"_meta": MODERN_META}))
        head = heads.modern(self._base, "server/discover", "")
        response = await self._pool.request(head, body, timeout=LIST_TIMEOUT)
        try:
            if response.status >= 500 or response.status in (408, 429):
                raise UpstreamError(f"it answered HTTP {response.status}")
            _refuse_elsewhere(response)
            async with asyncio.timeout(LIST_TIMEOUT):
                answer = _answer(await _first_message(response))
        except TimeoutError:
            raise NoAnswer(f"it did not finish its answer within {LIST_TIMEOUT:.0f} s") from None
        finally:
            response.close()
        return Era.MODERN if answer and MODERN in _supported_versions(answer.result) else Era.LEGACY

    async def _session_of(self, principal: str) -> str:
        """Return the principal's session, opened once whoever asks first; the least used of too many is ended."""
        if principal in self._sessions:
            self._sessions.move_to_end(principal)
            return self._sessions[principal]
        task = self._introductions.get(principal)
        if task is None:
            task = self._introductions[principal] = asyncio.create_task(self._introduce())
            task.add_done_callback(lambda _: self._introductions.pop(principal, None))
        session = await asyncio.shield(task)
        self._sessions[principal] = session
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    async def _introduce(self) -> str:
        """Open a session of an older server and return its id, empty if it needs none."""
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        body = wire.request(next(self._ids), "initialize", wire.encode(hello))
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                return await self._exchange_hello(body)
        except TimeoutError:
            raise NoAnswer(f"it did not start a session within {LIST_TIMEOUT:.0f} s") from None
        except UpstreamError:
            self._era = Era.UNKNOWN  # it may have been mistaken for an older one
            raise

    async def _exchange_hello(self, body: bytes) -> str:
        response = await self._pool.request(self._base, body, timeout=LIST_TIMEOUT)
        try:
            answer = await _answer_in(response)
        finally:
            response.close()
        if not answer.result:
            raise UpstreamError(f"it refused to start a session ({_message_of(answer.error)})")
        session = response.headers.get("mcp-session-id", "")
        if not session.isascii() or not session.isprintable():
            raise UpstreamError("it gave a session id that no header can carry")
        done = await self._pool.request(
            heads.legacy(self._base, session), wire.notification("notifications/initialized"), timeout=LIST_TIMEOUT
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


async def _answer_in(response: Response) -> Answer:
    """Read a JSON-RPC answer from JSON or from a stream; what a stream says before the answer is passed over."""
    _refuse_elsewhere(response)
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


def _refuse_elsewhere(response: Response) -> None:
    if response.status in (301, 302, 303, 307, 308):
        raise UpstreamError(f"it sends elsewhere (HTTP {response.status}); give the final address instead")
    if response.status in (401, 403):
        raise UpstreamError(f"it asks for a sign-in that Nexus does not have (HTTP {response.status})")


async def _first_message(response: Response) -> bytes:
    """Return the body, or what the first event of a stream says."""
    if response.content_type == "text/event-stream":
        async for data in sse.data_of_events(response.chunks()):
            return data
        return b""
    return await response.read()


def _answer(data: bytes) -> Answer | None:
    """Return the answer in a message: its error, or its result, which in MCP is always an object."""
    try:
        message = wire.message_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    result, error = bytes(message.result).lstrip(), bytes(message.error).lstrip()
    if message.method is not None:
        return None
    if error.startswith(b"{"):
        return Answer(error=error)
    return Answer(result=result) if result.startswith(b"{") and error in (b"", b"null") else None


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


class Discovered(msgspec.Struct):
    supportedVersions: list[str] = []


def _supported_versions(result: bytes) -> list[str]:
    try:
        return msgspec.json.decode(result, type=Discovered).supportedVersions if result else []
    except msgspec.DecodeError:
        return []


def _message_of(error: bytes) -> str:
    try:
        return wire.error_decoder.decode(error).message[:200]
    except msgspec.DecodeError:
        return "no reason given"
