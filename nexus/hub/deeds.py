"""What the hub writes about tokens: their use, their taking over, their use after the end, or in an address."""

import time
from collections import Counter
from datetime import UTC, datetime

from nexus.hub.authority import AuthorityCache, Database
from nexus.hub.request import HubRequest
from profiles.events import Actor, ActorKind
from tokens import keys
from tokens.lookup import SUPERSEDED, Refusal, TokenAuthority
from tokens.models import Connection, DelegatedToken

Used = dict[tuple[keys.Kind, int], datetime]


class Minute:
    """Counts by subject within the current minute: nobody fills the disk by asking."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def has_room(self, subject: str, limit: int) -> bool:
        """Return True for the first `limit` times in this minute."""
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[subject] += 1
        return self._counts[subject] <= limit


class Deeds:
    """Everything is written in threads; what can wait is gathered until `touch`."""

    def __init__(self, database: Database, cache: AuthorityCache, minute: Minute) -> None:
        self._database = database
        self._cache = cache
        self._minute = minute
        self._used: Used = {}

    def use(self, authority: TokenAuthority) -> None:
        self._used[authority.kind, authority.token_id] = datetime.now(UTC)

    async def touch(self) -> None:
        """Write when tokens and connections were last used."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._database.run(_touch, used)
        except Exception:
            self._used = used | self._used
            raise

    async def activate(self, authority: TokenAuthority) -> None:
        """Let a pending token take over from its predecessor; one call of many does it."""
        await self._database.run(_activate, authority.token_id)

    async def token_in_url(self, request: HubRequest, text: str) -> TokenAuthority | None:
        """Return the real token that was sent in the address, and tell its owner; a guess leaves no trace."""
        match = keys.ANYWHERE.search(text)
        found = await self._cache.token(match[0], request.address) if match else None
        if match and found and self._minute.has_room(f"url {found.public_id}", 1):
            await self._database.run(_note_in_url, keys.digest(match[0]), _actor(request))
        return found

    async def reuse(self, request: HubRequest, authority: TokenAuthority, refusal: Refusal) -> None:
        """Tell the owner when an ended generation of a token that lives on is used."""
        if authority.kind is not keys.Kind.DELEGATED or refusal not in SUPERSEDED:
            return
        if self._minute.has_room(f"reuse {authority.public_id}", 1):
            await self._database.run(_note_reuse, authority.token_id, _actor(request, authority))


def _actor(request: HubRequest, authority: TokenAuthority | None = None) -> Actor:
    return Actor(
        ActorKind.TOKEN,
        id=authority.public_id if authority else "",
        label=f"{authority.name} ({authority.masked})" if authority else "",
        address=request.address,
        agent=request.text(b"user-agent")[:300],
        request_id=request.id,
    )


def _touch(used: Used) -> None:
    of_kind: dict[keys.Kind, dict[int, datetime]] = {keys.Kind.DELEGATED: {}, keys.Kind.ACCESS: {}}
    for (kind, pk), at in used.items():
        of_kind[kind][pk] = at
    DelegatedToken.objects.all().touch(of_kind[keys.Kind.DELEGATED])
    Connection.objects.all().touch(of_kind[keys.Kind.ACCESS])


def _note_in_url(digest: str, by: Actor) -> None:
    DelegatedToken.objects.all().note_in_url(digest, by=by, now=datetime.now(UTC))


def _activate(token_id: int) -> None:
    DelegatedToken.objects.activate(token_id, now=datetime.now(UTC))


def _note_reuse(token_id: int, by: Actor) -> None:
    DelegatedToken.objects.note_reuse(token_id, by=by, now=datetime.now(UTC))
