from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Sum
from django.utils.translation import ngettext

from activity.numbers import grouped

TOLD_FOR = timedelta(days=1)


class DropManager(models.Manager["Drop"]):
    def note(self, calls: int, now: datetime) -> None:
        self.create(at=now, calls=calls)

    def warning(self, now: datetime) -> str:
        """Return what whoever looks at Activity must know: how many calls of the last day are missing; or ""."""
        missing = self.filter(at__gt=now - TOLD_FOR).aggregate(number=Sum("calls"))["number"]
        if not missing:
            return ""
        text = ngettext(
            "In the last 24 hours %(number)s call was answered and could not be written down, "
            "so they are missing here.",
            "In the last 24 hours %(number)s calls were answered and could not be written down, "
            "so they are missing here.",
            missing,
        )
        return text % {"number": grouped(missing)}


class Drop(models.Model):
    """Calls that were answered without a row, up to this moment: only where NEXUS_ACTIVITY is best-effort."""

    at = models.DateTimeField(db_index=True)
    calls = models.BigIntegerField()

    objects: ClassVar[DropManager] = DropManager()

    def __str__(self) -> str:
        return f"{self.calls} until {self.at:%Y-%m-%d %H:%M}"
