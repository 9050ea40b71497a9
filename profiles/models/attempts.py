from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Case, F, Q, Value, When

WINDOW = timedelta(minutes=10)
KEPT = timedelta(days=1)  # after the window: nobody who is counting now is in the way


class AttemptsManager(models.Manager["Attempts"]):
    def take(self, key: str, most: int, *, now: datetime, window: timedelta = WINDOW) -> bool:
        """Count one more attempt; return False, and count nothing, where there were that many in the window."""
        self.bulk_create([Attempts(key=key, until=now)], ignore_conflicts=True)
        is_over = Q(until__lte=now) | Q(until__gt=now + window)  # the latter: a clock that went back
        taken = self.filter(is_over | Q(number__lt=most), key=key).update(
            number=Case(When(is_over, then=Value(1)), default=F("number") + 1),
            until=Case(When(is_over, then=Value(now + window)), default=F("until")),
        )
        return bool(taken)

    def sweep(self, now: datetime) -> int:
        """Delete what has long counted for nothing; keys of visitors are many, and most never come again."""
        return self.filter(until__lt=now - KEPT).delete()[0]

    def forget(self, key: str) -> None:
        self.filter(key=key).update(number=0)


class Attempts(models.Model):
    """How often something was tried in a window, of ten minutes mostly; one UPDATE decides, whoever else tries."""

    key = models.CharField(max_length=80, primary_key=True)
    number = models.PositiveIntegerField(default=0)
    until = models.DateTimeField()

    objects: ClassVar[AttemptsManager] = AttemptsManager()

    class Meta:
        verbose_name_plural = "attempts"

    def __str__(self) -> str:
        return f"{self.number} of {self.key}"
