"""What is no longer kept, and calls of which nobody will say how they ended."""

import json
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

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
    """Delete in short transactions, whose rows are found before they begin: a search may take long, a lock may not."""
    connection = connections[router.db_for_write(model) or "default"]
    table, moment = model._meta.db_table, _stored(connection.vendor, before)
    total = 0
    while places := _old(connection, table, column, moment):
        for place, rows in places.items():
            total += _delete(connection, place, rows, column, moment)
    return total


def _old(connection: Any, table: str, column: str, moment: Any) -> dict[str, list[Any]]:
    """Return where rows lie that are older, some thousands at most, by the table or the month that has them."""
    place = "tableoid::regclass::text, ctid::text" if connection.vendor == "postgresql" else f"'{table}', rowid"
    found: dict[str, list[Any]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {place} FROM {table} WHERE {column} < %s LIMIT {AT_ONCE}", [moment])  # noqa: S608
        for name, row in cursor.fetchall():
            found[name].append(row)
    return found


def _delete(connection: Any, table: str, rows: list[Any], column: str, moment: Any) -> int:
    """Delete the rows at these places, as far as those are still old; return how many."""
    is_postgres = connection.vendor == "postgresql"
    # Of one month by itself: to look for places in all months at once, PostgreSQL would read them all.
    rows_of = f"ONLY {table}" if is_postgres else table
    named = "ctid = ANY(%s::tid[])" if is_postgres else "rowid IN (SELECT value FROM json_each(%s))"
    given = rows if is_postgres else json.dumps(rows)
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {rows_of} WHERE {named} AND {column} < %s", [given, moment])  # noqa: S608
        return int(cursor.rowcount)


def _stored(vendor: str, moment: datetime) -> datetime | str:
    return moment if vendor == "postgresql" else moment.replace(tzinfo=None).isoformat(" ")
