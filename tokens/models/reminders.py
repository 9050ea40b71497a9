from datetime import datetime
from typing import ClassVar, Self

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from tokens import emails
from tokens.models.delegated import DelegatedToken


class ReminderQuerySet(models.QuerySet["Reminder"]):
    def failed(self) -> Self:
        return self.filter(state=Reminder.State.FAILED)


class ReminderManager(models.Manager.from_queryset(ReminderQuerySet)):  # type: ignore[misc]
    def send_due(self, *, now: datetime) -> int:
        """Send every reminder that is due, each once however many workers run; return how many went out."""
        sent = 0
        for token in DelegatedToken.objects.due_for_reminder(now).select_related("owner", "toolkit", "account"):
            reminder = self.claim(token, Reminder.Stage.DAY, now=now)
            sent += bool(reminder and reminder.send(now=now))
        return sent

    def claim(self, token: DelegatedToken, stage: "Reminder.Stage", *, now: datetime) -> "Reminder | None":
        """Return the reminder to the one caller who may send it now; one that failed may be claimed again."""
        try:
            with transaction.atomic():
                return Reminder.objects.create(token=token, stage=stage, claimed_at=now)
        except IntegrityError:
            failed = self.failed().filter(token=token, stage=stage)
            if not failed.update(state=Reminder.State.CLAIMED, claimed_at=now):
                return None
            return Reminder.objects.get(token=token, stage=stage)


class Reminder(models.Model):
    """One reminder of one stage for one token: claimed before it is sent, so never sent twice.

    A crash between claim and answer leaves it claimed: whether the mail went out is then unknown, and it is not
    sent again.
    """

    class Stage(models.TextChoices):
        DAY = "24h", "24 hours before"

    class State(models.TextChoices):
        CLAIMED = "claimed", "being sent"
        HANDED_OVER = "handed_over", "handed to the mail server"
        FAILED = "failed", "failed, will be tried again"

    token = models.ForeignKey(DelegatedToken, on_delete=models.CASCADE, related_name="reminders")
    stage = models.CharField(max_length=8, choices=Stage.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.CLAIMED)
    claimed_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(null=True)

    objects: ClassVar[ReminderManager] = ReminderManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "stage"], name="reminder_once_per_stage"),
            models.CheckConstraint(
                condition=Q(state="handed_over", handed_over_at__isnull=False)
                | (~Q(state="handed_over") & Q(handed_over_at=None)),
                name="reminder_handed_over_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}: {self.token}"

    def send(self, *, now: datetime) -> bool:
        """Mail the owner; return False if the mail server refused, which leaves it to be tried again."""
        try:
            emails.expiring(self.token)
        except OSError:  # smtplib's errors are OSErrors too
            Reminder.objects.filter(pk=self.pk).update(state=self.State.FAILED)
            return False
        Reminder.objects.filter(pk=self.pk).update(state=self.State.HANDED_OVER, handed_over_at=now)
        return True
