"""The servers behind the hub, as this process reaches them: legs that stay open, and what they listed last."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.utils import timezone

from nexus.hub.asked import Destination
from nexus.hub.authority import Database
from nexus.hub.bus import STREAM_TAKEN, Bus
from nexus.hub.context import Context
from nexus.hub.credentials import Credential, Credentials
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.answers import Answer, OnMessage
from profiles.upstream.asking import PLAIN_ENVELOPE, Ask, Principal
from profiles.upstream.discovery import all_tools, leg_to, sentence
from profiles.upstream.errors import CredentialRefused, NotConnected, Unreachable, UpstreamError
from profiles.upstream.leg import LIST_TIMEOUT, Leg

logger = logging.getLogger("nexus.hub")

LIST_EVERY = 60.0  # seconds after which a list is asked for again
CLIENT_WAITS = 2.0  # seconds that a client waits for it
ASK_AGAIN = 15.0  # seconds after which a server that failed is asked for its tools again
BACK_OFF = 0.25  # seconds for which nobody tries a server that could not be reached; doubled each time
BACK_OFF_LIMIT = 15.0
LISTS = Principal("lists")


class StillDown(Unreachable):
    """The server could not be reached a moment ago, and was not asked again."""


@dataclass(slots=True)
class State:
    """How a server has been doing, as this process saw it."""

    leg: Leg
    settings: tuple[str, int]  # of the server, which the leg was made for
    server: Server  # as it was last read
    listed_at: float = 0.0  # monotonic
    failed_at: float = 0.0
    failing_since: datetime | None = None
    failure: str = ""
    unreachable: int = 0  # times in a row that no connection could be made

    def fail(self, failure: str, error: UpstreamError | None = None) -> None:
        self.failed_at = time.monotonic()
        self.failing_since = self.failing_since or timezone.now()
        self.failure = failure
        if not isinstance(error, StillDown):
            self.unreachable = self.unreachable + 1 if isinstance(error, Unreachable) else 0

    def recover(self) -> None:
        self.failing_since, self.failure, self.unreachable = None, "", 0

    def refuse_while_down(self) -> None:
        """Raise StillDown for a server that could not be reached a moment ago: not every call has to find out."""
        if self.unreachable:
            pause = min(BACK_OFF * 2.0**self.unreachable, BACK_OFF_LIMIT)
            if time.monotonic() < self.failed_at + pause:
                raise StillDown(self.failure)

    @property
    def wants_listing(self) -> bool:
        now = time.monotonic()
        return now - self.listed_at > LIST_EVERY and (not self.failure or now - self.failed_at > ASK_AGAIN)


class Upstreams:
    def __init__(self, database: Database, credentials: Credentials, bus: Bus) -> None:
        self._database = database
        self._credentials = credentials
        self._bus = bus
        self._states: dict[uuid.UUID, State] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        bus.on(STREAM_TAKEN, self._let_go)

    def _let_go(self, data: dict[str, str]) -> None:
        if data["process"] != self._bus.process:
            for state in self._states.values():
                state.leg.older.let_go(data["key"])

    def state(self, server: Server) -> State:
        """Return the way to the server and its state; raise UpstreamError if its address is not one to connect to."""
        state = self._states.get(server.pk)
        if state and state.server is server:
            return state
        settings = (server.address, server.max_concurrent)
        if state is None or state.settings != settings:
            if state:
                state.leg.close()
            state = self._states[server.pk] = State(leg_to(server, store=self._bus), settings, server)
        state.server = server
        return state

    def known_state(self, server: Server) -> State | None:
        """Return how the server has been doing, or None if this process has not asked it yet."""
        return self._states.get(server.pk)

    def capabilities(self, server: Server) -> Iterable[str]:
        """Return what the server offers: as it told this process, else as it last told any."""
        state = self._states.get(server.pk)
        return state.leg.capabilities if state and state.leg.is_known else server.capabilities

    def instructions(self, server: Server) -> str:
        """Return what the server says of itself to everybody; what it says to who signs in may be theirs alone."""
        if server.wants_sign_in:
            return ""
        state = self._states.get(server.pk)
        return state.leg.instructions if state and state.leg.is_known else server.instructions

    async def ask(self, context: Context, server: Server, ask: Ask) -> Answer:
        """Ask the server, signed in as the owner of the call; raise UpstreamError.

        A request that was refused for its credential did not run: with a renewed one it is sent once more.
        """
        leg = self.state(server).leg
        credential = await self._credential(context, server)
        if not credential.key:
            return await leg.ask(ask)
        try:
            return await leg.ask(_signed(ask, credential))
        except CredentialRefused as refusal:
            is_renewed = await self._credentials.refused(
                server, credential, status=refusal.status, challenge=refusal.challenge
            )
            credential = await self._credential(context, server)
            if not is_renewed:
                raise
        return await leg.ask(_signed(ask, credential))

    async def _credential(self, context: Context, server: Server) -> Credential:
        """Return what signs in the owner of the call; raise NotConnected, with their link, if nothing does."""
        authority = context.authority
        place = (server, authority.owner_id, authority.account_id, authority.toolkit_id)
        return self._credentials.known(*place) or await self._credentials.head(*place)

    def trouble_of_sign_in(self, context: Context, server: Server) -> str:
        """Return why the owner of the call is not signed in there, as far as this process knows."""
        authority = context.authority
        try:
            self._credentials.known(server, authority.owner_id, authority.account_id, authority.toolkit_id)
        except UpstreamError as error:
            return str(error)
        return ""

    async def listen(self, context: Context, server: Server, principal: Principal, on_message: OnMessage) -> None:
        """Hand on what an older server says beside its answers in this session."""
        credential = await self._credential(context, server)
        await self.state(server).leg.older.listen(_own(principal, credential), credential.head, on_message)

    async def known_session(self, context: Context, server: Server) -> str | None:
        """Return the id of the session that the client has open at an older server."""
        credential = await self._credential(context, server)
        session = await self.state(server).leg.older.known(_own(context.principal, credential))
        return session.id if session else None

    async def open(self, context: Context, server: Server, principal: Principal) -> None:
        """Open the principal's session at an older server."""
        credential = await self._credential(context, server)
        await self.state(server).leg.older.open(_own(principal, credential), credential.head)

    async def end_session(self, context: Context, server: Server, principal: Principal) -> None:
        credential = await self._credential(context, server)
        self.state(server).leg.older.end_soon(_own(principal, credential), credential.head)

    async def leave(self, context: Context, server: Server, signed_in_as: str) -> None:
        """End the client's session at an older server if the authorization that it was opened with has ended."""
        try:
            if (await self._credential(context, server)).key == signed_in_as:
                return
        except NotConnected:
            pass
        except UpstreamError:
            return  # it may only be out of reach
        principal = _own(context.principal, Credential(signed_in_as, b""))
        self.state(server).leg.older.end_soon(principal)

    async def tell(self, context: Context, body: bytes) -> None:
        """Send this into every session that the client has open at servers of older eras."""
        sending = (self._send(context, server, body) for server in context.view.servers.values())
        await asyncio.gather(*sending)

    async def hand_over(self, context: Context, destination: Destination) -> None:
        """Give the client's answer to the server that asked."""
        server = context.view.servers.get(destination.server)
        if server:
            message = context.call.message
            members = {"result": message.result} if message.result else {"error": message.error}
            body = wire.encode({"jsonrpc": "2.0", "id": msgspec.Raw(destination.id), **members})
            await self._send(context, server, body)

    async def _send(self, context: Context, server: Server, body: bytes) -> None:
        with contextlib.suppress(UpstreamError):
            leg = self.state(server).leg
            if not leg.is_modern_for(context.principal):
                credential = await self._credential(context, server)
                await leg.older.send(_own(context.principal, credential), credential.head, body)

    async def end(self, context: Context) -> None:
        """End every session that the client has open at servers of older eras."""
        for server in context.view.servers.values():
            with contextlib.suppress(UpstreamError):
                await self.end_session(context, server, context.principal)

    async def introduce(self, context: Context, server: Server) -> None:
        """Learn what the server offers, if this process does not know yet; raise UpstreamError."""
        leg = self.state(server).leg
        if not leg.is_known:
            credential = await self._credential(context, server)
            await leg.introduce(_own(LISTS, credential), credential.head)

    async def is_modern(self, context: Context, server: Server) -> bool:
        with contextlib.suppress(UpstreamError):
            credential = await self._credential(context, server)
            await self.state(server).leg.meet(_own(context.principal, credential), credential.head)
        return self.state(server).leg.is_modern_for(context.principal)

    async def credential_key(self, context: Context, server: Server) -> str:
        """Return what tells apart those who may see different things at the server; raise NotConnected."""
        return (await self._credential(context, server)).key

    async def refresh(self, context: Context, servers: list[Server]) -> bool:
        """Ask those servers for their tools whose last list is old, all at once, within two seconds.

        Return True if there were any.
        """
        stale = [server for server in servers if self._wants_listing(server)]
        if stale:
            tasks = [asyncio.create_task(self._list(context, server)) for server in stale]
            for task in tasks:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(_log_failure)
            await asyncio.wait(tasks, timeout=CLIENT_WAITS)
        return bool(stale)

    def _wants_listing(self, server: Server) -> bool:
        try:
            return self.state(server).wants_listing
        except UpstreamError:
            return False

    async def _list(self, context: Context, server: Server) -> None:
        """List the server's tools and store what has changed; what is asked too late still counts, later.

        That somebody is not signed in there is no failure of the server.
        """
        state = self.state(server)
        state.listed_at = time.monotonic()
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                tools = await all_tools(Lister(self, context, server))
        except (NotConnected, CredentialRefused):
            state.listed_at = 0.0
            return
        except (UpstreamError, TimeoutError) as error:
            state.listed_at = 0.0
            text = sentence(server, error) if isinstance(error, UpstreamError) else f"“{server}” does not answer."
            state.fail(text, error if isinstance(error, UpstreamError) else None)
            await self._database.run(_remember_failure, server, state.failure)
            return
        state.recover()
        said = {name: msgspec.json.decode(raw) for name, raw in state.leg.capabilities.items()}
        instructions = "" if server.wants_sign_in else state.leg.instructions
        await self._database.run(_remember, server, tools, said, instructions)

    def forget_lists(self, server: Server) -> None:
        """Ask the server anew for what it lists when somebody wants to know."""
        if state := self._states.get(server.pk):
            state.listed_at = 0.0

    def reap(self) -> None:
        for state in self._states.values():
            state.leg.older.reap()

    def stop(self) -> None:
        for state in self._states.values():
            state.leg.close()


