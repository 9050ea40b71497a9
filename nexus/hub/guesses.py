"""How often one address may ask for secrets that are not there, so that guessing keeps no database busy.

Counted in each process for itself. What is found costs nothing: many at one address may call for the first time.
"""

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

RATE = 20  # lookups a second of one address that find nothing
PATIENCE = 5.0  # seconds for which one too many waits for its turn: a busy database is no flood
MOST_WAITING = 1_000  # of one address
FORGET_AFTER = 10.0  # seconds

T = TypeVar("T")


class TooManyGuesses(Exception):
    """This address has asked for too many secrets that are not there."""


class Asker:
    """One address: when its last guesses failed, how many lookups are under way, and who waits."""

    __slots__ = ("failed", "under_way", "waiting", "wakes")

    def __init__(self) -> None:
        self.failed: deque[float] = deque()
        self.under_way = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.wakes = False

    def has_room(self, now: float) -> bool:
        while self.failed and self.failed[0] <= now - 1:
            self.failed.popleft()
        return self.under_way + len(self.failed) < RATE

    def is_idle(self, now: float) -> bool:
        return self.has_room(now) and not (self.failed or self.under_way or self.waiting)


class Guesses:
    """One per process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._askers: dict[str, Asker] = {}
        self._tidied_at = clock()

    async def look(self, key: str, find: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what is found; raise TooManyGuesses where this subject has to come again in a second."""
        asker = self._asker(key)
        await self._enter(asker)
        is_guess = False
        try:
            found = await find()
            is_guess = found is None
        finally:
            self._leave(asker, is_guess)
        return found

    def _asker(self, key: str) -> Asker:
        if found := self._askers.get(key):
            return found
        now = self._clock()
        if now - self._tidied_at > FORGET_AFTER:
            self._tidied_at = now
            self._askers = {name: asker for name, asker in self._askers.items() if not asker.is_idle(now)}
        return self._askers.setdefault(key, Asker())

    async def _enter(self, asker: Asker) -> None:
        if not asker.waiting and asker.has_room(self._clock()):
            asker.under_way += 1
            return
        if len(asker.waiting) >= MOST_WAITING:
            raise TooManyGuesses
        turn = asyncio.get_running_loop().create_future()
        asker.waiting.append(turn)
        self._wake(asker)
        try:
            await asyncio.wait([turn], timeout=PATIENCE)
        except asyncio.CancelledError:
            self._give_up(asker, turn)
            raise
        if not turn.done():
            self._give_up(asker, turn)
            raise TooManyGuesses

    def _give_up(self, asker: Asker, turn: "asyncio.Future[None]") -> None:
        if turn.done():
            self._leave(asker, is_guess=False)
        else:
            asker.waiting.remove(turn)

    def _leave(self, asker: Asker, is_guess: bool) -> None:
        asker.under_way -= 1
        if is_guess:
            asker.failed.append(self._clock())
        self._wake(asker)

    def _wake(self, asker: Asker) -> None:
        """Let in whoever waits longest, as many as there is room for, and look again when the oldest guess is past."""
        now = self._clock()
        while asker.waiting and asker.has_room(now):
            asker.under_way += 1
            asker.waiting.popleft().set_result(None)
        if asker.waiting and asker.failed and not asker.wakes:
            asker.wakes = True
            asyncio.get_running_loop().call_later(max(0.0, asker.failed[0] + 1 - now) + 0.001, self._wake_again, asker)

    def _wake_again(self, asker: Asker) -> None:
        asker.wakes = False
        self._wake(asker)


def subject(address: str) -> str:
    """Return what is counted as one: an IPv4 address, or the /64 of an IPv6 address, which one customer has whole."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
