"""Webhooks of an account: where it wants to be told of its tokens, and what was sent there (Standard Webhooks)."""

import base64
import json
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from celery import current_app
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, F, OuterRef, Q, Value
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from profiles.encryption import Secret
from profiles.events import Action, Actor, Event
from profiles.ids import uuid7
from profiles.models import Account

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

MOST = 10  # webhooks of one account
# Between one attempt and the next, as Standard Webhooks proposes: ten attempts in about three days.
RETRIES = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
CLAIM = timedelta(minutes=1)  # after which whoever claimed a delivery is taken for dead
SWITCHED_OFF_AFTER = timedelta(days=5)  # of failures without a success between them
KEPT = timedelta(days=30)  # how far back the log reaches
PREFIX = "whsec_"
SECRET_BYTES = 32
GONE = 410


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: a status and what was answered, or why there was none."""

    status: int | None = None
    response: str = ""
    error: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def problem(self) -> str:
        if self.status is None or self.error:
            return self.error
        return "" if self.is_success else f"it answered HTTP {self.status}"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def wanting(self, kind: str, account_id: uuid.UUID) -> "list[Webhook]":
        """Return the account's webhooks that are on and want notices of this kind."""
        return [webhook for webhook in self.filter(account=account_id, is_enabled=True) if kind in webhook.kinds]

    def listening_in(self, account_ids: Collection[uuid.UUID]) -> "dict[uuid.UUID, list[Webhook]]":
        """Return the webhooks that are on, by account."""
        found: dict[uuid.UUID, list[Webhook]] = {}
        for webhook in self.filter(account__in=account_ids, is_enabled=True):
            found.setdefault(webhook.account_id, []).append(webhook)
        return found

    def ready(self, now: datetime) -> Self:
        """Return the webhooks for which something is due and to which nothing is being sent; the healthy first."""
        due = WebhookDelivery.objects.due(now).filter(webhook=OuterRef("pk"))
        free = Q(busy_until=None) | Q(busy_until__lte=now)
        return self.filter(free, Exists(due), is_enabled=True).order_by(F("failing_since").desc(nulls_first=True), "pk")


class WebhookManager(models.Manager.from_queryset(WebhookQuerySet)):  # type: ignore[misc]
    def add(
        self, account: Account, *, url: str, description: str, kinds: list[str], by: Actor, now: datetime,
        stages: Collection[str] = (),
    ) -> tuple["Webhook", str]:  # fmt: skip
        """Make a webhook and return it with its secret; raise ValidationError for a second one at the same address."""
        secret = new_secret()
        webhook = Webhook(account=account, url=url, description=description, kinds=kinds, created_at=now)
        webhook.secret, webhook.stages = secret, list(stages)
        try:
            with transaction.atomic():
                Account.objects.select_for_update().get(pk=account.pk)
                if self.filter(account=account).count() >= MOST:
                    text = gettext("An account has at most %(most)d webhooks. Remove one first.")
                    raise ValidationError(text % {"most": MOST})
                webhook.save(force_insert=True)
                webhook._note(Action.WEBHOOK_ADDED, by, now, after={"url": url, "kinds": kinds})
        except IntegrityError as error:
            raise ValidationError({"url": TAKEN}) from error
        return webhook, secret


TAKEN = _("There is a webhook for this address already. Change that one, or replace its secret.")


