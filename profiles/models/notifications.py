"""What a person wants to be told by mail. The portal shows everything, whatever they choose."""

from datetime import datetime
from typing import ClassVar

from django.db import models, transaction

from profiles.events import Action, Actor, Event
from profiles.models.people import User


class ReminderStage(models.TextChoices):
    """At which points of a token's life its owner is reminded; all but the last by the clock alone."""

    WEEK = "7d", "7 days before it ends"
    THREE_DAYS = "3d", "3 days before it ends"
    DAY = "24h", "24 hours before it ends"
    HOUR = "1h", "1 hour before it ends"
    EXPIRED = "expired", "when it has expired"
    UNUSED = "unused", "48 hours before it is paused, because nothing uses it"


def mailed_by_default() -> list[str]:
    stages = (ReminderStage.WEEK, ReminderStage.DAY, ReminderStage.EXPIRED, ReminderStage.UNUSED)
    return [stage.value for stage in stages]


class NotificationsQuerySet(models.QuerySet["Notifications"]):
    def of(self, user: User) -> "Notifications":
        """Return what the person has chosen, or what holds for who never chose; that row is not stored yet."""
        return self.filter(user=user).first() or Notifications(user=user)


class Notifications(models.Model):
    """What one person has chosen."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notifications")
    sends_mail = models.BooleanField("remind me by mail", default=True)
    mail_stages = models.JSONField(default=mailed_by_default, blank=True)

    objects: ClassVar = NotificationsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "notifications"

    def __str__(self) -> str:
        return f"notifications of {self.user}"

    def mails(self, stage: str) -> bool:
        return self.sends_mail and stage in self.mail_stages

    def change(self, *, sends_mail: bool, mail_stages: list[str], by: Actor, now: datetime) -> bool:
        """Store the choice and write its event; return False if nothing changed."""
        after = {
            "sends_mail": sends_mail,
            "mail_stages": [each for each in ReminderStage.values if each in mail_stages],
        }
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=self.user_id)  # two first choices at once are one
            stored = Notifications.objects.of(self.user)
            before = {name: getattr(stored, name) for name in after}
            if before == after:
                return False
            Notifications.objects.update_or_create(user=self.user, defaults=after)
            Event.record(Action.NOTIFICATIONS_CHANGED, by=by, now=now, subject=self.user, before=before, after=after)
        return True
