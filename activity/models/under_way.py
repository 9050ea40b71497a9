import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

SAID_EVERY = timedelta(minutes=1)  # at the latest: a hub does every 20 seconds
PATIENCE = timedelta(minutes=5)  # with a hub process that says nothing


class UnderWayQuerySet(models.QuerySet["UnderWay"]):
    def note(self, calls: Collection[uuid.UUID], now: datetime) -> None:
        """Say of these calls that their process lives and has not ended them."""
        self.bulk_create(
            [UnderWay(call_id=pk, seen_at=now) for pk in sorted(calls)],
            batch_size=1000, update_conflicts=True, unique_fields=["call_id"], update_fields=["seen_at"],
        )  # fmt: skip

    def seen_since(self, moment: datetime) -> "UnderWayQuerySet":
        return self.filter(seen_at__gte=moment)


class UnderWay(models.Model):
    """A stream that its hub process still has open, and when the process last said so."""

    call_id = models.UUIDField(primary_key=True)
    seen_at = models.DateTimeField(db_index=True)

    objects: ClassVar = UnderWayQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "calls under way"

    def __str__(self) -> str:
        return str(self.call_id)
