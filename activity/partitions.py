"""On PostgreSQL the table of calls is partitioned by month; on SQLite it is one table."""

from datetime import datetime

from django.db import connection, transaction

MONTHS_AHEAD = 3
TABLE = "activity_call"


def make(now: datetime) -> list[str]:
    """Make this month's partition and the next three; return the names of those that were missing."""
    if connection.vendor != "postgresql":
        return []
    return [name for month in range(MONTHS_AHEAD + 1) if (name := _make_month(*_month(now, month)))]


def _month(now: datetime, ahead: int) -> tuple[int, int]:
    months = now.year * 12 + now.month - 1 + ahead
    return months // 12, months % 12 + 1


def _make_month(year: int, month: int) -> str | None:
    name = f"{TABLE}_{year}_{month:02}"
    after = f"{year + month // 12}-{month % 12 + 1:02}-01"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0]:
            return None
        # Names are made of numbers here, never of input.
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {TABLE} "
            f"FOR VALUES FROM ('{year}-{month:02}-01 00:00+00') TO ('{after} 00:00+00')"
        )
    return name
