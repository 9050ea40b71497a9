"""From what a form says to a moment, and from a moment to words. Pure functions; the limit itself is the model's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext_lazy, npgettext_lazy
from django.utils.translation import gettext_lazy as _

PRESETS = {
    "1h": (_("1 hour"), timedelta(hours=1)),
    "1": (_("1 day"), timedelta(days=1)),
    "7": (_("7 days"), timedelta(days=7)),
    "14": (_("14 days"), timedelta(days=14)),
    "30": (_("30 days"), timedelta(days=30)),
}
CUSTOM = "custom"
UNITS = (
    (86400, ngettext_lazy("%(count)d day", "%(count)d days", "count")),
    (3600, ngettext_lazy("%(count)d hour", "%(count)d hours", "count")),
    (60, ngettext_lazy("%(count)d minute", "%(count)d minutes", "count")),
)
# What stands after “in” and before “ago” is in another case in many languages.
DISTANCES = (
    (86400, npgettext_lazy("in … or … ago", "%(count)d day", "%(count)d days", "count")),
    (3600, npgettext_lazy("in … or … ago", "%(count)d hour", "%(count)d hours", "count")),
    (60, npgettext_lazy("in … or … ago", "%(count)d minute", "%(count)d minutes", "count")),
)


@dataclass(frozen=True, slots=True)
class Gap:
    """A local time that the clocks skip, and the nearest that exist."""

    before: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class Doubled:
    """A local time that the clocks show twice."""

    first: datetime
    second: datetime


@dataclass(frozen=True, slots=True)
class Described:
    """A moment as a page shows it."""

    at: datetime
    local: str
    utc: str
    words: str

    @property
    def aside(self) -> str:
        """Return what is said beside the local time: UTC, where that differs, and how far it is."""
        return " · ".join(part for part in (self.utc, self.words) if part)


def longest_preset(longest: timedelta) -> str:
    return [key for key, (_, life) in PRESETS.items() if life <= longest][-1]


@cache
def zone_names() -> tuple[str, ...]:
    return tuple(sorted(available_timezones() - {"localtime", "Factory"}))


def moment(local: datetime, zone: ZoneInfo) -> datetime | Gap | Doubled:
    """Return what a naive local time means in the zone."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if first < second:
        return Doubled(first, second)
    change = _change(zone, second, first)
    return Gap((change - timedelta(minutes=1)).astimezone(zone), change.astimezone(zone))


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """Return the second between the two at which the clocks change."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def describe(at: datetime, zone: ZoneInfo, now: datetime) -> Described:
    local, utc = at.astimezone(zone), at.astimezone(UTC)
    utc_form = "TIME_FORMAT" if local.date() == utc.date() else "SHORT_WEEKDAY_TIME_FORMAT"
    zone_words = f" {zone.key} ({offset_words(local)})" if zone.key != "UTC" else " UTC"
    said_utc = "" if zone.key == "UTC" else f"{date_format(utc, utc_form)} UTC"
    return Described(at, date_format(local, "SHORT_WEEKDAY_DATETIME_FORMAT") + zone_words, said_utc, words(at, now))


def offset_words(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def words(at: datetime, now: datetime) -> str:
    """Return “in 6 days 23 hours”, “2 hours ago”; two units at most, never rounded up past the truth."""
    seconds = int((at - now).total_seconds())
    span = _in_units(abs(seconds), DISTANCES)
    if not span:
        return gettext("in less than a minute") if seconds > 0 else gettext("just now")
    return (gettext("in %(span)s") if seconds > 0 else gettext("%(span)s ago")) % {"span": span}


def span(seconds: int) -> str:
    return _in_units(seconds, UNITS)


def _in_units(seconds: int, units: Iterable[tuple[int, Any]]) -> str:
    parts: list[str] = []
    for size, said in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(said % {"count": count})
        elif parts:
            break
    return " ".join(parts[:2])
