"""Calls counted by minute and by hour: what pages read, so that nothing scans a table that grows with calls.

How long calls took is a dimension (activity/models/latency.py): percentiles come from the sum of calls by bucket.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Sum

from activity.models import latency
from activity.models.calls import Call
from profiles.models import Account, User
from profiles.permissions import Act

MINUTES_KEPT = timedelta(days=2)
LONGEST_BY_MINUTE = timedelta(days=1)
ERRORS = frozenset(
    {
        Call.Outcome.TOOL_ERROR,
        Call.Outcome.UPSTREAM_ERROR,
        Call.Outcome.REFUSED,
        Call.Outcome.FAILED,
        Call.Outcome.UNKNOWN,
    }
)


@dataclass(slots=True)
class Slot:
    """Calls of one stretch of time, counted by outcome and by bucket of latency."""

    at: datetime
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        return self.outcomes.total()

    @property
    def errors(self) -> int:
        return sum(self.outcomes[outcome] for outcome in ERRORS)

    def percentile(self, share: float) -> float | None:
        """Return the milliseconds within which this share (0 to 1) of the calls was answered."""
        return latency.percentile(self.latencies, share)

    def add(self, outcome: str, bucket: int, calls: int) -> None:
        self.outcomes[outcome] += calls
        if outcome != Call.Outcome.REFUSED:  # a refusal takes no time, and says nothing of how fast calls are
            self.latencies[bucket] += calls


class IntervalNumber(models.Func):
    """The number of the interval of so many seconds, counted from a moment, in which a time lies."""

    output_field = models.IntegerField()

    def __init__(self, at: str, start: datetime, width: timedelta) -> None:
        super().__init__(models.F(at), models.Value(int(start.timestamp())), models.Value(int(width.total_seconds())))

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self._sql("EXTRACT(EPOCH FROM {})::bigint", compiler)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self._sql("CAST(strftime('%%s', {}) AS INTEGER)", compiler)

    def _sql(self, epoch: str, compiler: Any) -> Any:
        parts = [compiler.compile(part) for part in self.get_source_expressions()]
        (at, at_params), (start, start_params), (width, width_params) = parts
        sql = f"(({epoch.format(at)} - {start}) / {width})"
        return sql, (*at_params, *start_params, *width_params)


class RollupQuerySet(models.QuerySet[Any]):
    def of_account(self, account: Account, user: User) -> Self:
        """Return what the person may see of the account: all, or what their own tokens did."""
        rows = self.filter(account_id=account.pk)
        return rows if account.lets(user, Act.SEE_ACTIVITY) else rows.filter(owner_id=user.pk)

    def between(self, start: datetime, end: datetime) -> Self:
        """Return what is counted from the minute, or the hour, in which `start` lies, and before `end`."""
        return self.filter(at__gte=self.model.floor(start), at__lt=end)

    def per_interval(self, start: datetime, width: timedelta, number: int) -> list[Slot]:
        """Return so many stretches of time from `start`, the empty ones too."""
        slots = [Slot(start + width * position) for position in range(number)]
        rows = self.filter(at__gte=start, at__lt=start + width * number)
        found = rows.order_by().annotate(slot=IntervalNumber("at", start, width))
        for slot, outcome, bucket, calls in found.values_list("slot", "outcome", "latency").annotate(Sum("calls")):
            slots[slot].add(outcome, bucket, calls)
        return slots

    def together(self, start: datetime) -> Slot:
        """Return all of it as one stretch of time that began at `start`."""
        whole = Slot(start)
        for outcome, bucket, calls in self.order_by().values_list("outcome", "latency").annotate(Sum("calls")):
            whole.add(outcome, bucket, calls)
        return whole

    def by(self, *dimensions: str) -> list[tuple[Any, ...]]:
        """Return the values of the dimensions and the calls that had them, most calls first."""
        counted = self.order_by().values_list(*dimensions).annotate(number=Sum("calls"))
        return list(counted.order_by("-number", *dimensions))

    def percentile(self, share: float) -> float | None:
        """Return the milliseconds within which this share (0 to 1) of the calls was answered."""
        rows = self.order_by().exclude(outcome=Call.Outcome.REFUSED)
        return latency.percentile(dict(rows.values_list("latency").annotate(Sum("calls"))), share)


class Counted(models.Model):
    """Calls of an account that began in one minute or hour, by outcome and latency."""

    UNIT: ClassVar[timedelta]

    at = models.DateTimeField(help_text="When the minute or the hour begins.")
    account_id = models.UUIDField()
    outcome = models.CharField(max_length=16, choices=Call.Outcome.choices)
    latency = models.SmallIntegerField(help_text="Number of the bucket; -1 for streams, which are not timed.")
    calls = models.BigIntegerField()

    objects = RollupQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.calls} {self.outcome} at {self.at:%Y-%m-%d %H:%M}"

    @classmethod
    def floor(cls, moment: datetime) -> datetime:
        seconds = int(cls.UNIT.total_seconds())
        return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


class Rollup(Counted):
    """Calls that began in one minute or hour, by token, tool, outcome and latency.

    It copies names as a call does. A tool that is nowhere is counted without its name: whoever calls made-up names must
    not fill the table.
    """

    owner_id = models.BigIntegerField()
    toolkit_id = models.UUIDField()
    toolkit_alias = models.CharField(max_length=40)
    token_public_id = models.CharField(max_length=12)
    token_name = models.CharField(max_length=80)
    server = models.CharField(max_length=16, blank=True)
    tool = models.CharField(max_length=200, blank=True)

    class Meta:
        abstract = True


DIMENSIONS = ("account_id", "at", "token_public_id", "toolkit_id", "server", "tool", "outcome", "latency")
TOTAL_DIMENSIONS = ("account_id", "at", "outcome", "latency")


class MinuteRollup(Rollup):
    UNIT = timedelta(minutes=1)

    pk = models.CompositePrimaryKey(*DIMENSIONS)

    class Meta:
        indexes = [
            models.Index(fields=["token_public_id", "at"], name="minute_of_token"),
            models.Index(fields=["owner_id", "account_id", "at"], name="minute_of_owner"),
            models.Index(fields=["at"], name="minute_at"),
        ]


class HourRollup(Rollup):
    UNIT = timedelta(hours=1)

    pk = models.CompositePrimaryKey(*DIMENSIONS)

    class Meta:
        indexes = [
            models.Index(fields=["token_public_id", "at"], name="hour_of_token"),
            models.Index(fields=["owner_id", "account_id", "at"], name="hour_of_owner"),
            models.Index(fields=["toolkit_id", "at"], name="hour_of_toolkit"),
            models.Index(fields=["at"], name="hour_at"),
        ]


class MinuteTotal(Counted):
    UNIT = timedelta(minutes=1)

    pk = models.CompositePrimaryKey(*TOTAL_DIMENSIONS)

    class Meta:
        indexes = [models.Index(fields=["at"], name="minute_total_at")]


class HourTotal(Counted):
    UNIT = timedelta(hours=1)

    pk = models.CompositePrimaryKey(*TOTAL_DIMENSIONS)

    class Meta:
        indexes = [models.Index(fields=["at"], name="hour_total_at")]


def _by_minute(start: datetime, end: datetime, now: datetime) -> bool:
    return end - start <= LONGEST_BY_MINUTE and start > now - MINUTES_KEPT


def rollups_for(start: datetime, end: datetime, now: datetime) -> type[MinuteRollup] | type[HourRollup]:
    """Return the finest that covers the range in a bounded number of rows."""
    return MinuteRollup if _by_minute(start, end, now) else HourRollup


def totals_for(start: datetime, end: datetime, now: datetime) -> type[MinuteTotal] | type[HourTotal]:
    """The same for a whole account, unfiltered: for those alone who may see all of it."""
    return MinuteTotal if _by_minute(start, end, now) else HourTotal


class Uncounted(models.Model):
    """A finished call that no rollup has counted yet. Embedded only: PostgreSQL counts as it stores."""

    id = models.BigAutoField(primary_key=True)
    call_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.call_id)