@dataclass(frozen=True, slots=True)
class Lister:
    """Asks a server for its lists, signed in as the owner of a call."""

    upstreams: Upstreams
    context: Context
    server: Server

    async def request(self, method: str, params: bytes, *, timeout: float) -> Answer:
        members = wire.members_decoder.decode(params)
        ask = Ask(method, members, principal=LISTS, envelope=PLAIN_ENVELOPE, timeout=timeout)
        return await self.upstreams.ask(self.context, self.server, ask)


def _own(principal: Principal, credential: Credential) -> Principal:
    """Return the principal with this credential: sessions are never shared between two."""
    return msgspec.structs.replace(principal, key=f"{principal.key}:{credential.key}") if credential.key else principal


def _signed(ask: Ask, credential: Credential) -> Ask:
    return msgspec.structs.replace(ask, principal=_own(ask.principal, credential), head=credential.head)


def _remember(server: Server, tools: list[bytes], capabilities: dict[str, Any], instructions: str) -> None:
    server.remember_tools(tools, now=timezone.now(), capabilities=capabilities, instructions=instructions)


def _remember_failure(server: Server, failure: str) -> None:
    server.remember_failure(failure, now=timezone.now())


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("could not store what a server lists", exc_info=error)


def since(moment: datetime | None) -> str:
    return f" since {moment.astimezone(UTC):%H:%M} UTC" if moment else ""
