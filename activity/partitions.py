"""On PostgreSQL the table of calls is partitioned by month; on SQLite it is one table."""

from datetime import UTC, datetime

from django.db import connection, transaction

MONTHS_AHEAD = 3
TABLE = "activity_call"
DEFAULT = f"{TABLE}_default"
LOCK_PATIENCE = "2s"  # for so long calls may be kept waiting; the task comes again

Month = tuple[int, int]


def make(now: datetime) -> list[str]:
    """Make this month's partition and the next three; return the names of those that were missing."""
    if connection.vendor != "postgresql":
        return []
    return [name for ahead in range(MONTHS_AHEAD + 1) if (name := _make_month(*_after(_month_of(now), ahead)))]


def drop_before(moment: datetime) -> list[str]:
    """Drop the partitions of which every call began before the moment; return their names."""
    if connection.vendor != "postgresql":
        return []
    past = [name for name in _names() if _begin(_after(_month_in(name), 1)) <= moment]
    for name in past:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'")
            cursor.execute(f"DROP TABLE {name}")
    return past


def _make_month(year: int, month: int) -> str | None:
    name = f"{TABLE}_{year}_{month:02}"
    begin, end = _begin((year, month)), _begin(_after((year, month), 1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0]:
            return None
        # Names are made of numbers here, never of input. What a clock that was wrong has put into the default
        # partition moves over: PostgreSQL refuses a partition of which the default one has rows.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'")
        cursor.execute(f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        moved = f"WITH moved AS (DELETE FROM {DEFAULT} WHERE at >= %s AND at < %s RETURNING *) "  # noqa: S608
        cursor.execute(f"{moved} INSERT INTO {name} SELECT * FROM moved", [begin, end])  # noqa: S608
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')")
    return name


def _names() -> list[str]:
    """Return the names of the monthly partitions, the oldest first."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    with connection.cursor() as cursor:
        cursor.execute(query, [TABLE])
        return [name for (name,) in cursor.fetchall() if name != DEFAULT]


def _month_in(name: str) -> Month:
    year, month = name.removeprefix(f"{TABLE}_").split("_")
    return int(year), int(month)


def _month_of(moment: datetime) -> Month:
    moment = moment.astimezone(UTC)
    return moment.year, moment.month


def _after(month: Month, months: int) -> Month:
    number = month[0] * 12 + month[1] - 1 + months
    return number // 12, number % 12 + 1


def _begin(month: Month) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)
