"""Token buckets: what one token, toolkit or account may still ask for. Pure, the clock is handed in."""

from dataclasses import dataclass

BURST = 1.0  # seconds' worth that may be asked for at once: who comes back after Retry-After loses nothing
SMALLEST_BURST = 20  # an agent's fan-out, under the lowest of rates
SLICE = 0.1  # seconds' worth that a process grants before it has settled with the others
SMALLEST_SLICE = 10


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many calls a second each token, each toolkit or each account has."""

    whose: str
    rate: int

    @property
    def burst(self) -> float:
        return max(self.rate * BURST, SMALLEST_BURST)

    @property
    def slice(self) -> float:
        return max(self.rate * SLICE, SMALLEST_SLICE)


class Bucket:
    """One subject's calls: `level` can be had now, `refill` comes back each second, `size` is the most to gather.

    `spent` has not been reported to the other processes. `under_way` are the calls and the streams of this process.
    """

    __slots__ = ("allowance", "at", "has_more", "key", "level", "low", "refill", "size", "spent", "under_way")

    def __init__(self, allowance: Allowance, key: str, now: float) -> None:
        self.allowance = allowance
        self.key = key
        self.at = now
        self.refill: float = allowance.rate
        self.level = self.size = allowance.burst
        self.low = allowance.slice / 2
        self.has_more = False
        self.spent = 0
        self.under_way = [0, 0]

    def restrict(self, refill: float, size: float) -> None:
        """Gather more slowly, or less, from now on."""
        self.refill, self.size = refill, size
        self.level = min(self.level, size)

    def settle(self, left: float, reported: int) -> None:
        """Learn what all processes together have left, now that so many calls of this one are counted in it."""
        self.spent -= reported
        self.level = min(left, self.size) - self.spent
        self.has_more = left > self.size

    def is_in_use(self, now: float, seconds: float) -> bool:
        return any(self.under_way) or now - self.at < seconds
