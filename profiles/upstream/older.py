"""Sessions of one server of the older eras (2024-11-05 to 2025-11-25): opened, used, listened to, ended."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from profiles.upstream import heads, wire
from profiles.upstream.answers import Answer, OnMessage, answer_in, answer_of, read_answer, reason_in
from profiles.upstream.asking import LIST_TIMEOUT, Ask, Principal
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError
from profiles.upstream.heads import LEGACY, Heads
from profiles.upstream.hearing import Hearing
from profiles.upstream.http import Pool
from profiles.upstream.sse_session import SessionEnded, SseSession
from profiles.upstream.wire import Message

logger = logging.getLogger("nexus.upstream")

MAX_SESSIONS = 1000  # of one server, in this process
IDLE_LIMIT = 1800.0  # seconds without a request, after which a session is ended
WATCH_EVERY = 1.0  # seconds between two looks at a stream that somebody else reads
NOT_STREAMABLE = (400, 404, 405)  # what servers of 2024-11-05 say to a POST (2025-03-26, basic/transports)
ACCEPTED = 64 * 1024  # bytes that are read of an answer to what needs none


class SessionLost(Exception):
    """The upstream no longer knows the session (404), so the request did not run."""


class SessionStore(Protocol):
    """Where the processes of an installation share which session of a server belongs to which client's session.

    One process reads a session's stream; `take_stream` has the others let go of it (OlderSessions.let_go).
    """

    async def get(self, key: str) -> str: ...
    async def claim(self, key: str, value: str) -> str: ...
    async def drop(self, key: str) -> None: ...
    async def take_stream(self, key: str) -> None: ...


@dataclass(slots=True)
class Session:
    id: str  # empty where the server gives none
    version: str = LEGACY
    events: SseSession | None = None  # the stream on which a server of 2024-11-05 answers
    hearing: Hearing = field(default_factory=Hearing)  # of what it says beside its answers
    is_ours: bool = False  # opened by this process
    used_at: float = field(default_factory=time.monotonic)

    def stop(self) -> None:
        self.hearing.stop()
        if self.events:
            self.events.close()


class Welcome(msgspec.Struct):
    """What a server says of itself in answer to `initialize`."""

    protocolVersion: str = LEGACY
    capabilities: msgspec.Raw = wire.EMPTY
    instructions: str = ""


class OlderSessions:
    def __init__(self, pool: Pool, base: Heads, url: str, name: str = "", store: SessionStore | None = None) -> None:
        """`name` tells this server from others in the store."""
        self._pool = pool
        self._base = base
        self._url = url
        self._name = name
        self._store = store
        self._ids = itertools.count(1)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._opening: dict[str, asyncio.Task[Session]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.welcome = Welcome()
        self.has_been_welcomed = False

    async def ask(self, ask: Ask) -> Answer:
        """Ask in the principal's session; one that the server forgot is opened anew, once. Raise UpstreamError."""
        for _ in range(2):
            session = await self.open(ask.principal, ask.head)
            if ask.on_message and (not session.hearing.is_settled or session.hearing.broke_off):
                await self._begin_to_hear(ask.principal, session, ask.head)
            try:
                return await self._ask_in(session, ask)
            except SessionLost:
                await self._forget(ask.principal, session)
        raise UpstreamError("it keeps forgetting the session that it gave")

    async def _ask_in(self, session: Session, ask: Ask) -> Answer:
        rpc_id = ask.id if ask.principal.keeps_ids and ask.id else b"%d" % next(self._ids)
        body = wire.request(rpc_id, ask.method, ask.older_params())
        if session.events:
            return await self._ask_on_stream(session, session.events, ask, rpc_id, body)
        head = heads.legacy(self._base.post, session.id, session.version) + ask.head
        take = self._taker(session, ask.head, ask.on_message)
        async with session.hearing.during(take):
            return await self._answer(session, ask, rpc_id, head, body, take)

    async def _answer(
        self, session: Session, ask: Ask, rpc_id: bytes, head: bytes, body: bytes, take: OnMessage
    ) -> Answer:
        response = await self._pool.request(head, body, timeout=ask.timeout or LIST_TIMEOUT, last_look=ask.last_look)
        try:
            if response.status == 404:
                raise SessionLost
            async with asyncio.timeout(ask.timeout):
                return await read_answer(response, rpc_id, take)
        except TimeoutError:
            self._spawn(self._cancel(session, ask.head, rpc_id))
            raise NoAnswer(f"it did not finish its answer within {ask.timeout:.0f} s") from None
        except asyncio.CancelledError:
            self._spawn(self._cancel(session, ask.head, rpc_id))
            raise
        finally:
            response.close()

    async def _ask_on_stream(
        self, session: Session, events: SseSession, ask: Ask, rpc_id: bytes, body: bytes
    ) -> Answer:
        take = self._taker(session, ask.head, ask.on_message)
        try:
            message = await events.request(rpc_id, body, on_message=take, timeout=ask.timeout, last_look=ask.last_look)
        except SessionEnded:
            raise SessionLost from None
        except asyncio.CancelledError:
            self._spawn(self._cancel(session, ask.head, rpc_id))
            raise
        return answer_of(message)

    async def send(self, principal: Principal, head: bytes, body: bytes) -> bool:
        """Send a notification or an answer into the session that is open already; return False if there is none."""
        session = await self.known(principal)
        if session is None:
            return False
        await self._post(session, head, body)
        return True

    async def known(self, principal: Principal) -> Session | None:
        """Return the principal's session if it is open, in whichever process."""
        if found := self._sessions.get(principal.key):
            return found
        if self._store and principal.keeps_ids and (text := await self._store.get(self._key(principal))):
            return self._keep(principal, _session_in(text))
        return None

    async def listen(self, principal: Principal, head: bytes, on_message: OnMessage) -> None:
        """Hand on what the server says beside its answers, for as long as the session lives and it has a stream."""
        session = await self.known(principal)
        if session is None:
            return
        hearing = session.hearing
        take = self._taker(session, head, on_message)
        try:
            await hearing.give_to(take)
            if not session.events and hearing.has_ended:
                await self._take_stream(principal, session, head)
            while self._sessions.get(principal.key) is session and not await hearing.end(WATCH_EVERY):
                session.used_at = time.monotonic()
        finally:
            if hearing.on_idle is take:
                hearing.on_idle = None

    def let_go(self, key: str) -> None:
        """Stop reading the stream of the session with this key in the store: another process reads it from now on."""
        session = self._sessions.get(key.removeprefix(f"{self._name}:")) if key.startswith(f"{self._name}:") else None
        if session:
            session.hearing.stop()

    async def _take_stream(self, principal: Principal, session: Session, head: bytes) -> None:
        if self._store and principal.keeps_ids:
            await self._store.take_stream(self._key(principal))
        self._hear(principal, session, head)

    async def _begin_to_hear(self, principal: Principal, session: Session, head: bytes) -> None:
        """Have the session's stream open before its first request: what the server asks there would be lost."""
        if session.is_ours and session.id and not session.events:
            if session.hearing.has_ended:
                self._hear(principal, session, head)
            await session.hearing.settled()

    def _hear(self, principal: Principal, session: Session, head: bytes) -> None:
        request = heads.legacy(self._base.get, session.id, session.version) + head
        session.hearing.start(
            lambda: self._pool.request(request, timeout=LIST_TIMEOUT, is_stream=True),
            self._taker(session, head, None), announces=principal.keeps_ids,
        )  # fmt: skip

    async def end(self, principal: Principal, head: bytes = b"") -> None:
        """End the principal's session, if there is one; that the server does not answer changes nothing."""
        if session := await self.known(principal):
            await self._forget(principal, session)
            await self._delete(session, head)

    def end_soon(self, principal: Principal, head: bytes = b"") -> None:
        """End the principal's session beside what goes on."""
        self._spawn(self.end(principal, head))

    def reap(self) -> None:
        """End the sessions that nobody has used for long."""
        limit = time.monotonic() - IDLE_LIMIT
        for key in [key for key, session in self._sessions.items() if session.used_at < limit]:
            self._spawn(self._delete(self._sessions.pop(key)))

    def close(self) -> None:
        for task in (*self._opening.values(), *self._tasks):
            task.cancel()
        for session in self._sessions.values():
            session.stop()

    async def open(self, principal: Principal, head: bytes = b"") -> Session:
        """Return the principal's session, opened once whoever asks first."""
        found = self._sessions.get(principal.key)
        if found and not (found.events and found.events.is_over):
            self._sessions.move_to_end(principal.key)
            found.used_at = time.monotonic()
            return found
        task = self._opening.get(principal.key)
        if task is None:
            task = self._opening[principal.key] = asyncio.create_task(self._open_anew(principal, head))
            task.add_done_callback(lambda _: self._opening.pop(principal.key, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise Unreachable("its address was changed while a session was opened") from None

    async def _open_anew(self, principal: Principal, head: bytes) -> Session:
        if known := await self.known(principal):
            return known
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                session = await self._introduce(principal, head)
        except TimeoutError:
            raise NoAnswer(f"it did not start a session within {LIST_TIMEOUT:.0f} s") from None
        if self._store and principal.keeps_ids and not session.events:
            winner = await self._store.claim(
                self._key(principal), msgspec.json.encode([session.id, session.version]).decode()
            )
            if (other := _session_in(winner)).id != session.id:
                self._spawn(self._delete(session, head))
                session = other
        return self._keep(principal, session)

    def _keep(self, principal: Principal, session: Session) -> Session:
        """Remember the session; the least used of too many is ended."""
        kept = self._sessions.setdefault(principal.key, session)
        if kept.events and kept.events.is_over:
            kept = self._sessions[principal.key] = session
        while len(self._sessions) > MAX_SESSIONS:
            _, oldest = self._sessions.popitem(last=False)
            self._spawn(self._delete(oldest))
        return kept

    async def _introduce(self, principal: Principal, head: bytes) -> Session:
        hello = {
            "protocolVersion": principal.version,
            "capabilities": msgspec.Raw(principal.capabilities),
            "clientInfo": msgspec.Raw(principal.client),
        }
        rpc_id = b'"nexus-hello"' if principal.keeps_ids else b"%d" % next(self._ids)
        body = wire.request(rpc_id, "initialize", wire.encode(hello))
        response = await self._pool.request(self._base.post + head, body, timeout=LIST_TIMEOUT)
        try:
            if response.status in NOT_STREAMABLE and answer_in(content := await response.read(limit=ACCEPTED)) is None:
                return await self._introduce_on_stream(principal, head, rpc_id, body)
            answer = answer_in(content) if response.status in NOT_STREAMABLE else None
            answer = answer or await read_answer(response, rpc_id, _ignore)
        finally:
            response.close()
        session = Session(response.headers.get("mcp-session-id", ""), self._welcomed(answer), is_ours=True)
        if not session.id.isascii() or not session.id.isprintable():
            raise UpstreamError("it gave a session id that no header can carry")
        await self._begin(session, principal, head)
        return session

    async def _introduce_on_stream(self, principal: Principal, head: bytes, rpc_id: bytes, body: bytes) -> Session:
        """Open a session as servers of 2024-11-05 have it: all that they say comes on one stream."""
        session = Session("")

        async def take(message: Message, data: bytes) -> bool:
            return await (session.hearing.on_idle or self._taker(session, head, None))(message, data)

        session.events = SseSession(self._pool, self._url, head=head, on_idle_message=take)
        await session.events.open()
        try:
            answer = await session.events.request(rpc_id, body, on_message=take, timeout=LIST_TIMEOUT)
            session.version = self._welcomed(answer_of(answer))
            await self._begin(session, principal, head)
        except BaseException:
            session.events.close()
            raise
        return session

    async def _begin(self, session: Session, principal: Principal, head: bytes) -> None:
        await self._post(session, head, wire.notification("notifications/initialized"))
        if principal.level and b'"logging"' in bytes(self.welcome.capabilities):
            level = wire.encode({"level": principal.level})
            await self._post(session, head, wire.request(b'"nexus-level"', "logging/setLevel", level))

    def _welcomed(self, answer: Answer) -> str:
        """Take in what the server says of itself, and return the version that it speaks."""
        if not answer.result:
            raise UpstreamError(f"it refused to start a session ({reason_in(answer.error)})")
        try:
            self.welcome = msgspec.json.decode(answer.result, type=Welcome)
        except msgspec.DecodeError:
            raise UpstreamError("it introduced itself with something that is not MCP") from None
        self.has_been_welcomed = True
        version = self.welcome.protocolVersion
        return version if version.isascii() and version.isprintable() and len(version) < 20 else LEGACY

    def _taker(self, session: Session, head: bytes, on_message: OnMessage | None) -> OnMessage:
        """Return what takes in the server's own messages: a request that nobody can answer is refused at once."""

        async def take(message: Message, data: bytes) -> bool:
            rpc_id = bytes(message.id)
            if rpc_id and message.method == "ping":
                self._spawn(self._post(session, head, wire.result(rpc_id, b"{}")))
            elif not (on_message and await on_message(message, data)) and rpc_id:
                refusal = wire.error(rpc_id, -32601, f"The client of this call cannot answer {message.method}.")
                self._spawn(self._post(session, head, refusal))
            return True

        return take

    async def _cancel(self, session: Session, head: bytes, rpc_id: bytes) -> None:
        params = wire.encode({"requestId": msgspec.Raw(rpc_id), "reason": "the client stopped waiting"})
        await self._post(session, head, wire.notification("notifications/cancelled", params))

    async def _post(self, session: Session, head: bytes, body: bytes) -> None:
        if session.events:
            await session.events.send(body)
            return
        request = heads.legacy(self._base.post, session.id, session.version) + head
        response = await self._pool.request(request, body, timeout=LIST_TIMEOUT)
        try:
            if response.content_type != "text/event-stream":
                await response.read(limit=ACCEPTED)
        finally:
            response.close()

    async def _delete(self, session: Session, head: bytes = b"") -> None:
        session.stop()
        if session.id:
            request = heads.legacy(self._base.delete, session.id, session.version) + head
            response = await self._pool.request(request, b"", timeout=LIST_TIMEOUT)
            response.close()

    async def _forget(self, principal: Principal, session: Session) -> None:
        if self._sessions.get(principal.key) is session:
            del self._sessions[principal.key]
        session.stop()
        if self._store and principal.keeps_ids:
            await self._store.drop(self._key(principal))

    def _key(self, principal: Principal) -> str:
        return f"{self._name}:{principal.key}"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside what goes on; that a server cannot be told of something harms nobody."""

        async def quietly() -> None:
            with contextlib.suppress(UpstreamError):
                await work

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _session_in(text: str) -> Session:
    number, version = msgspec.json.decode(text, type=tuple[str, str])
    return Session(number, version)


async def _ignore(message: Message, data: bytes) -> bool:
    return True
