"""On which days and at which hours calls came: a map of weekdays and hours, on the person's clock."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import ceil, sqrt

from django.utils import timezone
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from activity.numbers import grouped

DAYS = (
    _("Mondays"), _("Tuesdays"), _("Wednesdays"), _("Thursdays"), _("Fridays"), _("Saturdays"), _("Sundays"),
)  # fmt: skip
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
            return gettext("No calls.")
        (day, hour), number = min(self.calls.items(), key=lambda each: (-each[1], each[0]))
        said = {"days": DAYS[day], "hours": span(hour), "number": grouped(number)}
        most = gettext("Most calls: %(days)s, %(hours)s (%(number)s).") % said
        silent = [str(name) for place, name in enumerate(DAYS) if not any(self.calls[place, each] for each in HOURS)]
        if not silent:
            return most
        none = gettext("None on %(days)s.") % {"days": get_text_list(silent, gettext("and"))}
        return f"{most} {none}"

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(str(name) for name in WEEKDAYS_ABBR.values())

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
        for day, name in WEEKDAYS.items():
            for hour in HOURS:
                place = f'x="{hour + (1 - SIDE) / 2:.2f}" y="{day + (1 - SIDE) / 2:.2f}" width="{SIDE}" height="{SIDE}"'
                title = f"{name}, {span(hour)}: {grouped(self.calls[day, hour])}"
                yield f'<rect class="heat-{self.level(day, hour)}" {place}><title>{title}</title></rect>'


def span(hour: int) -> str:
    hours = {"start": f"{hour:02}:00", "end": f"{(hour + 1) % 24:02}:00"}
    return gettext("%(start)s to %(end)s") % hours
