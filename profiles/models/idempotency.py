"""Requests that make something, by their Idempotency-Key: one that comes twice makes it once."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

KEPT = timedelta(hours=24)
FORGOTTEN_AT_ONCE = 100


class AnsweredRequestManager(models.Manager["AnsweredRequest"]):
    def answered(self, asker: str, key: str, *, now: datetime) -> "AnsweredRequest | None":
        """Return the request with this key that the asker sent before, and that was answered."""
        return self.filter(asker=asker, key=key, at__gt=now - KEPT).exclude(status=None).first()

    def begin(self, asker: str, key: str, digest: str, *, now: datetime) -> "AnsweredRequest":
        """Return the row of this request, locked; one that has a status was answered meanwhile.

        Call it in the transaction of the act: the same request at the same moment waits here for its end.
        """
        self.forget(now)
        self.filter(asker=asker, key=key, at__lte=now - KEPT).delete()
        self.bulk_create([AnsweredRequest(asker=asker, key=key, digest=digest, at=now)], ignore_conflicts=True)
        return self.select_for_update().get(asker=asker, key=key)

    def forget(self, now: datetime) -> None:
        """Delete some of those that are too old to come again."""
        old = self.filter(at__lte=now - KEPT).select_for_update(skip_locked=True).values_list("pk", flat=True)
        self.filter(pk__in=list(old[:FORGOTTEN_AT_ONCE])).delete()


class AnsweredRequest(models.Model):
    """One request and its answer; of an act that shows a secret, only what it made."""

    asker = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True)
    made = models.CharField(max_length=64, blank=True, help_text="The id of what a secret was shown of.")

    objects: ClassVar[AnsweredRequestManager] = AnsweredRequestManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asker", "key"], name="answered_request_once_per_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.asker}"

    def keep(self, *, status: int, answer: str = "", made: str = "") -> None:
        self.status, self.answer, self.made = status, answer, made
        self.save(update_fields=["status", "answer", "made"])
