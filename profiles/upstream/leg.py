"""MCP to one upstream server: which protocol era it speaks, and how it is asked in it.

Modern (2026-07-28) servers are asked without a session. Older ones are introduced to with `initialize`; the session
belongs to one principal and is never shared. A stdio server is asked through the stdio host, an older server itself.
"""

import asyncio
import itertools
from collections.abc import Callable
from enum import Enum

import msgspec

from profiles.upstream import addresses, heads, wire
from profiles.upstream.answers import (
    Answer,
    answer_in,
    first_message,
    read_answer,
    refuse_elsewhere,
)
from profiles.upstream.asking import CALL_TIMEOUT, LIST_TIMEOUT, PLAIN_ENVELOPE, PLAIN_META, Ask, Principal
from profiles.upstream.errors import CredentialRefused, NoAnswer, Unreachable, UpstreamError
from profiles.upstream.heads import MODERN
from profiles.upstream.http import Pool
from profiles.upstream.older import OlderSessions, SessionStore
from profiles.upstream.wire import Message

__all__ = ["CALL_TIMEOUT", "LIST_TIMEOUT", "Answer", "Era", "Leg"]

PROBE = wire.encode({"_meta": PLAIN_META})


class Era(Enum):
    UNKNOWN = "unknown"
    MODERN = "modern"
    LEGACY = "legacy"


class Welcome(msgspec.Struct):
    """What a modern server says of itself (2026-07-28, server/discover)."""

    supportedVersions: list[str] = []
    capabilities: msgspec.Raw = wire.EMPTY
    instructions: str = ""


