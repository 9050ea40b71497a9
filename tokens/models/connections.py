"""What a person let an application do: the connection they agreed to, and the sessions that came of it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Q

from profiles.events import Action, Actor, Event
from profiles.models import Account, Toolkit, User
from profiles.permissions import Act
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from tokens.models.delegated import DelegatedTokenManager
    from tokens.models.oauth import Application

SESSION_LIFE = timedelta(days=30)  # from sign-in to the absolute end, however often it is refreshed
REFRESH_LIFE = timedelta(days=14)  # a session that is not refreshed for so long ends
ACCESS_LIFE = timedelta(hours=1)
CODE_LIFE = timedelta(minutes=1)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def living(self) -> Self:
        return self.filter(revoked_at=None)

    def visible_to(self, user: User) -> Self:
        """Return the person's own connections, and all of the accounts where they may revoke."""
        return self.filter(Q(owner=user) | Q(account__in=Account.objects.where(user, Act.SEE_ACTIVITY)))

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
    lasts = models.DurationField(default=SESSION_LIFE, help_text="How long a session lives from sign-in on.")
    agreed_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ConnectionManager] = ConnectionManager()
    sessions: "RelatedManager[OAuthSession]"

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

    def begin_session(self, *, ends_at: datetime, by: Actor, now: datetime) -> "OAuthSession":
        return OAuthSession.objects.create(
            connection=self, began_at=now, ends_at=ends_at, address=by.address, agent=by.agent
        )

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


class OAuthSession(models.Model):
    """One sign-in with an application: access and refresh tokens that follow each other, up to an absolute end."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="sessions")
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    exchanged: "DelegatedTokenManager"

    class Meta:
        ordering = ["-began_at", "-id"]
        verbose_name = "OAuth session"

    def __str__(self) -> str:
        return f"{self.connection}, {self.began_at:%d %b %Y}"

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
