from typing import Any

from django.db import transaction

from activity import counting
from activity.models.latency import bucket_of
from activity.recorder.rows import TABLE

COUNTS = [
    "activity_minuterollup", "activity_hourrollup", "activity_minutetotal", "activity_hourtotal", "activity_tokenuse",
    "activity_uncounted",
]  # fmt: skip


def recount(connection: Any) -> None:
    """Count all calls that are kept anew, in one transaction; nothing may write calls meanwhile.

    What was counted of calls that are no longer kept is lost.
    """
    is_postgres = connection.vendor == "postgresql"
    dialect = counting.POSTGRES if is_postgres else counting.SQLITE
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        if not is_postgres:
            connection.connection.create_function("latency_bucket", 1, bucket_of, deterministic=True)
        for table in COUNTS:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        cursor.execute(f"CREATE TEMP TABLE counted AS {dialect.grouped(TABLE)}")
        for statement in dialect.upserts():
            cursor.execute(statement)
        cursor.execute("DROP TABLE counted")