class Webhook(models.Model):
    """An address that is told of what happens to an account's tokens; every message is signed."""

    class Kind(models.TextChoices):
        EXPIRING = "token.expiring", _("A token is about to expire")
        EXPIRED = "token.expired", _("A token has expired")
        UNUSED = "token.unused", _("A token will be paused, because nothing uses it")
        REVOKED = "token.revoked", _("A token was revoked")
        REPLACED = "token.replaced", _("A token was replaced")
        REUSED = "token.reused", _("A token that had ended was used")
        UNEXPECTED = "token.unexpected", _("A token was used as never before")
        PAUSED = "token.paused", _("A token was paused")
        AUTHORIZATION_DIED = "authorization.died", _("A server no longer takes an authorization")

    class State(models.TextChoices):
        ON = "on", _("On")
        FAILING = "failing", _("Failing")
        OFF = "off", _("Off")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    kinds = models.JSONField(default=list)
    stages = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), blank=True,
        help_text=_("Of a token that is about to expire, when it is told; each time, where it says nothing."),
    )  # fmt: skip
    is_enabled = models.BooleanField(default=True)
    encrypted_secret = models.TextField(editable=False)
    encrypted_former_secret = models.TextField(blank=True, editable=False)
    secret = Secret("encrypted_secret")
    former_secret = Secret("encrypted_former_secret")
    former_ends_at = models.DateTimeField(null=True, blank=True, help_text=_("Until then the former secret signs too."))
    created_at = models.DateTimeField()
    failing_since = models.DateTimeField(null=True, blank=True)
    switched_off_because = models.CharField(max_length=200, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[WebhookManager] = WebhookManager()
    deliveries: "RelatedManager[WebhookDelivery]"

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["account", "url"], name="webhook_once_per_address")]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def state(self) -> "Webhook.State":
        if not self.is_enabled:
            return self.State.OFF
        return self.State.FAILING if self.failing_since else self.State.ON

    @property
    def kind_labels(self) -> list[str]:
        if set(self.kinds) >= set(Webhook.Kind.values):
            return [gettext("Whatever happens")]
        return [str(Webhook.Kind(kind).label) for kind in self.kinds if kind in Webhook.Kind]

    def wants(self, kind: str, stage: str) -> bool:
        """Return True if it is to be told of this stage of a token's life."""
        return kind in self.kinds and (kind != self.Kind.EXPIRING or not self.stages or stage in self.stages)

    def secrets(self, now: datetime) -> list[str]:
        """Return what signs a message now, the newest first; raise Unreadable."""
        is_overlap = self.former_ends_at is not None and now < self.former_ends_at
        return [self.secret, self.former_secret] if is_overlap and self.encrypted_former_secret else [self.secret]

    def change(self, *, by: Actor, now: datetime, **changes: Any) -> bool:
        """Change address, description, kinds, or whether it is on; return False if nothing was different.

        Raise ValidationError for an address that another webhook of the account has.
        """
        with transaction.atomic():
            stored = Webhook.objects.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name, value in changes.items() if getattr(stored, name) != value}
            if not before:
                return False
            after = {name: changes[name] for name in before}
            forgiven = {"failing_since": None, "switched_off_because": ""} if {"url", "is_enabled"} & set(after) else {}
            try:
                with transaction.atomic():
                    Webhook.objects.filter(pk=self.pk).update(**after, **forgiven)
            except IntegrityError as error:
                raise ValidationError({"url": TAKEN}) from error
            self._note(Action.WEBHOOK_CHANGED, by, now, before=before, after=after)
        self.refresh_from_db()
        return True

    def replace_secret(self, *, overlap: timedelta, by: Actor, now: datetime) -> str:
        """Return a new secret; the one before it signs too until the overlap ends."""
        with transaction.atomic():
            stored = Webhook.objects.select_for_update().get(pk=self.pk)
            self.former_secret = stored.secret if overlap else ""
            self.secret = secret = new_secret()
            self.former_ends_at = now + overlap if overlap else None
            self.save(update_fields=["encrypted_secret", "encrypted_former_secret", "former_ends_at"])
            until = self.former_ends_at.isoformat() if self.former_ends_at else None
            self._note(Action.WEBHOOK_CHANGED, by, now, reason="secret replaced", after={"former_until": until})
        return secret

    def remove(self, *, by: Actor, now: datetime) -> None:
        """Remove it with its log; what was not sent yet is not sent."""
        with transaction.atomic():
            self._note(Action.WEBHOOK_REMOVED, by, now, before={"url": self.url})
            self.delete()

    def claim(self, *, now: datetime) -> bool:
        """Return True to the one process that may send to it now."""
        free = Webhook.objects.filter(Q(busy_until=None) | Q(busy_until__lte=now), pk=self.pk, is_enabled=True)
        return bool(free.update(busy_until=now + CLAIM))

    def release(self) -> None:
        Webhook.objects.filter(pk=self.pk).update(busy_until=None)

    def note_success(self) -> None:
        Webhook.objects.filter(pk=self.pk).update(failing_since=None, busy_until=None)

    def note_failure(self, outcome: Outcome, *, now: datetime) -> None:
        """Remember since when it fails; switch it off when that is long ago, or when it says that it is gone."""
        self.release()
        Webhook.objects.filter(pk=self.pk, failing_since=None).update(failing_since=now)
        if outcome.status == GONE:
            self.switch_off(gettext_noop("Its address answered HTTP 410: it is gone."), now=now)
        elif Webhook.objects.filter(pk=self.pk, failing_since__lte=now - SWITCHED_OFF_AFTER).exists():
            self.switch_off(f"Nothing could be delivered for {SWITCHED_OFF_AFTER.days} days.", now=now)

    def switch_off(self, reason: str, *, now: datetime, by: Actor | None = None) -> bool:
        """Send nothing to it any more, and tell those who manage the account; return False if it was off."""
        with transaction.atomic():
            running = Webhook.objects.filter(pk=self.pk, is_enabled=True)
            if not running.update(is_enabled=False, switched_off_because=reason):
                return False
            waiting = self.deliveries.filter(state=WebhookDelivery.State.WAITING)
            waiting.update(state=WebhookDelivery.State.GIVEN_UP)
            by = by or Actor.system("webhooks")
            self._note(Action.WEBHOOK_CHANGED, by, now, reason=reason, after={"is_enabled": False})
            transaction.on_commit(self._tell_managers, robust=True)
        return True

    def send_test(self, *, now: datetime) -> "WebhookDelivery":
        data = {"account": {"id": str(self.account_id)}, "message": "This is a test. Nothing has happened to a token."}
        delivery = WebhookDelivery.of(self, WebhookDelivery.TEST, f"{WebhookDelivery.TEST}:{uuid.uuid4()}", data, now)
        with transaction.atomic():
            delivery.save(force_insert=True)
            transaction.on_commit(send_soon, robust=True)
        return delivery

    def _tell_managers(self) -> None:
        current_app.send_task("tokens.tasks.mail_webhook_off", args=[str(self.pk)])

    def _note(
        self, action: Action, by: Actor, now: datetime, *, reason: str = "", before: Any = None, after: Any = None
    ) -> None:
        Event.record(
            action, by=by, now=now, account=self.account, subject=self, reason=reason, before=before, after=after
        )


