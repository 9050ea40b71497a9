"""What a person let an application do: the connection they agreed to, and the sessions that came of it."""

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models import Account, Toolkit, User
from profiles.permissions import Act
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from tokens.models.applications import Application
    from tokens.models.delegated import DelegatedTokenManager

SESSION_LIFE = timedelta(days=30)  # from sign-in to the absolute end, however often it is refreshed
REFRESH_LIFE = timedelta(days=14)  # a session that is not refreshed for so long ends
ACCESS_LIFE = timedelta(hours=1)
CODE_LIFE = timedelta(minutes=1)
SESSIONS_KEPT = timedelta(days=30)  # after their end: so long a spent refresh token is known as one
SWEEP_BATCH = 500


class Refused(Enum):
    """Why a code or a refresh token gives nothing (RFC 6749 section 5.2, invalid_grant), in words for its client."""

    CODE_UNKNOWN = "This code is unknown, or was issued to another client. Start the sign-in again."
    CODE_USED = "This code was used before, so the session that it began has ended. Start the sign-in again."
    CODE_EXPIRED = "This code has expired: it is good for one minute. Start the sign-in again."
    OTHER_REDIRECT = "The redirect_uri is not the one that the code was sent to. Start the sign-in again."
    WRONG_VERIFIER = (
        "The code_verifier is missing or does not fit the code_challenge (RFC 7636, S256). Start the sign-in again."
    )
    REFRESH_UNKNOWN = "This refresh token is unknown, or was issued to another client. Sign in again."
    REFRESH_USED = "This refresh token was used before, so its session has ended. Sign in again."
    REFRESH_EXPIRED = "This refresh token has expired, because it was not used for too long. Sign in again."
    SESSION_ENDED = "This session has ended. Sign in again."
    DISCONNECTED = "The application was disconnected from the toolkit. Sign in again to connect it anew."
    OWNER_GONE = "The person or machine that this session acts for may not sign in any more. Ask an administrator."
    TOOLKIT_GONE = "Who this session acts for may not use its toolkit any more. Ask an administrator of the account."


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def living(self) -> Self:
        return self.filter(revoked_at=None)

    def visible_to(self, user: User) -> Self:
        """Return the person's own connections, and all of the accounts where they may revoke."""
        return self.filter(Q(owner=user) | Q(account__in=Account.objects.where(user, Act.SEE_ACTIVITY)))

    def older_than(self, other: "Connection") -> Self:
        """Return those that come after it in a list."""
        return self.filter(Q(agreed_at__lt=other.agreed_at) | Q(agreed_at=other.agreed_at, pk__lt=other.pk))

    def with_sessions(self, now: datetime) -> Self:
        """Add how many sessions live."""
        living = OAuthSession.objects.filter(connection=OuterRef("pk"), ended_at=None, ends_at__gt=now)
        counted = living.order_by().values("connection").annotate(number=Count("pk")).values("number")
        return self.annotate(session_count=Coalesce(Subquery(counted), 0))

    def touch(self, used: dict[int, datetime]) -> None:
        """Note when connections (by id) were last used."""
        for pk, at in used.items():
            self.filter(pk=pk).filter(Q(last_used_at=None) | Q(last_used_at__lt=at)).update(last_used_at=at)


class ConnectionManager(models.Manager.from_queryset(ConnectionQuerySet)):  # type: ignore[misc]
    def connect(
        self, application: "Application", owner: User, toolkit: Toolkit, *, scope: str, by: Actor, now: datetime,
        lasts: timedelta = SESSION_LIFE,
    ) -> "Connection":  # fmt: skip
        """Return the owner's connection of the application to the toolkit, made or widened to this scope and life."""
        with transaction.atomic():
            connection, is_new = self.get_or_create(
                application=application, owner=owner, toolkit=toolkit, revoked_at=None,
                defaults={
                    "account": toolkit.account, "public_id": keys.new_public_id(), "scope": scope, "lasts": lasts,
                    "agreed_at": now,
                },
            )  # fmt: skip
            if not is_new and (connection.scope, connection.lasts) != (scope, lasts):
                self.filter(pk=connection.pk).update(scope=scope, lasts=lasts, agreed_at=now)
                connection.scope, connection.lasts, connection.agreed_at = scope, lasts, now
            if is_new:
                Event.record(
                    Action.APPLICATION_CONNECTED, by=by, now=now, account=toolkit.account, subject=connection,
                    after={"toolkit": toolkit.alias, "scope": scope, "client_id": application.client_id},
                )  # fmt: skip
        found: Connection = connection
        return found


