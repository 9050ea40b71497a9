"""What a person wants to be told, and how: by mail, above the pages of the portal; everywhere, or in one account."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import models, transaction
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account
from profiles.models.people import User


class ReminderStage(models.TextChoices):
    """At which points of a token's life its owner is reminded; all but the last by the clock alone."""

    WEEK = "7d", _("7 days before it ends")
    THREE_DAYS = "3d", _("3 days before it ends")
    DAY = "24h", _("24 hours before it ends")
    HOUR = "1h", _("1 hour before it ends")
    EXPIRED = "expired", _("when it has expired")
    UNUSED = "unused", _("48 hours before it is paused, because nothing uses it")


def mailed_by_default() -> list[str]:
    stages = (ReminderStage.WEEK, ReminderStage.DAY, ReminderStage.EXPIRED, ReminderStage.UNUSED)
    return [stage.value for stage in stages]


def shown_by_default() -> list[str]:
    """Return all but the first: a week before, a mail is enough."""
    return [stage.value for stage in ReminderStage if stage is not ReminderStage.WEEK]


def in_order(stages: Collection[str]) -> list[str]:
    return [stage for stage in ReminderStage.values if stage in stages]


class NotificationsQuerySet(models.QuerySet["Notifications"]):
    def of(self, user: User, account: Account | None = None) -> "Notifications":
        """Return what the person has chosen for everywhere, or for this account.

        Of who never chose, that row is not stored yet: it says what holds, for an account what holds everywhere.
        """
        if account is None:
            return self.filter(user=user, account=None).first() or Notifications(user=user)
        stored = list(self.filter(Q(account=None) | Q(account=account), user=user).order_by("account"))
        own = [each for each in stored if each.account_id]
        if own:
            return own[0]
        everywhere = stored[0] if stored else Notifications(user=user)
        return Notifications(user=user, account=account, **everywhere.choice)

    def choices_of(self, people: Iterable[int]) -> "Choices":
        """Return what these people (by id) have chosen, in one query."""
        return Choices({(each.user_id, each.account_id): each for each in self.filter(user__in=people)})


class Choices:
    """What several people have chosen: that of the account goes before that of everywhere."""

    def __init__(self, stored: "dict[tuple[int, UUID | None], Notifications]") -> None:
        self._stored = stored
        self._default = Notifications()

    def of(self, user_id: int, account_id: UUID) -> "Notifications":
        own = self._stored.get((user_id, account_id))
        return own or self._stored.get((user_id, None)) or self._default


class Notifications(models.Model):
    """What one person has chosen, for everywhere or for one account."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    sends_mail = models.BooleanField(_("remind me by mail"), default=True)
    mail_stages = models.JSONField(default=mailed_by_default, blank=True)
    portal_stages = models.JSONField(
        default=shown_by_default,
        db_default=Value(["3d", "24h", "1h", "expired", "unused"], models.JSONField()),
        blank=True,
    )

    objects: ClassVar = NotificationsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(account=None), name="notifications_once_everywhere"),
            models.UniqueConstraint(fields=["user", "account"], name="notifications_once_per_account"),
        ]

    def __str__(self) -> str:
        return f"notifications of {self.user}" + (f" in {self.account}" if self.account else "")

    @property
    def choice(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("sends_mail", "mail_stages", "portal_stages")}

    def mails(self, stage: str) -> bool:
        return self.sends_mail and stage in self.mail_stages

    def shows(self, stage: str) -> bool:
        return stage in self.portal_stages

    def change(
        self, *, sends_mail: bool, mail_stages: list[str], by: Actor, now: datetime,
        portal_stages: list[str] | None = None,
    ) -> bool:  # fmt: skip
        """Store the choice and write its event; return False if nothing changed."""
        with transaction.atomic():
            stored = self._locked()
            shown = stored.portal_stages if portal_stages is None else portal_stages
            after = {
                "sends_mail": sends_mail, "mail_stages": in_order(mail_stages), "portal_stages": in_order(shown)
            }  # fmt: skip
            before = stored.choice
            if before == after and (stored.pk or not self.account_id):
                return False
            Notifications.objects.update_or_create(user=self.user, account=self.account, defaults=after)
            self._record(before, after, by, now)
        return True

    def follow(self, *, by: Actor, now: datetime) -> bool:
        """Have the account follow what holds everywhere again; return False if it does."""
        with transaction.atomic():
            before = self._locked().choice
            if not Notifications.objects.filter(user=self.user, account=self.account).exclude(account=None).delete()[0]:
                return False
            self._record(before, Notifications.objects.of(self.user, self.account).choice, by, now)
        return True

    def _locked(self) -> "Notifications":
        User.objects.select_for_update(no_key=True).get(pk=self.user_id)  # two first choices at once are one
        stored: Notifications = Notifications.objects.of(self.user, self.account)
        return stored

    def _record(self, before: dict[str, Any], after: dict[str, Any], by: Actor, now: datetime) -> None:
        Event.record(
            Action.NOTIFICATIONS_CHANGED, by=by, now=now, account=self.account, subject=self.user, before=before,
            after=after,
        )  # fmt: skip