def send_soon() -> None:
    """Have a worker look at once; the schedule looks every few seconds anyway."""
    current_app.send_task("tokens.tasks.send_webhooks")


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def due(self, now: datetime) -> Self:
        return self.filter(state=WebhookDelivery.State.WAITING, next_try_at__lte=now).order_by("next_try_at", "id")

    def forget_old(self, now: datetime) -> int:
        """Delete what is older than the log reaches."""
        return self.filter(created_at__lt=now - KEPT).exclude(state=WebhookDelivery.State.WAITING).delete()[0]


class WebhookDeliveryManager(models.Manager.from_queryset(WebhookDeliveryQuerySet)):  # type: ignore[misc]
    def put_out(
        self, webhooks: list[Webhook], kind: str, occasion: str, data: dict[str, Any], *, now: datetime
    ) -> None:
        """Write one row for each webhook, in the caller's transaction; of one occasion, a webhook is told once.

        What a sweep finds, thousands at a time, waits for the schedule; the rest is sent as soon as it is committed.
        """
        rows = [WebhookDelivery.of(webhook, kind, occasion, data, now) for webhook in webhooks]
        self.bulk_create(rows, ignore_conflicts=True)
        if kind not in (Webhook.Kind.EXPIRING, Webhook.Kind.EXPIRED):
            transaction.on_commit(send_soon, robust=True)


class WebhookDelivery(models.Model):
    """One message for one webhook, written in the transaction of what it tells, and sent until it is taken.

    Its id goes with every attempt, a replay too, so that a receiver can tell what it has had.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        GIVEN_UP = "given_up", _("Given up")

    TEST = "webhook.test"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=40)
    occasion = models.CharField(max_length=120)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    response = models.TextField(blank=True)

    objects: ClassVar[WebhookDeliveryManager] = WebhookDeliveryManager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = _("webhook deliveries")
        constraints = [models.UniqueConstraint(fields=["webhook", "occasion"], name="webhook_told_once")]
        indexes = [
            models.Index(fields=["webhook", "next_try_at"], condition=Q(state="waiting"), name="webhook_delivery_due"),
            models.Index(fields=["webhook", "-id"], name="webhook_delivery_log"),
            models.Index(fields=["created_at"], name="webhook_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.id})"

    @classmethod
    def of(cls, webhook: Webhook, kind: str, occasion: str, data: dict[str, Any], now: datetime) -> "WebhookDelivery":
        at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":"))
        return cls(webhook=webhook, kind=kind, occasion=occasion, body=body, created_at=now, next_try_at=now)

    @property
    def kind_label(self) -> str:
        return str(Webhook.Kind(self.kind).label) if self.kind in Webhook.Kind else gettext("Test")

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING

    def claim(self, *, now: datetime) -> bool:
        """Return True to the one caller who may make this attempt; if it dies, another may a minute later."""
        unchanged = WebhookDelivery.objects.filter(
            pk=self.pk, state=self.State.WAITING, next_try_at=self.next_try_at, attempts=self.attempts
        )
        if not unchanged.update(next_try_at=now + CLAIM, attempts=F("attempts") + 1, tried_at=now):
            return False
        self.attempts += 1
        return True

    def settle(self, outcome: Outcome, *, now: datetime) -> None:
        """Note what came of the attempt: delivered, to be tried again later, or given up."""
        after: dict[str, Any] = {"state": self.State.DELIVERED}
        if not outcome.is_success:
            is_last = self.attempts > len(RETRIES)
            wait = RETRIES[min(self.attempts, len(RETRIES)) - 1]
            after = {"state": self.State.GIVEN_UP} if is_last else {"next_try_at": now + wait}
        told = {"status": outcome.status, "error": outcome.problem[:300], "response": outcome.response}
        own = WebhookDelivery.objects.filter(pk=self.pk, state=self.State.WAITING, attempts=self.attempts)
        with transaction.atomic():
            own.update(**after, **told)
            if outcome.is_success:
                self.webhook.note_success()
            else:
                self.webhook.note_failure(outcome, now=now)

    def replay(self, *, now: datetime) -> bool:
        """Send it once more under the same id; return False if it waits to be sent anyway."""
        with transaction.atomic():
            over = WebhookDelivery.objects.filter(pk=self.pk, webhook__is_enabled=True).exclude(
                state=self.State.WAITING
            )
            if not over.update(state=self.State.WAITING, attempts=0, next_try_at=now):
                return False
            transaction.on_commit(send_soon, robust=True)
        return True
