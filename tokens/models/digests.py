"""One mail per person and sweep: claimed before it is handed over, so never sent twice."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from profiles.models import User

UNKNOWN_AFTER = timedelta(minutes=10)  # a hand-over takes seconds; whoever began one so long ago is gone
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(minutes=15)
NAMESPACE = uuid.UUID("6f0e2f5c-2a6d-4f0a-9a0e-6d1f5b1b7c55")


class DigestQuerySet(models.QuerySet["Digest"]):
    def give_up_lost(self, now: datetime) -> int:
        """Mark the mails whose hand-over began and was never reported: nobody knows whether they went out."""
        lost = self.filter(state=Digest.State.SENDING, claimed_at__lte=now - UNKNOWN_AFTER)
        return sum(digest.settle(Digest.State.UNKNOWN, now=now) for digest in lost)

    def take(self, now: datetime) -> "Digest | None":
        """Return the next mail that may be handed over now, to the one caller who may do it."""
        with transaction.atomic():
            waiting = self.filter(state__in=Digest.WAITING, next_try_at__lte=now).order_by("next_try_at", "pk")
            digest = waiting.select_for_update(skip_locked=True, of=("self",)).select_related("owner").first()
            if digest:
                digest.state, digest.claimed_at = Digest.State.SENDING, now
                digest.attempts += 1
                digest.save(update_fields=["state", "claimed_at", "attempts"])
        return digest


class Digest(models.Model):
    """A mail to one person about all that was due in one sweep."""

    class State(models.TextChoices):
        NEW = "new", _("waits")
        SENDING = "sending", _("being handed over")
        HANDED_OVER = "handed_over", _("handed to the mail server")
        FAILED = "failed", _("failed, will be tried again")
        UNKNOWN = "unknown", _("not known whether it went out")
        SKIPPED = "skipped", _("no longer needed")

    WAITING = (State.NEW, State.FAILED)

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="digests")
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    made_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = DigestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("new", "failed"), next_try_at__isnull=False) | ~Q(state__in=("new", "failed")),
                name="digest_waiting_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state__in=("new", "failed")), name="digest_waiting"),
            models.Index(fields=["claimed_at"], condition=Q(state="sending"), name="digest_under_way"),
        ]

    def __str__(self) -> str:
        return f"mail to {self.owner} of {self.made_at:%Y-%m-%d %H:%M}"

    @property
    def message_id(self) -> str:
        """Return the Message-ID of every attempt (RFC 5322 section 3.6.4): a server that sees it twice can tell."""
        name = uuid.uuid5(NAMESPACE, f"{self.owner_id}/{self.pk}")
        return f"<{name}@{urlsplit(settings.NEXUS_BASE_URL).hostname}>"

    def settle(self, state: str, *, now: datetime) -> bool:
        """Note how the hand-over went, here and at its reminders; return False if somebody else has."""
        waits = state == self.State.FAILED
        pause = min(FIRST_RETRY * 2 ** min(self.attempts - 1, 10), LONGEST_RETRY)
        with transaction.atomic():
            ours = Digest.objects.filter(
                pk=self.pk, attempts=self.attempts, state__in=(self.State.SENDING, self.State.UNKNOWN)
            )
            changed = ours.update(state=state, settled_at=now, next_try_at=now + pause if waits else None)
            if changed:
                self._settle_reminders(state, now)
        return bool(changed)

    def _settle_reminders(self, state: str, now: datetime) -> None:
        open_ones = self.reminders.exclude(state="skipped")
        open_ones.update(state=state, handed_over_at=now if state == self.State.HANDED_OVER else None)
