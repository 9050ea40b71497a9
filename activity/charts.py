"""Calls and how long they took, as SVG: as wide as WIDTH, the calls HEIGHT high, the times LOW high."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from activity.forms import CallsForm
from activity.keyset import Listing
from activity.models import (
    Call,
    HourRollup,
    HourTotal,
    MinuteRollup,
    MinuteTotal,
    Rollup,
    RollupQuerySet,
    Slot,
)
from activity.models.latency import UNTIMED, bucket_of
from activity.models.rollups import Counted
from activity.numbers import grouped, written
from activity.spans import DAY, HOUR, MINUTE, Span

WIDTH, HEIGHT, LOW = 960.0, 100.0, 60.0
GAP = 0.1  # of a bar's width, on both sides
MOST_RIGHT = 90  # percent: a name that begins further right would leave the chart
LEAST = 2.0  # a single refused call among thousands is seen too
COLUMNS = ("at", "outcome", "method", "hub_ms", "upstream_ms")
STREAMS = ("subscriptions/listen", "GET ")  # they last, they do not take long
TYPICAL, SLOW = 0.5, 0.95
BY_UNIT: dict[timedelta, tuple[type[Counted], type[Rollup]]] = {
    MINUTE: (MinuteTotal, MinuteRollup),
    HOUR: (HourTotal, HourRollup),
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: `kind` is its class in CSS."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """What happened from `at` up to, and without, `end`."""

    at: datetime
    end: datetime
    slot: Slot

    @property
    def ok(self) -> int:
        return self.slot.outcomes[Call.Outcome.OK] + self.slot.outcomes[Call.Outcome.OPEN]

    @property
    def refused(self) -> int:
        return self.slot.outcomes[Call.Outcome.REFUSED]

    @property
    def errors(self) -> int:
        return self.total - self.ok - self.refused

    @property
    def total(self) -> int:
        return self.slot.calls

    @cached_property
    def p50(self) -> float | None:
        return self.slot.percentile(TYPICAL)

    @cached_property
    def p95(self) -> float | None:
        return self.slot.percentile(SLOW)

    @cached_property
    def name(self) -> str:
        at, end = timezone.localtime(self.at), timezone.localtime(self.end)
        if at.hour == end.hour == at.minute == end.minute == 0:
            last = timezone.localtime(self.end - timedelta(minutes=1))
            day = date_format(at, "DAY_FORMAT")
            return day if last.date() == at.date() else _from_to(day, date_format(last, "DAY_FORMAT"))
        ending = "TIME_FORMAT" if at.date() == end.date() else "DAY_TIME_FORMAT"
        return _from_to(date_format(at, "DAY_TIME_FORMAT"), date_format(end, ending))

    @property
    def iso(self) -> str:
        return self.at.isoformat()

    @property
    def in_utc(self) -> str:
        return f"{date_format(self.at.astimezone(UTC), 'DATETIME_FORMAT')} UTC"

    @property
    def query(self) -> str:
        """Return what an address says to be about this bar alone."""
        since, until = (f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for moment in (self.at, self.end))
        return f"&since={since}&until={until}"


@dataclass(frozen=True)
class Chart:
    span: Span
    bars: list[Bar]
    searched_to: datetime | None = None

    @property
    def ok(self) -> int:
        return sum(bar.ok for bar in self.bars)

    @property
    def refused(self) -> int:
        return sum(bar.refused for bar in self.bars)

    @property
    def errors(self) -> int:
        return sum(bar.errors for bar in self.bars)

    @cached_property
    def total(self) -> int:
        return sum(bar.total for bar in self.bars)

    @property
    def share(self) -> str:
        """Return which share of the calls ended with an error or a refusal."""
        part = 100 * (self.errors + self.refused) / (self.total or 1)
        if 0 < part < 0.1:
            return _("less than 0.1 %")
        return written(f"{part:.1f} %".replace(".0 %", " %"))

    @property
    def summary(self) -> str:
        """Return in words what the chart shows."""
        if not self.total:
            return _("No calls.")
        whole, busiest, said = self.whole, self.busiest, [self._counted()]
        if self.total > 1:
            most = {"number": grouped(busiest.total), "time": busiest.name}
            said.append(_("The most at once: %(number)s, %(time)s.") % most)
        if whole.p50 is not None:
            times = {"typical": duration(whole.p50), "slow": duration(whole.p95)}
            said.append(_("Half of them took up to %(typical)s, 95 %% up to %(slow)s.") % times)
        return " ".join(said)

    def _counted(self) -> str:
        numbers = {"number": self.total, "ok": self.ok, "refused": self.refused, "errors": self.errors}
        text = ngettext(
            "%(number)s call: %(ok)s OK, %(refused)s refused, %(errors)s with an error.",
            "%(number)s calls: %(ok)s OK, %(refused)s refused, %(errors)s with an error.",
            self.total,
        )
        if self.errors or self.refused:
            text = ngettext(
                "%(number)s call: %(ok)s OK, %(refused)s refused, %(errors)s with an error (%(share)s went wrong).",
                "%(number)s calls: %(ok)s OK, %(refused)s refused, %(errors)s with an error (%(share)s went wrong).",
                self.total,
            )
        return text % {**{name: grouped(number) for name, number in numbers.items()}, "share": self.share}

    @cached_property
    def whole(self) -> Bar:
        """Return all bars as one."""
        slot = Slot(self.span.start)
        for bar in self.bars:
            slot.outcomes.update(bar.slot.outcomes)
            slot.latencies.update(bar.slot.latencies)
        return Bar(self.span.start, self.span.end, slot)

    @property
    def busiest(self) -> Bar:
        return max(self.bars, key=lambda bar: bar.total)

    @cached_property
    def top(self) -> int:
        return _round_up(max(bar.total for bar in self.bars))

    @cached_property
    def slowest(self) -> int:
        return _round_up(max((bar.p95 or 0 for bar in self.bars), default=0))

    @property
    def width(self) -> float:
        return WIDTH / len(self.bars)

    @property
    def labels(self) -> list[tuple[str, float]]:
        """Return about six names below the chart, and how far from the left they stand, in percent."""
        every = -(-len(self.bars) // 6)
        form = "DAY_FORMAT" if self.span.end - self.span.start > 2 * DAY else "TIME_FORMAT"
        named = [(bar.at, place) for place, bar in enumerate(self.bars) if place % every == 0]
        places = [(at, 100 * place / len(self.bars)) for at, place in named]
        return [
            (date_format(timezone.localtime(at), form), round(place, 2)) for at, place in places if place < MOST_RIGHT
        ]

    def drawn(self) -> list[tuple[Bar, float, float, list[Part]]]:
        """Return each bar, its place from the left, where its ink begins, and its parts from the bottom up."""
        places = ((bar, place * self.width) for place, bar in enumerate(self.bars))
        return [(bar, round(left, 2), round(left + GAP * self.width, 2), self._parts(bar)) for bar, left in places]

    @property
    def ink(self) -> float:
        return round(self.width * (1 - 2 * GAP), 2)

    def _parts(self, bar: Bar) -> list[Part]:
        numbers = {"ok": bar.ok, "refused": bar.refused, "errors": bar.errors}
        heights = {kind: max(LEAST, number / self.top * HEIGHT) for kind, number in numbers.items() if number}
        too_high = max(1.0, sum(heights.values()) / HEIGHT)
        parts, y = [], HEIGHT
        for kind, height in heights.items():
            y -= height / too_high
            parts.append(Part(kind, round(y, 2), round(height / too_high, 2)))
        return parts

    @property
    def typical_line(self) -> str:
        return self._line(lambda bar: bar.p50)

    @property
    def slow_line(self) -> str:
        return self._line(lambda bar: bar.p95)

    def _line(self, value_of: Callable[[Bar], float | None]) -> str:
        """Return a path with a step per bar, broken where no call was timed."""
        commands, is_drawing = [], False
        for place, bar in enumerate(self.bars):
            value = value_of(bar)
            if value is not None:
                y = round(LOW - value / self.slowest * LOW, 2)
                commands.append(
                    f"{'L' if is_drawing else 'M'}{place * self.width:.1f} {y}H{(place + 1) * self.width:.1f}"
                )
            is_drawing = value is not None
        return "".join(commands)


def chart_of(form: CallsForm) -> Chart:
    """Return the chart of what the form asks for, from the shortest table that knows of it."""
    span = form.cleaned_data["span"]
    totals, rollups = BY_UNIT[span.unit]
    source = totals if form.is_of_totals else rollups
    rows = form.counted(source.objects.of_account(form.account, form.user))
    return counted(rows, span) if rows is not None else looked_through(form.listing, span)


def counted(rows: RollupQuerySet, span: Span) -> Chart:
    """Return the chart of calls that were counted as they came in."""
    found = rows.between(span.start, span.end)
    return _chart(span, (slot for run in span.runs() for slot in found.per_interval(*run)))


def looked_through(listing: Listing[Call], span: Span) -> Chart:
    """Return the chart of calls that have to be looked at one by one, the newest of them only."""
    calls, end = listing.newest()
    slots = [Slot(at) for at, _ in span.bars()]
    begins = [slot.at for slot in slots]
    finished = calls.exclude(outcome=Call.Outcome.OPEN)  # as in what is counted
    for at, outcome, method, hub_ms, upstream_ms in finished.values_list(*COLUMNS):
        slots[bisect_right(begins, at) - 1].add(outcome, _bucket(method, hub_ms + upstream_ms), 1)
    return _chart(span, slots, end.at if end else None)


def _bucket(method: str, milliseconds: float) -> int:
    return UNTIMED if method.startswith(STREAMS) else bucket_of(milliseconds)


def _chart(span: Span, slots: Iterable[Slot], searched_to: datetime | None = None) -> Chart:
    bars = [
        Bar(max(at, span.start), min(end, span.end), slot) for (at, end), slot in zip(span.bars(), slots, strict=True)
    ]
    return Chart(span, bars, searched_to)


def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "–"
    if milliseconds < 1:
        return _("under 1 ms")
    if milliseconds < 999.5:
        return written(f"{milliseconds:.3g} ms")
    return written(f"{milliseconds / 1000:.1f} s")


def _from_to(start: str, end: str) -> str:
    return _("%(start)s to %(end)s") % {"start": start, "end": end}


def _round_up(number: float) -> int:
    """Return the least of 5, 10, 20, 50, 100, 200, … that is not below the number."""
    steps = (step * 10**power for power in count() for step in (5, 10, 20))
    return next(step for step in steps if step >= number)
