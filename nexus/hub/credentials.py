"""With which credential a call goes to its server: kept in memory until it is due or until something about it changes.

What changes an authorization moves the authority epoch (scope "server"), so that the hub's last look before the first
byte decides the call anew; `forget` is part of that.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.utils import timezone

from nexus.hub.authority import Database, Unavailable
from profiles import connecting
from profiles.models import Authorization, Server
from profiles.upstream.discovery import sentence
from profiles.upstream.errors import NotConnected, UpstreamError

MAX_ENTRIES = 20_000
KEPT = 60.0  # seconds for which a credential without an end is not asked for again
FAILURE_KEPT = 5.0  # seconds after which a sign-in that could not be renewed is tried again
REFRESHERS = 16  # threads; a renewal may wait for an authorization server that hangs
T = TypeVar("T")
Place = tuple[uuid.UUID, int, uuid.UUID]  # server, owner, toolkit


@dataclass(frozen=True, slots=True)
class Credential:
    """`key` names the authorization; sessions at the server are kept apart by it. `head` are whole header lines."""

    key: str
    head: bytes = field(repr=False)
    authorization: Authorization | None = None


NOTHING = Credential("", b"")


@dataclass(slots=True)
class Entry:
    """What was found for a place, and until when (time.time) it may be used without looking again."""

    credential: Credential | None
    error: UpstreamError | None
    until: float


class Credentials:
    """One per hub. `known` never waits; `head` looks in the database, and renews what is about to expire."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refreshers = Database(REFRESHERS)
        self._entries: dict[Place, Entry] = {}
        self._forgotten = 0  # how often
        self._running: dict[object, asyncio.Task[Any]] = {}
        self._used: dict[uuid.UUID, float] = {}

    def known(self, server: Server, owner_id: int, account_id: uuid.UUID, toolkit_id: uuid.UUID) -> Credential | None:
        """Return the credential if this process has it at hand; raise UpstreamError if it knows that there is none."""
        if not server.wants_sign_in:
            return NOTHING
        entry = self._entries.get((server.pk, owner_id, toolkit_id))
        return self._given(entry) if entry and time.time() < entry.until else None

    async def head(self, server: Server, owner_id: int, account_id: uuid.UUID, toolkit_id: uuid.UUID) -> Credential:
        """Return the credential for a call.

        Raise NotConnected where there is none, UpstreamError where it cannot be had now, Unavailable.
        """
        if found := self.known(server, owner_id, account_id, toolkit_id):
            return found
        place = (server.pk, owner_id, toolkit_id)
        return self._given(await self._once(place, lambda: self._look_up(place, server, account_id)))

    def _given(self, entry: Entry) -> Credential:
        if entry.credential is None:
            assert entry.error
            raise entry.error.with_traceback(None)
        if entry.credential.authorization:
            self._used[entry.credential.authorization.pk] = time.time()
        return entry.credential

    async def _look_up(self, place: Place, server: Server, account_id: uuid.UUID) -> Entry:
        """Put into the cache what the database has, unless something was forgotten meanwhile: then look again."""
        while True:
            forgotten = self._forgotten
            entry = await self._entry(place, server, account_id)
            if forgotten == self._forgotten:
                break
        if place not in self._entries and len(self._entries) >= MAX_ENTRIES:
            self._entries.pop(next(iter(self._entries)))
        self._entries[place] = entry
        return entry

    async def _entry(self, place: Place, server: Server, account_id: uuid.UUID) -> Entry:
        _, owner_id, toolkit_id = place
        try:
            found = await self._database.run(_find, server, owner_id, account_id, toolkit_id)
            if found.is_due(timezone.now()):
                found = await self._once(found.pk, lambda: self._refreshers.run(_ready, found))
            credential = Credential(str(found.pk), connecting.header_lines(found), found)
        except NotConnected as error:
            return Entry(None, error, time.time() + KEPT)
        except UpstreamError as error:
            return Entry(None, UpstreamError(sentence(server, error)), time.time() + FAILURE_KEPT)
        except DatabaseError as error:
            raise Unavailable(type(error).__name__) from error
        return Entry(credential, None, _until(found))

    async def refused(self, server: Server, credential: Credential, *, status: int = 401, challenge: str = "") -> bool:
        """The server answered 401 or 403 to this credential, so the request did not run.

        Return True if the same authorization has another credential now, with which the request may be sent once more.
        Otherwise the authorization is dead, unless it could only not be renewed, or was refused for this request only.
        """
        refused = credential.authorization
        if refused is None or not refused.is_over_by(status, challenge):
            return False
        self.forget(server.pk)
        name = (refused.pk, refused.encrypted_secret)
        try:
            renewed = await self._once(name, lambda: self._refreshers.run(_after_refusal, refused))
        except UpstreamError:
            renewed = None
        finally:
            self.forget(server.pk)
        return renewed is not None

    def forget(self, server_id: uuid.UUID | None) -> None:
        """Forget what is known for the server, or for all of them: it, or an authorization for it, has changed."""
        self._forgotten += 1
        for place in [place for place in self._entries if server_id in (place[0], None)]:
            del self._entries[place]

    async def touch(self) -> None:
        """Note in the database when authorizations were last used; call it now and then."""
        used, self._used = self._used, {}
        if not used:
            return
        moments = {pk: datetime.fromtimestamp(at, UTC) for pk, at in used.items()}
        try:
            await self._database.run(Authorization.objects.all().touch, moments)
        except Exception:
            self._used = used | self._used
            raise

    async def stop(self) -> None:
        for task in self._running.values():
            task.cancel()
        await self._refreshers.stop()

    async def _once(self, name: object, begin: Callable[[], Awaitable[T]]) -> T:
        """Run it once, whoever else asks for the same meanwhile; who gives up does not stop it for the others."""
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.ensure_future(_awaited(begin))
            task.add_done_callback(lambda _: self._running.pop(name, None))
        done: T = await asyncio.shield(task)
        return done


async def _awaited(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()


def _until(authorization: Authorization) -> float:
    """Return until when (seconds since 1970) the credential may be used without looking again."""
    now = time.time()
    if authorization.is_due(timezone.now()):  # it could not be renewed, and still lasts
        return now + FAILURE_KEPT
    ends = authorization.due_at or authorization.expires_at
    return min(now + KEPT, ends.timestamp()) if ends else now + KEPT


def _find(server: Server, owner_id: int, account_id: uuid.UUID, toolkit_id: uuid.UUID) -> Authorization:
    found = Authorization.objects.for_call(
        server, owner_id=owner_id, account_id=account_id, toolkit_id=toolkit_id, now=timezone.now()
    )
    if found is None:
        raise connecting.not_connected(server, account_id)
    return found


def _ready(authorization: Authorization) -> Authorization:
    return connecting.ready(authorization, now=timezone.now())


def _after_refusal(authorization: Authorization) -> Authorization | None:
    return connecting.after_refusal(authorization, now=timezone.now())
