"""Calls per hour of the last day, as numbers for one small SVG that the server draws."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Func, Q

from activity.models import Call, CallQuerySet

HOURS = 24
WIDTH, HEIGHT, GAP = 720, 72, 6


class Hour(Func):
    """The hour of a moment in UTC, as text; native functions on both databases, for it runs on every row of a day."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 13)")

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"
        )


@dataclass(frozen=True, slots=True)
class Bar:
    at: datetime
    calls: int
    refused: int
    x: int
    y: int
    height: int
    refused_y: int
    refused_height: int


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    total: int
    troubled: int
    peak: Bar | None
    width: int = WIDTH
    height: int = HEIGHT
    bar_width: int = WIDTH // HOURS - GAP


def calls_per_hour(calls: CallQuerySet, now: datetime) -> Chart:
    """Return the last 24 hours; one query, bounded by their calls."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    counted = (
        calls.filter(at__gte=first)
        .order_by()
        .annotate(hour=Hour("at"))
        .values_list("hour")
        .annotate(all=Count("pk"), troubled=Count("pk", filter=~Q(outcome=Call.Outcome.OK)))
    )
    by_hour = {hour: (number, troubled) for hour, number, troubled in counted}
    highest = max((number for number, _ in by_hour.values()), default=0)
    bars = [_bar(position, first + timedelta(hours=position), by_hour, highest) for position in range(HOURS)]
    total, troubled = sum(bar.calls for bar in bars), sum(bar.refused for bar in bars)
    return Chart(bars, total, troubled, max(bars, key=lambda bar: bar.calls) if total else None)


def _bar(position: int, at: datetime, by_hour: dict[str, tuple[int, int]], highest: int) -> Bar:
    calls, refused = by_hour.get(f"{at:%Y-%m-%d %H}", (0, 0))
    height, refused_height = _scaled(calls, highest), _scaled(refused, highest)
    return Bar(
        at,
        calls,
        refused,
        position * (WIDTH // HOURS),
        HEIGHT - height,
        height,
        HEIGHT - refused_height,
        refused_height,
    )


def _scaled(number: int, highest: int) -> int:
    return max(2, round(number / highest * HEIGHT)) if number else 0
