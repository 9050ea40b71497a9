from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from profiles.models import ReminderStage
from tokens.models.delegated import DelegatedToken
from tokens.models.digests import Digest
from tokens.models.management_keys import ManagementKey
from tokens.models.stages import Running

OF_ONE = Q(token__isnull=False, key=None) | Q(token=None, key__isnull=False)


class Reminder(models.Model):
    """One reminder of one stage for one token or management key, made in one transaction with the mail that carries it.

    A crash between hand-over and its mark leaves open whether the mail went out. It is not sent again: the portal
    lists it, and the next stage covers it.
    """

    Stage = ReminderStage

    class State(models.TextChoices):
        SHOWN = "shown", _("shown in the portal")
        CLAIMED = "claimed", _("waits for its mail")
        HANDED_OVER = "handed_over", _("handed to the mail server")
        FAILED = "failed", _("failed, will be tried again")
        UNKNOWN = "unknown", _("not known whether the mail went out")
        SKIPPED = "skipped", _("no longer needed")

    token = models.ForeignKey(DelegatedToken, null=True, blank=True, on_delete=models.CASCADE, related_name="reminders")
    key = models.ForeignKey(ManagementKey, null=True, blank=True, on_delete=models.CASCADE, related_name="reminders")
    stage = models.CharField(max_length=8, choices=ReminderStage.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.CLAIMED)
    digest = models.ForeignKey(Digest, null=True, blank=True, on_delete=models.SET_NULL, related_name="reminders")
    claimed_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(null=True)

    objects: ClassVar["models.Manager[Reminder]"] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "stage"], name="reminder_once_per_stage"),
            models.UniqueConstraint(fields=["key", "stage"], name="reminder_of_key_once_per_stage"),
            models.CheckConstraint(condition=OF_ONE, name="reminder_of_a_token_or_a_key"),
            models.CheckConstraint(
                condition=Q(state="handed_over", handed_over_at__isnull=False)
                | (~Q(state="handed_over") & Q(handed_over_at=None)),
                name="reminder_handed_over_has_a_time",
            ),
        ]
        indexes = [models.Index(fields=["claimed_at"], condition=Q(stage="unused"), name="reminder_of_unused")]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}: {self.subject}"

    @property
    def subject(self) -> Running:
        """Return what it is about."""
        found = self.token or self.key
        assert found is not None, "as reminder_of_a_token_or_a_key has it"
        return found


class Dismissal(models.Model):
    """What a person no longer wants to see above every page: this stage of this token or key."""

    token = models.ForeignKey(
        DelegatedToken, null=True, blank=True, on_delete=models.CASCADE, related_name="dismissals"
    )
    key = models.ForeignKey(ManagementKey, null=True, blank=True, on_delete=models.CASCADE, related_name="dismissals")
    stage = models.CharField(max_length=8, choices=ReminderStage.choices)
    at = models.DateTimeField()

    objects: ClassVar["models.Manager[Dismissal]"] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "stage"], name="dismissal_once_per_stage"),
            models.UniqueConstraint(fields=["key", "stage"], name="dismissal_of_key_once_per_stage"),
            models.CheckConstraint(condition=OF_ONE, name="dismissal_of_a_token_or_a_key"),
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}: {self.token or self.key}"
