"""Applications, OAuth's clients: those of an account, with the acts of who manages them, and self-registered ones."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication

from profiles.events import Action, Actor, Event
from profiles.models import Account, Member, Toolkit, User
from profiles.permissions import Role
from profiles.signals import authority_changed
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.connections import Connection
from tokens.models.delegated import DelegatedToken
from tokens.models.registering import SelfRegistered, SelfRegistration
from tokens.oauth.redirects import objection_to

if TYPE_CHECKING:
    from tokens.models.connections import ConnectionManager, ConnectionQuerySet
    from tokens.models.selecting import DelegatedTokenQuerySet

NOTE_USE_EVERY = timedelta(minutes=1)
CHANGEABLE = ("name", "redirect_uris", "may_exchange")


class AlreadyRegistered(Exception):
    """The same request came twice; its first arrival made this application, and its secret was shown then."""

    def __init__(self, application: "Application") -> None:
        super().__init__(f"This request has already registered {application}.")
        self.application = application


@dataclass(frozen=True, slots=True)
class Registered:
    """An application that was just made, and its secret if it has one: this object is the only place it is in."""

    application: "Application"
    key: keys.Key | None


class ApplicationQuerySet(SelfRegistered):
    def of(self, account: Account) -> Self:
        return self.filter(account=account)

    def with_counts(self) -> Self:
        """Annotate `connection_count`, the living consents."""
        living = Connection.objects.living().filter(application=OuterRef("pk")).order_by().values("application")
        counted = Subquery(living.annotate(number=Count("pk")).values("number"))
        return self.annotate(connection_count=Coalesce(counted, 0))


class ApplicationManager(SelfRegistration.from_queryset(ApplicationQuerySet)):  # type: ignore[misc]
    def exchanged_in(self, account: Account, now: datetime) -> dict[str, int]:
        """Return how many living tokens for the account's toolkits each application (client id) exchanged last."""
        living = DelegatedToken.objects.living(now).filter(account=account, exchanges__gt=0).order_by()
        counted = living.values("actors__0__client_id").annotate(number=Count("pk"))
        return dict(counted.values_list("actors__0__client_id", "number"))

    def register(
        self, account: Account, *, user: User, name: str, redirect_uris: Iterable[str] = (), may_exchange: bool = False,
        is_confidential: bool = True, request_key: uuid.UUID, by: Actor, now: datetime,
    ) -> Registered:  # fmt: skip
        """Make an application that signs people in (with redirect addresses), exchanges tokens, or both.

        Raise AlreadyRegistered when the person's request with this key has been answered before.
        """
        application = Application(
            account=account, user=user, name=name, redirect_uris="\n".join(redirect_uris), may_exchange=may_exchange,
            client_type=Application.CLIENT_CONFIDENTIAL if is_confidential else Application.CLIENT_PUBLIC,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        )  # fmt: skip
        with transaction.atomic():
            return self._insert(application, request_key, by, now)

    def register_machine(
        self, account: Account, *, user: User, name: str, role: Role, toolkits: Iterable[Toolkit] = (),
        request_key: uuid.UUID, by: Actor, now: datetime,
    ) -> Registered:  # fmt: skip
        """Make an application that runs without a person (RFC 6749 section 4.4), and the machine that it acts as.

        An end user gets the toolkits; a member may use all. Raise AlreadyRegistered as register() does.
        """
        application = Application(
            account=account, user=user, name=name, client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        )  # fmt: skip
        chosen = list(toolkits) if role is Role.END_USER else []
        granted = {"role": str(role), "toolkits": sorted(toolkit.alias for toolkit in chosen)}
        with transaction.atomic():
            registered = self._insert(application, request_key, by, now, **granted)
            member = User.objects.add_machine(account, application.client_id, name, role, by=by, now=now)
            self.filter(pk=application.pk).update(machine=member.user)
            application.machine = member.user
            member.assigned_toolkits.set(chosen)
        return registered

    def _insert(
        self, application: "Application", request_key: uuid.UUID, by: Actor, now: datetime, **granted: Any
    ) -> Registered:
        """Write the row; the client id follows from the request, so that one request makes one application."""
        application.client_id = _client_id(application.user, request_key)
        key = application._new_secret()
        try:
            with transaction.atomic():
                application.save(force_insert=True)
        except IntegrityError as error:
            if earlier := self.filter(client_id=application.client_id).first():
                raise AlreadyRegistered(earlier) from error
            raise
        Event.record(
            Action.APPLICATION_REGISTERED, by=by, now=now, account=application.account, subject=application,
            after={**application.described(), **granted},
        )  # fmt: skip
        return Registered(application, key if application.is_confidential else None)


