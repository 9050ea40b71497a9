"""Security-relevant acts, append-only: written by every app, in the transaction of the act.

Rows have no foreign keys and copy the names they show, so that they outlive what they describe.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from profiles.signals import events_recorded

ROWS = 1000  # in one INSERT


class Action(models.TextChoices):
    SIGNED_IN = "user.signed_in", _("signed in")
    SIGN_IN_FAILED = "user.sign_in_failed", _("failed to sign in")
    SIGN_IN_LINK_MADE = "user.sign_in_link_made", _("made a sign-in link")
    CONFIRMED = "user.confirmed", _("confirmed who they are")
    SIGNED_OUT = "user.signed_out", _("signed out")
    SESSIONS_ENDED = "user.sessions_ended", _("ended sessions of browsers")
    PASSWORD_CHANGED = "user.password_changed", _("changed the password")
    EMAIL_CHANGED = "user.email_changed", _("changed the e-mail address")
    FACTOR_ADDED = "user.factor_added", _("added a second factor")
    FACTOR_CHANGED = "user.factor_changed", _("renamed a passkey")
    FACTOR_REMOVED = "user.factor_removed", _("removed a second factor")
    RECOVERY_CODES_MADE = "user.recovery_codes_made", _("made recovery codes")
    RECOVERY_CODE_USED = "user.recovery_code_used", _("used a recovery code")
    USER_DELETED = "user.deleted", _("deleted their account")
    USER_ADDED = "user.added", _("added a user")
    USER_CHANGED = "user.changed", _("changed a user")
    USER_DISABLED = "user.disabled", _("disabled a user")
    USER_ENABLED = "user.enabled", _("enabled a user")
    ACCOUNT_ADDED = "account.added", _("added an account")
    ACCOUNT_CHANGED = "account.changed", _("changed an account")
    ACCOUNT_DELETED = "account.deleted", _("deleted an account")
    MEMBER_ADDED = "member.added", _("added a member")
    MEMBER_CHANGED = "member.changed", _("changed a member's role")
    MEMBER_REMOVED = "member.removed", _("removed a member")
    INVITATION_SENT = "invitation.sent", _("invited somebody")
    INVITATION_ACCEPTED = "invitation.accepted", _("accepted an invitation")
    INVITATION_CANCELLED = "invitation.cancelled", _("cancelled an invitation")
    SERVER_ADDED = "server.added", _("added a server")
    SERVER_CHANGED = "server.changed", _("changed a server")
    SERVER_REMOVED = "server.removed", _("removed a server")
    TOOLKIT_CREATED = "toolkit.created", _("created a toolkit")
    TOOLKIT_CHANGED = "toolkit.changed", _("changed a toolkit")
    TOOLKIT_DELETED = "toolkit.deleted", _("deleted a toolkit")
    AUTHORIZATION_CONNECTED = "authorization.connected", _("connected an authorization")
    AUTHORIZATION_CHANGED = "authorization.changed", _("changed an authorization")
    AUTHORIZATION_ENDED = "authorization.ended", _("ended an authorization")
    AUTHORIZATION_DIED = "authorization.died", _("authorization no longer taken")
    TOOLS_ALTERED = "toolkit.tools_altered", _("altered tools of a toolkit")
    TOKEN_ISSUED = "token.issued", _("issued a token")
    TOKEN_REVOKED = "token.revoked", _("revoked a token")
    TOKEN_EXPIRED = "token.expired", _("token expired")
    TOKEN_FIRST_USED = "token.first_used", _("token first used")
    TOKEN_REMINDED = "token.reminded", _("reminded of a token's end")
    TOKEN_REPLACED = "token.replaced", _("replaced a token")
    TOKEN_ACTIVATED = "token.activated", _("token took over")
    TOKEN_OVERLAP_ENDED = "token.overlap_ended", _("replaced token ended")
    TOKEN_REUSED = "token.reused", _("ended token used")
    TOKEN_PAUSED = "token.paused", _("paused a token")
    TOKEN_RESUMED = "token.resumed", _("resumed a token")
    TOKEN_NARROWED = "token.narrowed", _("narrowed a token")
    TOKEN_UNEXPECTED = "token.unexpected", _("unexpected use of a token")
    TOKEN_USE_ACCEPTED = "token.use_accepted", _("found unexpected use of a token fine")
    TOKEN_LEAK_REPORTED = "token.leak_reported", _("reported a leaked token")
    ACCOUNT_PAUSED = "account.paused", _("paused an account")
    ACCOUNT_RESUMED = "account.resumed", _("resumed an account")
    TOOLKIT_PAUSED = "toolkit.paused", _("paused a toolkit")
    TOOLKIT_RESUMED = "toolkit.resumed", _("resumed a toolkit")
    TOOLKIT_ARCHIVED = "toolkit.archived", _("archived a toolkit")
    TOOLKIT_RESTORED = "toolkit.restored", _("restored a toolkit")
    POLICY_CHANGED = "policy.changed", _("changed a policy")
    NOTIFICATIONS_CHANGED = "user.notifications_changed", _("changed notifications")
    WEBHOOK_ADDED = "webhook.added", _("added a webhook")
    WEBHOOK_CHANGED = "webhook.changed", _("changed a webhook")
    WEBHOOK_REMOVED = "webhook.removed", _("removed a webhook")
    FEED_MADE = "feed.made", _("made a calendar feed")
    FEED_REVOKED = "feed.revoked", _("revoked a calendar feed")
    KEY_MADE = "key.made", _("made a management key")
    KEY_REVOKED = "key.revoked", _("revoked a management key")
    TOKEN_IN_URL = "token.in_url", _("token sent in a URL")
    APPLICATION_REGISTERED = "application.registered", _("registered an application")
    APPLICATION_CHANGED = "application.changed", _("changed an application")
    APPLICATION_SECRET_REPLACED = "application.secret_replaced", _("replaced an application's secret")
    APPLICATION_REMOVED = "application.removed", _("removed an application")
    APPLICATION_CONNECTED = "application.connected", _("connected an application")
    APPLICATION_DISCONNECTED = "application.disconnected", _("disconnected an application")
    SESSION_BEGAN = "session.began", _("signed in with an application")
    SESSION_ENDED = "session.ended", _("ended a session of an application")
    CODE_REUSED = "session.code_reused", _("authorization code used twice")
    REFRESH_REUSED = "session.refresh_reused", _("refresh token used twice")
    ACTIVITY_EXPORTED = "activity.exported", _("exported activity")


class ActorKind(models.TextChoices):
    USER = "user", _("person")
    OPERATOR = "operator", _("operator")
    TOKEN = "token", _("token")
    APPLICATION = "app", _("application")
    SYSTEM = "system", _("system")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where."""

    kind: ActorKind
    id: str = ""
    label: str = ""
    address: str = ""
    agent: str = ""
    request_id: str = ""

    @classmethod
    def from_request(cls, request: HttpRequest) -> "Actor":
        """Return the signed-in person or their key; the address is the one that the trusted proxies vouch for."""
        by_key = getattr(request, "_actor", None)
        if isinstance(by_key, cls):
            return by_key
        return cls(
            kind=ActorKind.USER,
            id=str(request.user.pk or ""),
            label=str(request.user),
            address=request.META.get("REMOTE_ADDR", ""),
            agent=request.headers.get("User-Agent", "")[:300],
            request_id=request.META.get("nexus.request_id", ""),
        )

    @classmethod
    def operator(cls, command: str) -> "Actor":
        """Return whoever has a shell on the machine."""
        return cls(kind=ActorKind.OPERATOR, label=f"operator ({command})")

    @classmethod
    def system(cls, job: str) -> "Actor":
        return cls(kind=ActorKind.SYSTEM, label=job)


