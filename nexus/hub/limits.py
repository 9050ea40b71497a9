"""How often and how much at once a token, a toolkit and an account may call; asked on every request, in microseconds.

Rates are exact in one process, and shared between processes through Redis (nexus/hub/slices.py). How many calls are
under way is counted in each process for itself: it protects that process.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from nexus.hub.buckets import Allowance, Bucket
from nexus.hub.slices import Slices
from tokens.lookup import TokenAuthority

FORGET_AFTER = 60.0  # seconds without a request; by then every bucket is full again
HOLD = 1.0  # seconds for which a request too many waits for room: a burst gets through, and who never stops is slowed
SPREAD = 32  # moments of the next half second over which they go on, not all at once
MOST_HELD = 4_000  # each a few kilobytes


@dataclass(frozen=True, slots=True)
class Cap:
    """How much of one kind may be under way at once."""

    kind: int  # index into Bucket.under_way
    what: str
    of_token: int
    of_account: int


CALLS = Cap(0, "calls at once", 1_000, 4_000)  # each holds its body, a connection here and one upstream
STREAMS = Cap(1, "open streams", 100, 1_000)  # they cost memory for hours, but no processor
Place = tuple[Bucket, Bucket, Bucket]  # of the token, its toolkit and its account


@dataclass(frozen=True, slots=True)
class Wait:
    """A request too many: whose limit it is, what it allows, and after how many seconds there is room again."""

    whose: str  # token, toolkit or account
    allowed: int
    what: str  # as in “100 calls per second”
    seconds: float


class Limits:
    """One per process. `slices` is None where nothing is shared."""

    def __init__(self, slices: Slices | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = Allowance("token", settings.NEXUS_RATE_TOKEN)
        self._toolkit = Allowance("toolkit", settings.NEXUS_RATE_TOOLKIT)
        self._account = Allowance("account", settings.NEXUS_RATE_ACCOUNT)
        self._slices = slices
        self._clock = clock
        self._places: dict[str, Place] = {}  # by token
        self._toolkits: dict[UUID, Bucket] = {}
        self._accounts: dict[UUID, Bucket] = {}
        self._tidied_at = clock()
        self._held = 0

    async def start(self) -> None:
        if self._slices:
            await self._slices.start(self._buckets)

    async def stop(self) -> None:
        if self._slices:
            await self._slices.stop()

    async def admit(self, authority: TokenAuthority, cap: Cap = CALLS) -> Wait | None:
        """Let one request in until `leave`, holding it back for a moment where there is no room; or say no."""
        wait = self.take(authority) or self.enter(authority, cap)
        if wait and self._held < MOST_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HOLD * (1 + self._held % SPREAD / SPREAD / 2))
            finally:
                self._held -= 1
            wait = self.take(authority) or self.enter(authority, cap)
        return wait

    def take(self, authority: TokenAuthority) -> Wait | None:
        """Count one request against all three rates, or say which of them has to be waited for longest."""
        place = self._places.get(authority.credential) or self._new_place(authority)
        now = self._clock()
        is_short = False
        for bucket in place:
            bucket.level = min(bucket.size, bucket.level + (now - bucket.at) * bucket.refill)
            bucket.at = now
            if bucket.level < 1:
                is_short = True
        if is_short:
            return max(map(_shortage, place), key=lambda wait: wait.seconds)
        for bucket in place:
            bucket.level -= 1
        if self._slices:
            self._slices.note(place)
        return None

    def enter(self, authority: TokenAuthority, cap: Cap = CALLS) -> Wait | None:
        """Count a call, or a stream, as under way until `leave`; or say whose are too many."""
        token, _, account = self._places.get(authority.credential) or self._new_place(authority)
        for bucket, most in ((token, cap.of_token), (account, cap.of_account)):
            if bucket.under_way[cap.kind] >= most:
                return Wait(bucket.allowance.whose, most, cap.what, 1)
        token.under_way[cap.kind] += 1
        account.under_way[cap.kind] += 1
        return None

    def leave(self, authority: TokenAuthority, cap: Cap = CALLS) -> None:
        token, _, account = self._places[authority.credential]
        token.under_way[cap.kind] -= 1
        account.under_way[cap.kind] -= 1

    def _new_place(self, authority: TokenAuthority) -> Place:
        now = self._clock()
        if now - self._tidied_at > FORGET_AFTER:
            self._forget_unused(now)
        toolkit = self._toolkits.get(authority.toolkit_id) or self._new(self._toolkit, authority.toolkit_id, now)
        account = self._accounts.get(authority.account_id) or self._new(self._account, authority.account_id, now)
        place = (self._new(self._token, authority.credential, now), toolkit, account)
        self._toolkits[authority.toolkit_id] = toolkit
        self._accounts[authority.account_id] = account
        self._places[authority.credential] = place
        return place

    def _new(self, allowance: Allowance, subject: str | UUID, now: float) -> Bucket:
        bucket = Bucket(allowance, f"nexus:rate:{allowance.whose}:{subject}", now)
        if self._slices:
            self._slices.adopt(bucket)
        return bucket

    def _forget_unused(self, now: float) -> None:
        """Keep the tokens in use, and of the toolkits and accounts those that belong to one of them."""
        self._tidied_at = now
        self._places = {key: place for key, place in self._places.items() if place[0].is_in_use(now, FORGET_AFTER)}
        toolkits = {id(toolkit) for _, toolkit, _ in self._places.values()}
        accounts = {id(account) for _, _, account in self._places.values()}
        self._toolkits = {key: bucket for key, bucket in self._toolkits.items() if id(bucket) in toolkits}
        self._accounts = {key: bucket for key, bucket in self._accounts.items() if id(bucket) in accounts}

    def _buckets(self) -> Iterator[Bucket]:
        for token, _, _ in self._places.values():
            yield token
        yield from self._toolkits.values()
        yield from self._accounts.values()


def _shortage(bucket: Bucket) -> Wait:
    allowance = bucket.allowance
    return Wait(allowance.whose, allowance.rate, "calls per second", (1 - bucket.level) / bucket.refill)