class Leg:
    """The way to one server. `command` is set for stdio, where `url` is that of the host's socket.

    `head` are the header lines that sign in whoever asks by `request`; who asks by `ask` brings their own.
    """

    def __init__(
        self,
        url: str,
        *,
        command: list[str] | None = None,
        head: bytes = b"",
        name: str = "",
        store: SessionStore | None = None,
        limit: int = 512,
    ) -> None:
        self._pool = Pool(url, limit=limit)
        self._era = Era.LEGACY if command else Era.UNKNOWN
        self._has_host = bool(command)
        self._head = head
        self._ids = itertools.count(1)
        self._probing: asyncio.Task[Era] | None = None
        self._base = heads.to_stdio_host(command) if command else heads.to_address(addresses.parse(url))
        self._welcome = Welcome()
        self._speaks_older: bool | None = None  # beside the modern era; None as long as nobody needed to know
        self.older = OlderSessions(self._pool, self._base, url, name, store)

    @property
    def is_modern(self) -> bool:
        return self._era is Era.MODERN

    def is_modern_for(self, principal: Principal) -> bool:
        """Return True if it is asked without a session: a client of the older eras keeps to them where the server can.

        A server of both eras can ask such a client in the middle of a call only in a session.
        """
        return self.is_modern and not (principal.keeps_ids and self._speaks_older)

    @property
    def is_modern_only(self) -> bool:
        """Return True once it has refused a session."""
        return self.is_modern and self._speaks_older is False

    async def meet(self, principal: Principal, head: bytes = b"") -> None:
        """Find out what must be known to ask as the principal; raise UpstreamError."""
        if self._era is Era.UNKNOWN:
            await self.find_era(head)
        if self.is_modern and principal.keeps_ids and self._speaks_older is None:
            try:
                await self.older.open(principal, head)
            except (Unreachable, NoAnswer, CredentialRefused):
                raise
            except UpstreamError:
                self._speaks_older = False
            else:
                self._speaks_older = True

    @property
    def is_known(self) -> bool:
        """Return True once the server has said what it offers."""
        return self.is_modern or self.older.has_been_welcomed

    @property
    def capabilities(self) -> dict[str, msgspec.Raw]:
        """Return what the server said that it offers; nothing before it was asked anything."""
        raw = self._welcome.capabilities if self.is_modern else self.older.welcome.capabilities
        try:
            return wire.members_decoder.decode(raw)
        except msgspec.DecodeError:
            return {}

    @property
    def instructions(self) -> str:
        return self._welcome.instructions if self.is_modern else self.older.welcome.instructions

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
        """Ask on nobody's behalf or on that of a principal, and return the answer; raise UpstreamError.

        `params` is a JSON object, without the _meta that the era demands.
        """
        members = wire.members_decoder.decode(params) if params else {}
        return await self.ask(
            Ask(
                method, members, name=name, principal=Principal(principal), envelope=PLAIN_ENVELOPE, timeout=timeout,
                head=self._head, last_look=last_look,
            )
        )  # fmt: skip

    async def ask(self, ask: Ask) -> Answer:
        """Ask, and return the answer; raise UpstreamError. A request that may have run is never sent again."""
        if self._era is Era.UNKNOWN or (ask.principal.keeps_ids and self._speaks_older is None):
            await self.meet(ask.principal, ask.head)
        if self.is_modern_for(ask.principal):
            return await self._ask_modern(ask)
        try:
            return await self.older.ask(ask)
        except UpstreamError:
            if not self._has_host and not self.older.has_been_welcomed:
                self._era = Era.UNKNOWN  # it may have been mistaken for an older one
            raise

    async def find_era(self, head: bytes = b"") -> None:
        """Find out which era the server speaks, once whoever asks first; raise UpstreamError."""
        probing = self._probing
        if probing is None:
            probing = self._probing = asyncio.create_task(self._probe(head))
            probing.add_done_callback(self._note_era)
        try:
            await asyncio.shield(probing)
        except asyncio.CancelledError:
            if not probing.cancelled():
                raise
            raise Unreachable("its address was changed while it was asked for the first time") from None

    def _note_era(self, probe: "asyncio.Task[Era]") -> None:
        self._probing = None
        if not probe.cancelled() and probe.exception() is None:
            self._era = probe.result()

    async def introduce(self, principal: Principal, head: bytes = b"") -> None:
        """Have the server say what it offers, if it has not yet; open the principal's session of an older one."""
        if self._era is Era.UNKNOWN:
            await self.find_era(head)
        if self._era is Era.LEGACY:
            await self.older.open(principal, head)

    def close(self) -> None:
        if self._probing:
            self._probing.cancel()
        self.older.close()
        self._pool.close()

    async def _ask_modern(self, ask: Ask) -> Answer:
        rpc_id = ask.id if ask.timeout is None else b"%d" % next(self._ids)
        head = heads.modern(self._base.post, ask.method, ask.name) + ask.mirrored + ask.head
        body = wire.request(rpc_id, ask.method, ask.modern_params())
        response = await self._pool.request(
            head, body, timeout=ask.timeout or LIST_TIMEOUT, last_look=ask.last_look, is_stream=ask.timeout is None,
            is_for_whole=ask.timeout is not None,
        )  # fmt: skip
        try:
            return await read_answer(response, rpc_id, ask.on_message or _ignore)
        finally:
            response.close()

    async def _probe(self, more: bytes) -> Era:
        """Ask as a modern client would; who answers, and does not understand, is asked as an older one.

        Raise UpstreamError, and remember nothing, for an answer that tells nothing of the era.
        """
        body = wire.request(b"%d" % next(self._ids), "server/discover", PROBE)
        head = heads.modern(self._base.post, "server/discover", "") + more
        response = await self._pool.request(head, body, timeout=LIST_TIMEOUT)
        try:
            if response.status >= 500 or response.status in (408, 429):
                raise UpstreamError(f"it answered HTTP {response.status}")
            refuse_elsewhere(response)
            async with asyncio.timeout(LIST_TIMEOUT):
                answer = answer_in(await first_message(response))
        except TimeoutError:
            raise NoAnswer(f"it did not finish its answer within {LIST_TIMEOUT:.0f} s") from None
        finally:
            response.close()
        self._welcome = _welcome_in(answer.result) if answer else Welcome()
        return Era.MODERN if MODERN in self._welcome.supportedVersions else Era.LEGACY


async def _ignore(message: Message, data: bytes) -> bool:
    return True


def _welcome_in(result: bytes) -> Welcome:
    try:
        return msgspec.json.decode(result, type=Welcome) if result else Welcome()
    except msgspec.DecodeError:
        return Welcome()
