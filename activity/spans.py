"""The time that a page or an export is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CUSTOM = "custom"
NAMED = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LABELS = {
    "1h": _("The last hour"),
    "24h": _("The last 24 hours"),
    "7d": _("The last 7 days"),
    "30d": _("The last 30 days"),
}
SHORT = {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days"), "30d": _("30 days")}
LONGEST = 366 * DAY
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)  # that every zone and store can say
MINUTES_KEPT = 2 * DAY  # of what is older, calls are counted by the hour only
MOST_BARS = 60
STEPS = [
    *(number * MINUTE for number in (1, 2, 5, 10, 15, 30)), *(number * HOUR for number in (1, 3, 6, 12)), DAY, 7 * DAY,
]  # fmt: skip
EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, and without, `end`: both on the `unit` in which its calls are counted."""

    start: datetime
    end: datetime
    unit: timedelta
    name: str = CUSTOM

    @classmethod
    def between(cls, start: datetime, end: datetime, now: datetime, name: str = CUSTOM) -> "Span":
        """Return the least span of whole minutes, or hours, that holds both moments."""
        unit = MINUTE if end - start <= DAY and start > now - MINUTES_KEPT else HOUR
        whole = floor(end, unit)
        return cls(floor(start, unit), whole if whole == end else whole + unit, unit, name)

    @classmethod
    def named(cls, name: str, now: datetime) -> "Span":
        return cls.between(now - NAMED[name], now, now, name)

    @property
    def is_live(self) -> bool:
        """Return whether it moves with the clock."""
        return self.name != CUSTOM

    @property
    def label(self) -> str:
        if self.is_live:
            return str(LABELS[self.name])
        return gettext("%(start)s to %(end)s") % {"start": _written(self.start), "end": _written(self.end)}

    @property
    def step(self) -> timedelta:
        """Return how long a bar of its chart is."""
        length = self.end - self.start
        return next((step for step in STEPS if step >= self.unit and length <= step * MOST_BARS), STEPS[-1])

    def bars(self) -> list[tuple[datetime, datetime]]:
        """Return where each bar begins and ends, days at midnight of the person's zone.

        The first may begin before the span, and the last end after it.
        """
        moments = list(self._moments())
        return list(pairwise([*moments, moments[-1] + self.step]))

    def _moments(self) -> Iterator[datetime]:
        first = floor(timezone.localtime(self.start), self.step)
        # Days are added on the wall's clock, so that they begin at midnight on both sides of a change of the clocks.
        moment = first if self.step >= DAY else first.astimezone(UTC)
        while (at := floor(moment.astimezone(UTC), self.unit)) < self.end:
            if at + self.step > self.start:
                yield at
            moment += self.step

    def runs(self) -> list[tuple[datetime, timedelta, int]]:
        """Return the bars as runs of equal width, each with its start, the width and their number."""
        runs = [list(run) for _, run in groupby(self.bars(), key=lambda bar: bar[1] - bar[0])]
        return [(run[0][0], run[0][1] - run[0][0], len(run)) for run in runs]


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the last whole step on the clock of the moment's own zone."""
    wall = moment.replace(tzinfo=UTC, fold=0)
    return (wall - (wall - EPOCH) % step).replace(tzinfo=moment.tzinfo)


def _written(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
