"""On which days and at which hours calls came: a map of weekdays and hours, on the person's clock."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import ceil, sqrt

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = range(24)
LEVELS = 5
SIDE = 0.88  # of a cell's place
LABELLED = (0, 6, 12, 18)


@dataclass(frozen=True)
class HeatMap:
    """Calls by weekday (Monday is 0) and hour."""

    calls: Counter[tuple[int, int]] = field(default_factory=Counter)

    @classmethod
    def of(cls, hours: Iterable[tuple[datetime, int]]) -> "HeatMap":
        found: Counter[tuple[int, int]] = Counter()
        for at, number in hours:
            local = timezone.localtime(at)
            found[local.weekday(), local.hour] += number
        return cls(found)

    @property
    def total(self) -> int:
        return self.calls.total()

    @cached_property
    def most(self) -> int:
        return max(self.calls.values(), default=0)

    def level(self, day: int, hour: int) -> int:
        """Return how dark the cell is: 0 for no call, up to LEVELS; by the root, so that few calls are seen too."""
        return ceil(LEVELS * sqrt(self.calls[day, hour] / self.most)) if self.most else 0

    @property
    def summary(self) -> str:
        """Return in words what the map shows."""
        if not self.total:
            return "No calls."
        (day, hour), number = min(self.calls.items(), key=lambda each: (-each[1], each[0]))
        silent = [name for place, name in enumerate(DAYS) if not any(self.calls[place, each] for each in HOURS)]
        most = f"Most calls: {DAYS[day]}s, {span(hour)} ({number:,})."
        return f"{most} None on {_listed([f'{name}s' for name in silent])}." if silent else most

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(name[:3] for name in DAYS)

    @property
    def labels(self) -> list[tuple[str, float]]:
        """Return the hours that are named below the map, and how far from the left they stand, in percent."""
        return [(f"{hour:02}:00", round(100 * hour / 24, 2)) for hour in LABELLED]

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """Return the numbers, a row for each hour."""
        return [(f"{hour:02}:00", [self.calls[day, hour] for day in range(7)]) for hour in HOURS]

    @property
    def legend(self) -> range:
        return range(LEVELS + 1)

    def drawn(self) -> SafeString:
        """Return the cells of the SVG: a template takes ten times as long for them."""
        return mark_safe("".join(self._cells()))  # noqa: S308 (made of numbers and our words)

    def _cells(self) -> Iterator[str]:
        for day, name in enumerate(DAYS):
            for hour in HOURS:
                place = f'x="{hour + (1 - SIDE) / 2:.2f}" y="{day + (1 - SIDE) / 2:.2f}" width="{SIDE}" height="{SIDE}"'
                title = f"{name}, {span(hour)}: {self.calls[day, hour]:,}"
                yield f'<rect class="heat-{self.level(day, hour)}" {place}><title>{title}</title></rect>'


def span(hour: int) -> str:
    return f"{hour:02}:00 to {(hour + 1) % 24:02}:00"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
