"""What is no longer kept, and calls of which nobody will say how they ended."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connections, models, router, transaction

from activity import partitions
from activity.models import (
    Call,
    Drop,
    Finding,
    Habit,
    HourRollup,
    HourTotal,
    MinuteRollup,
    MinuteTotal,
    TokenUse,
    Watch,
)  # fmt: skip
from activity.models.drops import TOLD_FOR
from activity.models.rollups import MINUTES_KEPT

AT_ONCE = 5_000  # rows of one DELETE: the hub waits no longer than these take


def forget(now: datetime) -> str:
    """Forget calls and counts that are past their time; return what was forgotten, in words."""
    before = now - timedelta(days=settings.NEXUS_ACTIVITY_DAYS)
    dropped = partitions.drop_before(before)
    calls = _forget(Call, "at", before)
    counts = sum(_forget(model, "at", before) for model in (HourRollup, HourTotal))
    counts += sum(_forget(model, "at", max(before, now - MINUTES_KEPT)) for model in (MinuteRollup, MinuteTotal))
    counts += _forget(TokenUse, "last_at", before) + _forget(Drop, "at", now - TOLD_FOR)
    counts += (
        _forget(Watch, "seen_to", before) + _forget(Habit, "last_at", before) + _forget(Finding, "last_at", before)
    )
    return f"{len(dropped)} months, {calls} calls and {counts} counts forgotten"


def _forget(model: type[models.Model], column: str, before: datetime) -> int:
    """Delete in short transactions."""
    using = router.db_for_write(model) or "default"
    connection, table = connections[using], model._meta.db_table
    place = "tableoid, ctid" if connection.vendor == "postgresql" else "rowid"
    # A month that lies before is one that could not be dropped: its rows go one by one.
    old = f"SELECT {place} FROM {table} WHERE {column} < %s LIMIT {AT_ONCE}"  # noqa: S608
    total = 0
    while True:
        with transaction.atomic(using), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE ({place}) IN ({old})", [_stored(connection.vendor, before)])  # noqa: S608
            deleted = cursor.rowcount
        total += deleted
        if deleted < AT_ONCE:
            return total


def _stored(vendor: str, moment: datetime) -> datetime | str:
    return moment if vendor == "postgresql" else moment.replace(tzinfo=None).isoformat(" ")