class EventQuerySet(models.QuerySet["Event"]):
    def update(self, **changes: Any) -> int:
        raise TypeError("Events are append-only.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Events are append-only.")


class Event(models.Model):
    """One act: who did what to what, and what it changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=40, choices=Action.choices)
    account_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200, blank=True)
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.CharField(max_length=64, blank=True)
    subject_label = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["account_id", "-at"], name="event_of_account"),
            models.Index(fields=["subject_kind", "subject_id", "-at"], name="event_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.get_action_display()} {self.subject_label}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Events are append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Events are append-only.")

    @classmethod
    def record(
        cls,
        action: Action,
        *,
        by: Actor,
        now: datetime,
        account: models.Model | None = None,
        subject: models.Model | None = None,
        reason: str = "",
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> "Event":
        """Write the event of an act; call it inside the transaction of the act."""
        event = cls.unwritten(
            action, by=by, now=now, account=account, subject=subject, reason=reason, before=before, after=after
        )
        event.save(force_insert=True)
        return event

    @classmethod
    def record_all(cls, events: "Iterable[Event]") -> None:
        """Write the events of many acts; call it inside the transaction of the acts."""
        written = cls._default_manager.bulk_create(events, batch_size=ROWS)
        events_recorded.send(cls, events=written)

    @classmethod
    def unwritten(
        cls,
        action: Action,
        *,
        by: Actor,
        now: datetime,
        account: models.Model | None = None,
        subject: models.Model | None = None,
        reason: str = "",
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> "Event":
        """Return the event of one of many acts, which are written together, in the transaction of the acts."""
        return cls(
            at=now,
            action=action,
            account_id=account.pk if account else None,
            actor_kind=by.kind,
            actor_id=by.id,
            actor_label=by.label[:200],
            subject_kind=(subject._meta.model_name or "") if subject else "",
            subject_id=str(subject.pk) if subject else "",
            subject_label=str(subject)[:200] if subject else "",
            reason=reason[:500],
            before=before or {},
            after=after or {},
            address=by.address,
            agent=by.agent,
            request_id=by.request_id,
        )
