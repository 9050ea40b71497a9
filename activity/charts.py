"""Calls per hour as bars of an SVG, in units of which an hour is 40 wide and the chart 100 high."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from django.utils import timezone

from activity.models import Call, CallQuerySet

HOURS = 24
HEIGHT = 100.0
WIDTH = 40
GAP = 4  # on both sides of a bar
LEAST = 3.0  # a single refused call among thousands is seen too
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: `kind` is its class in CSS."""

    kind: str
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened in the hour that begins at `at`."""

    at: datetime
    ok: int
    refused: int
    errors: int

    @property
    def total(self) -> int:
        return self.ok + self.refused + self.errors

    @property
    def begins(self) -> str:
        return f"{timezone.localtime(self.at):%H:%M}"

    @property
    def name(self) -> str:
        return f"{self.begins} to {timezone.localtime(self.at + HOUR):%H:%M}"

    @property
    def iso(self) -> str:
        return self.at.isoformat()

    @property
    def in_utc(self) -> str:
        return f"{self.at.astimezone(UTC):%d %b %Y, %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    top: int

    @property
    def ok(self) -> int:
        return sum(bar.ok for bar in self.bars)

    @property
    def refused(self) -> int:
        return sum(bar.refused for bar in self.bars)

    @property
    def errors(self) -> int:
        return sum(bar.errors for bar in self.bars)

    @property
    def total(self) -> int:
        return sum(bar.total for bar in self.bars)

    @property
    def busiest(self) -> Bar:
        return max(self.bars, key=lambda bar: bar.total)

    @property
    def labelled(self) -> list[Bar]:
        """Return the hours that are named below the chart."""
        return self.bars[::6]

    def drawn(self) -> list[tuple[Bar, int, list[Part]]]:
        """Return each bar, its place from the left, and its parts from the bottom up."""
        return [(bar, place * WIDTH, self._parts(bar, place * WIDTH)) for place, bar in enumerate(self.bars)]

    def _parts(self, bar: Bar, left: int) -> list[Part]:
        numbers = {"ok": bar.ok, "refused": bar.refused, "errors": bar.errors}
        heights = {kind: max(LEAST, number / self.top * HEIGHT) for kind, number in numbers.items() if number}
        too_high = max(1.0, sum(heights.values()) / HEIGHT)
        parts, y = [], HEIGHT
        for kind, height in heights.items():
            y -= height / too_high
            parts.append(Part(kind, left + GAP, round(y, 2), round(height / too_high, 2)))
        return parts


def first_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) - HOUR * (HOURS - 1)


def calls_per_hour(calls: CallQuerySet, now: datetime) -> Chart:
    first = first_hour(now)
    numbers = Counter({(hour, outcome): number for hour, outcome, number in calls.per_hour(first, HOURS)})
    bars = [_bar(hour, first + HOUR * hour, numbers) for hour in range(HOURS)]
    return Chart(bars, _round_up(max(bar.total for bar in bars)))


def _bar(hour: int, at: datetime, numbers: Counter[tuple[int, str]]) -> Bar:
    errors = (Call.Outcome.TOOL_ERROR, Call.Outcome.UPSTREAM_ERROR, Call.Outcome.FAILED)
    return Bar(
        at=at,
        ok=numbers[hour, Call.Outcome.OK] + numbers[hour, Call.Outcome.OPEN],
        refused=numbers[hour, Call.Outcome.REFUSED],
        errors=sum(numbers[hour, outcome] for outcome in errors),
    )


def _round_up(number: int) -> int:
    """Return the least of 5, 10, 20, 50, 100, 200, … that is not below the number."""
    steps = (step * 10**power for power in count() for step in (5, 10, 20))
    return next(step for step in steps if step >= number)