def _client_id(user: User, request_key: uuid.UUID) -> str:
    digest = salted_hmac("tokens.applications", f"{user.pk}:{request_key}", algorithm="sha256").digest()
    return keys.base62(int.from_bytes(digest) % 62**keys.ID_LENGTH, keys.ID_LENGTH)


class Application(AbstractApplication):
    """An OAuth client: made in the portal for an account, or registered by itself (RFC 7591, or by its document).

    `user` is who made it. One of client credentials acts as a user of its own, its machine.
    """

    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="applications")
    may_exchange = models.BooleanField(
        _("token exchange"), default=False, help_text=_("May exchange tokens (RFC 8693).")
    )
    machine = models.OneToOneField(User, null=True, blank=True, on_delete=models.CASCADE, related_name="application")
    client_uri = models.URLField(max_length=300, blank=True)
    secret_last_four = models.CharField(max_length=4, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ApplicationManager] = ApplicationManager()
    connections: "ConnectionManager"
    connection_count: int  # only after with_counts()

    class Meta(AbstractApplication.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(hash_client_secret=True), name="application_secret_is_hashed"),
            models.CheckConstraint(
                condition=Q(registration_source="manual", account__isnull=False)
                | (~Q(registration_source="manual") & Q(account=None, machine=None, may_exchange=False)),
                name="application_of_an_account_is_made_by_hand",
            ),
            models.CheckConstraint(
                condition=Q(machine=None) | Q(authorization_grant_type="client-credentials"),
                name="application_machine_uses_client_credentials",
            ),
        ]

    def is_usable(self, request: Any) -> bool:
        return self.disabled_at is None

    def note_use(self, now: datetime) -> None:
        """Note that a token was answered, once a minute at most."""
        if self.last_used_at and self.last_used_at > now - NOTE_USE_EVERY:
            return
        Application.objects.filter(pk=self.pk).update(last_used_at=now)
        self.last_used_at = now

    def get_allowed_schemes(self) -> list[str]:
        """Return the schemes of its redirect URIs, but for those that nobody may register."""
        return [uri.partition(":")[0] for uri in self.redirect_uris.split() if not objection_to(uri)]

    def what_came_of_it(self, now: datetime) -> tuple["ConnectionQuerySet", "DelegatedTokenQuerySet"]:
        """Return the living connections, and the living tokens that it had a part in exchanging."""
        connections = Connection.objects.living().filter(application=self)
        return connections, DelegatedToken.objects.living(now).exchanged_by(self.client_id)

    @property
    def is_confidential(self) -> bool:
        return bool(self.client_type == self.CLIENT_CONFIDENTIAL)

    @property
    def runs_alone(self) -> bool:
        return bool(self.authorization_grant_type == self.GRANT_CLIENT_CREDENTIALS)

    @property
    def kinds(self) -> list[str]:
        """Return what it does, in words."""
        signs_in = self.authorization_grant_type == self.GRANT_AUTHORIZATION_CODE and bool(self.redirect_uris)
        said = [
            (signs_in, gettext("Signs people in")),
            (self.may_exchange, gettext("Exchanges tokens")),
            (self.runs_alone, gettext("On its own")),
        ]
        return [words for is_so, words in said if is_so]

    @property
    def masked(self) -> str:
        """Return how its secret is shown afterwards."""
        return keys.masked(self.client_id, self.secret_last_four, keys.Kind.CLIENT)

    @property
    def member(self) -> Member | None:
        """Return its machine's place in the account."""
        return Member.objects.filter(account=self.account, user=self.machine).first() if self.machine else None

    def described(self) -> dict[str, Any]:
        """Return what its events say of it."""
        return {
            "client_id": self.client_id, "name": self.name, "kinds": self.kinds, "client_type": self.client_type,
            "redirect_uris": self.redirect_uris.split(),
        }  # fmt: skip

    def change(self, *, by: Actor, now: datetime, **changes: Any) -> bool:
        """Change name, redirect addresses (one a line) or token exchange; return False if nothing was different.

        Without token exchange, what it exchanged before ends; without an address to send people back to, so do the
        sessions of those whom it signed in.
        """
        assert set(changes) <= set(CHANGEABLE)
        with transaction.atomic():
            stored = Application.objects.select_for_update().get(pk=self.pk)
            before = {name: getattr(stored, name) for name, value in changes.items() if getattr(stored, name) != value}
            if not before:
                return False
            after = {name: changes[name] for name in before}
            Application.objects.filter(pk=self.pk).update(**after, updated=now)
            for name, value in after.items():
                setattr(self, name, value)
            if self.machine and "name" in after:
                self.machine.change(by=by, now=now, name=after["name"])
            if before.get("redirect_uris") and not after["redirect_uris"]:
                self._end_connections("its application no longer signs people in", by, now)
            if before.get("may_exchange"):
                self._end_exchanged("its application no longer exchanges", by, now)
            self._note(Action.APPLICATION_CHANGED, by, now, before=before, after=after)
        return True

    def assign(self, role: Role, toolkits: Iterable[Toolkit], *, by: Actor, now: datetime) -> bool:
        """Give its machine a role, and an end user these toolkits, from the next call on; False if all was so."""
        with transaction.atomic():
            member = self.member
            if member is None:
                raise ValidationError(
                    gettext("Its machine is no longer a member of the account. Remove the application.")
                )
            is_changed = member.change_role(role, by=by, now=now)
            before = sorted(member.assigned_toolkits.values_list("alias", flat=True))
            chosen = list(toolkits) if role is Role.END_USER else []
            if before != (after := sorted(toolkit.alias for toolkit in chosen)):
                member.assigned_toolkits.set(chosen)
                authority_changed.send(Application, scope="owner", subject=str(self.machine_id))
                self._note(Action.APPLICATION_CHANGED, by, now, before={"toolkits": before}, after={"toolkits": after})
                is_changed = True
        return is_changed

    def replace_secret(self, last_four: str, *, by: Actor, now: datetime) -> keys.Key | None:
        """Give it another secret; the one that ends in these four characters is refused before this returns.

        Return None if that one has been replaced already: the same request came twice.
        """
        with transaction.atomic():
            stored = Application.objects.select_for_update().get(pk=self.pk)
            if not stored.is_confidential or stored.secret_last_four != last_four:
                return None
            key = stored._new_secret()
            stored.save(update_fields=["client_secret", "secret_last_four", "updated"])
            self.secret_last_four = stored.secret_last_four
            self._note(Action.APPLICATION_SECRET_REPLACED, by, now)
        return key

    def disable(self, *, by: Actor, now: datetime) -> bool:
        """Refuse it, and its access tokens, until it is enabled; what it exchanged ends for good."""
        with transaction.atomic():
            return self._switch(now, by, now)

    def enable(self, *, by: Actor, now: datetime) -> bool:
        """Take it again, and those of its access tokens that have not ended."""
        with transaction.atomic():
            return self._switch(None, by, now)

    def remove(self, *, by: Actor, now: datetime) -> bool:
        """Delete it; connections, sessions and tokens that came of it end, everywhere, before this returns.

        Return False if it was gone already.

        Its machine stays as a disabled user without a role, so that tokens and calls keep their owner.
        """
        with transaction.atomic():
            if not Application.objects.select_for_update().filter(pk=self.pk).exists():
                return False
            self._end_exchanged("its application was removed", by, now)
            self._end_connections("application removed", by, now)
            if self.machine:
                if member := self.member:
                    member.remove(by=by, now=now)
                self.machine.disable(by=by, now=now)
            self._note(Action.APPLICATION_REMOVED, by, now, before=self.described())
            self.delete()
        return True

    def _switch(self, disabled_at: datetime | None, by: Actor, now: datetime) -> bool:
        was_enabled = disabled_at is not None
        found = Application.objects.filter(pk=self.pk, disabled_at__isnull=was_enabled)
        if not found.update(disabled_at=disabled_at):
            return False
        self.disabled_at = disabled_at
        if disabled_at:
            self._end_exchanged("its application was disabled", by, now)
        if connected := list(self.connections.living().values_list("pk", flat=True)):
            Authority.objects.advance(AuthorityChange.Scope.CONNECTION, connected)
        before, after = {"disabled": not was_enabled}, {"disabled": was_enabled}
        self._note(Action.APPLICATION_CHANGED, by, now, before=before, after=after)
        return True

    def _end_connections(self, why: str, by: Actor, now: datetime) -> None:
        for connected in self.connections.living().select_related("account", "toolkit", "application"):
            connected.revoke(by=by, reason=why, now=now)

    def _end_exchanged(self, why: str, by: Actor, now: datetime) -> None:
        exchanged = DelegatedToken.objects.living(now).exchanged_by(self.client_id)
        exchanged.end_families(by=by, reason=DelegatedToken.Reason.PARENT, note=why, now=now)

    def _new_secret(self) -> keys.Key:
        """Set a fresh secret, which is hashed when the row is saved; of a public application nobody learns it."""
        key = keys.make(keys.Kind.CLIENT, self.client_id)
        self.client_secret = key.text
        self.secret_last_four = key.last_four if self.is_confidential else ""
        return key

    def _note(self, action: Action, by: Actor, now: datetime, *, before: Any = None, after: Any = None) -> None:
        Event.record(action, by=by, now=now, account=self.account, subject=self, before=before, after=after)