class Connection(models.Model):
    """A person's consent that an application uses one toolkit on their behalf; remembered until it is revoked.

    Its public id is part of every access and refresh token that comes of it, so that a token in a log can be told.
    """

    public_id = models.CharField(max_length=12, unique=True, editable=False)
    application = models.ForeignKey("tokens.Application", on_delete=models.CASCADE, related_name="connections")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="connections")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="connections")
    toolkit = models.ForeignKey(Toolkit, on_delete=models.CASCADE, related_name="connections")
    scope = models.CharField(max_length=300)
    lasts = models.DurationField(default=SESSION_LIFE, help_text=_("How long a session lives from sign-in on."))
    agreed_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ConnectionManager] = ConnectionManager()
    sessions: "RelatedManager[OAuthSession]"
    session_count: int  # only after with_sessions()

    class Meta:
        ordering = ["-agreed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "owner", "toolkit"], condition=Q(revoked_at=None), name="connection_once"
            )
        ]
        indexes = [models.Index(fields=["account", "-agreed_at", "-id"], name="connection_of_account")]

    def __str__(self) -> str:
        return f"{self.application} ({self.toolkit.alias})"

    def refusal(self) -> Refused | None:
        """Return why nothing may come of the consent any more, or None. A pause or archive is the hub's to say."""
        if self.revoked_at:
            return Refused.DISCONNECTED
        if not self.owner.is_active:
            return Refused.OWNER_GONE
        is_usable = Toolkit.objects.open_to(self.owner).filter(pk=self.toolkit_id).exists()
        return None if is_usable else Refused.TOOLKIT_GONE

    def begin_session(self, *, ends_at: datetime, by: Actor, now: datetime) -> "OAuthSession":
        """Begin a session. Whoever revokes the consent meanwhile waits, and then finds it; or it begins in vain."""
        with transaction.atomic():
            list(Connection.objects.select_for_update(no_key=True).filter(pk=self.pk).values_list("pk"))
            session = OAuthSession.objects.create(
                connection=self, began_at=now, ends_at=ends_at, address=by.address, agent=by.agent
            )
            Event.record(
                Action.SESSION_BEGAN, by=by, now=now, account=self.account, subject=self,
                after={"toolkit": self.toolkit.alias, "ends_at": ends_at.isoformat()},
            )  # fmt: skip
        return session

    def revoke(self, *, by: Actor, reason: str = "", now: datetime) -> bool:
        """End the consent and all that came of it, everywhere, before this returns; False if it had ended already."""
        with transaction.atomic():
            if not Connection.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now):
                return False
            self.revoked_at = now
            living = list(self.sessions.filter(ended_at=None))
            # First: an exchange that is under way holds its session, and is waited for here.
            self.sessions.filter(ended_at=None).update(ended_at=now)
            for session in living:
                session.end_what_came_of_it(by=by, now=now)
            Event.record(
                Action.APPLICATION_DISCONNECTED, by=by, now=now, account=self.account, subject=self, reason=reason
            )
            Authority.objects.advance(AuthorityChange.Scope.CONNECTION, [self.pk])
        return True


class OAuthSessionManager(models.Manager["OAuthSession"]):
    def with_connection(self) -> "models.QuerySet[OAuthSession]":
        return self.select_related("connection__owner", "connection__account", "connection__toolkit")

    def sweep(self, now: datetime) -> int:
        """Delete, in batches, those long over and all their tokens; return how many sessions.

        One that a delegated token came of stays: that token's page leads to it.
        """
        swept, before = 0, now - SESSIONS_KEPT
        over = self.filter(Q(ends_at__lt=before) | Q(ended_at__lt=before), exchanged=None).order_by("pk")
        while batch := list(over.values_list("pk", flat=True)[:SWEEP_BATCH]):
            self.filter(pk__in=batch).delete()
            swept += len(batch)
        return swept


class OAuthSession(models.Model):
    """One sign-in with an application: access and refresh tokens that follow each other, up to an absolute end."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="sessions")
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=300, blank=True)

    objects: ClassVar[OAuthSessionManager] = OAuthSessionManager()
    exchanged: "DelegatedTokenManager"

    class Meta:
        ordering = ["-began_at", "-id"]
        verbose_name = _("OAuth session")

    def __str__(self) -> str:
        return f"{self.connection}, {self.began_at:%d %b %Y}"

    def refusal(self, now: datetime) -> Refused | None:
        """Return why no token may come of the session any more, or None."""
        if refused := self.connection.refusal():
            return refused
        return Refused.SESSION_ENDED if self.ended_at or self.ends_at <= now else None

    def end(self, *, by: Actor, action: Action = Action.SESSION_ENDED, reason: str = "", now: datetime) -> bool:
        """End the session and the tokens that came of it, everywhere; return False if it had ended already."""
        with transaction.atomic():
            if not OAuthSession.objects.filter(pk=self.pk, ended_at=None).update(ended_at=now):
                return False
            self.ended_at = now
            connection = self.connection
            Event.record(action, by=by, now=now, account=connection.account, subject=connection, reason=reason)
            self.end_what_came_of_it(by=by, now=now)
            Authority.objects.advance(AuthorityChange.Scope.CONNECTION, [connection.pk])
        return True

    def end_what_came_of_it(self, *, by: Actor, now: datetime) -> None:
        """Revoke the delegated tokens that were exchanged for a token of this session."""
        self.exchanged.living(now).end_with_origin(by=by, now=now)
