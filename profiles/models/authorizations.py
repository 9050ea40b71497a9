"""Stored upstream credentials: whose they are, for whom and for which toolkits they are good, and which is used."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from profiles.encryption import Secret
from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account
from profiles.models.entries import ToolkitServer
from profiles.models.people import User
from profiles.models.servers import Server
from profiles.models.toolkits import Toolkit
from profiles.permissions import Act, Reach, roles_with
from profiles.signals import authority_changed

REFRESH_BEFORE = timedelta(seconds=60)  # its expiry
REFRESH_PATIENCE = timedelta(seconds=30)  # after which another process may refresh what one has claimed


@dataclass(frozen=True, slots=True)
class Grant:
    """What an authorization server gave: the tokens, and what is needed to ask for the next ones."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    scopes: str = ""
    expires_at: datetime | None = None
    issuer: str = ""
    token_endpoint: str = ""
    resource: str = ""
    client_id: str = ""
    client_method: str = ""  # how the client authenticates at the token endpoint


class AuthorizationQuerySet(models.QuerySet["Authorization"]):
    def living(self) -> Self:
        return self.filter(revoked_at=None, server__removed_at=None)

    def visible_to(self, user: User) -> Self:
        """Return those that the person may look at in any account: their own, or all."""
        everything = Account.objects.where(user, Act.AUTHORIZE)
        own = Account.objects.filter(members__user=user, members__role__in=roles_with(Act.AUTHORIZE, Reach.OWN))
        return self.filter(Q(account__in=everything) | Q(account__in=own, owner=user))

    def seen_by(self, user: User, account: Account) -> Self:
        """Return those that the person may look at in this account."""
        return self.visible_to(user).filter(account=account)

    def may_connect(self, user: User, account: Account) -> bool:
        return account.role_of(user) in [*roles_with(Act.AUTHORIZE), *roles_with(Act.AUTHORIZE, Reach.OWN)]

    def usable(self, now: datetime) -> Self:
        """Return those that open their server as it is now: same address, same way to sign in, not expired or dead."""
        lasts = Q(expires_at=None) | Q(expires_at__gt=now) | ~Q(encrypted_refresh_token="")
        return self.living().filter(lasts, dead_since=None, kind=F("server__authentication"), url=F("server__url"))

    def reaching(self, owner_id: int | None, account_id: uuid.UUID | None) -> Self:
        """Return the person's own, and those of the whole organization; for nobody in particular, the latter."""
        shared = Q(visibility=Authorization.Visibility.ORGANIZATION)
        return self.filter(shared | Q(owner=owner_id) if owner_id else shared, account=account_id)

    def in_order(self, *first: str) -> Self:
        personal = Case(When(visibility=Authorization.Visibility.USER, then=Value(0)), default=Value(1))
        return self.order_by(*first, personal, "-created_at", "-pk")

    def for_call(
        self, server: Server, *, owner_id: int, account_id: uuid.UUID, toolkit_id: uuid.UUID, now: datetime
    ) -> "Authorization | None":
        """Return the one that signs in this call: assigned to the toolkit before unassigned, the person's own before
        the organization's, the newest first. One that is assigned to other toolkits only is for those."""
        assignments = Authorization.toolkits.through.objects.filter(authorization=OuterRef("pk"))
        found = (
            self.usable(now)
            .filter(server=server)
            .reaching(owner_id, account_id)
            .annotate(is_here=Exists(assignments.filter(toolkit=toolkit_id)), is_assigned=Exists(assignments))
            .filter(Q(is_here=True) | Q(is_assigned=False))
            .in_order("-is_here")
            .select_related("server")
        )
        return next((authorization for authorization in found if authorization.covers_scopes), None)

    def for_listing(
        self, server: Server, account: Account | None, *, user: User | None = None, now: datetime
    ) -> "Authorization | None":
        """Return the one with which the server's tools are listed: of who asks, if any, else the organization's."""
        account_id = account.pk if account else server.account_id
        usable = self.usable(now).filter(server=server).reaching(user.pk if user else None, account_id)
        fitting = (found for found in usable.in_order().select_related("server") if found.covers_scopes)
        return next(fitting, None)

    def missing_for(self, user: User, toolkits: Iterable[Toolkit], *, now: datetime) -> dict[uuid.UUID, list[Server]]:
        """Return, by toolkit, the servers that want a sign-in and that nothing would sign this person in at."""
        ids = [toolkit.pk for toolkit in toolkits]
        places = ToolkitServer.objects.filter(toolkit__in=ids, server__removed_at=None)
        wanting = list(places.exclude(server__authentication="none").select_related("server", "toolkit"))
        if not wanting:
            return {}
        at_hand = self.usable(now).filter(server__in={place.server_id for place in wanting})
        at_hand = at_hand.filter(Q(owner=user) | Q(visibility=Authorization.Visibility.ORGANIZATION))
        found = list(at_hand.select_related("server").prefetch_related("toolkits"))
        missing: dict[uuid.UUID, list[Server]] = {}
        for place in wanting:
            if not any(one.is_good_for(place.server_id, place.toolkit) for one in found):
                missing.setdefault(place.toolkit_id, []).append(place.server)
        return missing

    def end(self, *, by: Actor, now: datetime, reason: str = "") -> int:
        """End all of these; return how many still lived."""
        living = self.filter(revoked_at=None).select_related("server", "account", "owner")
        return sum(authorization.end(by=by, now=now, reason=reason) for authorization in living)

    def touch(self, used: dict[uuid.UUID, datetime]) -> None:
        """Note when authorizations (by id) were last used."""
        for pk, at in used.items():
            self.filter(Q(last_used_at=None) | Q(last_used_at__lt=at), pk=pk).update(last_used_at=at)


class AuthorizationManager(models.Manager.from_queryset(AuthorizationQuerySet)):  # type: ignore[misc]
    def connect(
        self, server: Server, account: Account, owner: User, grant: Grant, *, by: Actor, now: datetime
    ) -> "Authorization":
        """Store a credential of the person for the server. One of theirs that no longer works gives way to it, and
        leaves it its toolkits and its visibility."""
        with transaction.atomic():
            authorization = Authorization(
                server=server, account=account, owner=owner, kind=server.authentication, url=server.url,
                created_at=now, issuer=grant.issuer, token_endpoint=grant.token_endpoint, resource=grant.resource,
                client_id=grant.client_id, client_method=grant.client_method, scopes=grant.scopes,
                expires_at=grant.expires_at,
            )  # fmt: skip
            authorization.secret, authorization.refresh_token = grant.access_token, grant.refresh_token
            authorization.save(force_insert=True)
            authorization._take_over_from_dead(by, now)
            after = {"visibility": authorization.visibility, "kind": authorization.kind, "scopes": grant.scopes}
            authorization._note(Action.AUTHORIZATION_CONNECTED, by, now, after=after)
        return authorization


class Authorization(models.Model):
    """A credential of one person for one server, in one account."""

    class Visibility(models.TextChoices):
        USER = "user", _("its owner")
        ORGANIZATION = "organization", _("the whole account")

    class State(models.TextChoices):
        WORKS = "works", _("Works")
        NARROW = "narrow", _("too few scopes")
        ELSEWHERE = "elsewhere", _("the server changed")
        EXPIRED = "expired", _("Expired")
        DEAD = "dead", _("sign in again")
        ENDED = "ended", _("Ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="authorizations")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="authorizations")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="authorizations")
    visibility = models.CharField(max_length=12, choices=Visibility.choices, default=Visibility.USER)
    toolkits: "models.ManyToManyField[Any, Any]" = models.ManyToManyField(
        Toolkit, blank=True, related_name="authorizations"
    )
    kind = models.CharField(max_length=8, choices=Server.Authentication.choices)
    url = models.CharField(
        max_length=500, help_text=_("The server's address when it was stored: it goes nowhere else.")
    )
    encrypted_secret = models.TextField(blank=True, editable=False)
    encrypted_refresh_token = models.TextField(blank=True, editable=False)
    secret = Secret("encrypted_secret")
    refresh_token = Secret("encrypted_refresh_token")
    scopes = models.TextField(blank=True)
    issuer = models.CharField(max_length=500, blank=True)
    token_endpoint = models.CharField(max_length=500, blank=True)
    resource = models.CharField(max_length=500, blank=True)
    client_id = models.CharField(max_length=500, blank=True)
    client_method = models.CharField(max_length=30, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    refreshing_until = models.DateTimeField(null=True, blank=True, help_text=_("Until when one process refreshes it."))
    dead_since = models.DateTimeField(null=True, blank=True)
    dead_reason = models.CharField(max_length=300, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[AuthorizationManager] = AuthorizationManager()

    class Meta:
        indexes = [
            models.Index(
                fields=["server", "account"], condition=Q(revoked_at=None), name="authorization_living"
            ),
            models.Index(fields=["account", "-created_at"], name="authorization_of_account"),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(encrypted_secret="", encrypted_refresh_token=""),
                name="authorization_ended_keeps_no_secret",
            ),
            models.CheckConstraint(condition=~Q(kind="none"), name="authorization_is_of_some_kind"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.server} of {self.owner}"

    def state(self, now: datetime) -> "Authorization.State":
        states = [
            (self.revoked_at is not None, self.State.ENDED),
            (self.dead_since is not None, self.State.DEAD),
            (self.url != self.server.url or self.kind != self.server.authentication, self.State.ELSEWHERE),
            (bool(self.expires_at) and not self.is_lasting(now), self.State.EXPIRED),
            (not self.covers_scopes, self.State.NARROW),
        ]
        return next((state for holds, state in states if holds), self.State.WORKS)

    def is_lasting(self, now: datetime) -> bool:
        return bool(self.encrypted_refresh_token) or self.expires_at is None or now < self.expires_at

    @property
    def covers_scopes(self) -> bool:
        return self.kind != Server.Authentication.OAUTH or self.server.wanted_scopes <= set(self.scopes.split())

    def is_good_for(self, server_id: uuid.UUID, toolkit: Toolkit) -> bool:
        """Return True if a call to the server through the toolkit may use it; the toolkits are to be prefetched."""
        assigned = {each.pk for each in self.toolkits.all()}
        is_ours = self.server_id == server_id and self.account_id == toolkit.account_id
        return is_ours and self.covers_scopes and (not assigned or toolkit.pk in assigned)

    @property
    def header(self) -> tuple[str, str]:
        """Return the name and the value of the header that signs in; raise Unreadable."""
        if self.kind == Server.Authentication.HEADER:
            return self.server.header_name, self.secret
        return "Authorization", f"Bearer {self.secret}"

    def is_over_by(self, status: int, challenge: str) -> bool:
        """Return True if this refusal means that the credential is no longer good: a 403 may only mean one request,
        and after OAuth always does (RFC 6750 section 3.1)."""
        is_scope = self.kind == Server.Authentication.OAUTH or "insufficient_scope" in challenge
        return status == 401 or not is_scope

    def change_visibility(self, visibility: str, *, by: Actor, now: datetime) -> bool:
        """Show it to its owner alone, or to the whole account; return False if it is so already."""
        with transaction.atomic():
            before = Authorization.objects.select_for_update().get(pk=self.pk).visibility
            if before == visibility or not self._update(visibility=visibility):
                return False
            after = {"visibility": visibility}
            self._note(Action.AUTHORIZATION_CHANGED, by, now, before={"visibility": before}, after=after)
        return True

    def assign(self, toolkits: Iterable[Toolkit], *, by: Actor, now: datetime) -> bool:
        """Reserve it for exactly these toolkits of its account; for none of them, it is good for all."""
        wanted = {toolkit.pk: toolkit for toolkit in toolkits if toolkit.account_id == self.account_id}
        with transaction.atomic():
            Authorization.objects.select_for_update().get(pk=self.pk)
            before = {toolkit.pk: toolkit for toolkit in self.toolkits.all()}
            if before.keys() == wanted.keys():
                return False
            self.toolkits.set(wanted.values())
            aliases = [{"toolkits": sorted(toolkit.alias for toolkit in of.values())} for of in (before, wanted)]
            self._note(Action.AUTHORIZATION_CHANGED, by, now, before=aliases[0], after=aliases[1])
        return True

    def end(self, *, by: Actor, now: datetime, reason: str = "") -> bool:
        """End it at the next call and forget its secret; return False if it had ended. Its server is not told."""
        with transaction.atomic():
            if not self._update(revoked_at=now, encrypted_secret="", encrypted_refresh_token=""):
                return False
            self._note(Action.AUTHORIZATION_ENDED, by, now, reason=reason)
        return True

    def die(self, reason: str, *, by: Actor, now: datetime) -> bool:
        """Note that the server takes this very secret no longer; return False if there is another by now."""
        with transaction.atomic():
            current = Authorization.objects.filter(encrypted_secret=self.encrypted_secret, dead_since=None)
            died = {"dead_since": now, "dead_reason": reason[:300], "refreshing_until": None}
            if not self._update(current, **died):
                return False
            self._note(Action.AUTHORIZATION_DIED, by, now, reason=reason)
        return True

    def is_due(self, now: datetime) -> bool:
        """Return True if it is to be refreshed before it is used."""
        return self.due_at is not None and now >= self.due_at

    @property
    def due_at(self) -> datetime | None:
        """Return when to refresh it: a minute before its end, and for a very short life half-way."""
        if self.expires_at is None or not self.encrypted_refresh_token:
            return None
        life = self.expires_at - (self.refreshed_at or self.created_at)
        return self.expires_at - min(REFRESH_BEFORE, life / 2)

    def claim_refresh(self, *, now: datetime) -> bool:
        """Return True to the one process that may refresh it now."""
        free = Q(refreshing_until=None) | Q(refreshing_until__lte=now)
        rows = Authorization.objects.filter(free, encrypted_secret=self.encrypted_secret, dead_since=None)
        return self._update(rows, refreshing_until=now + REFRESH_PATIENCE)

    def give_back_claim(self) -> None:
        self._update(refreshing_until=None)

    def take_refreshed(self, grant: Grant, *, now: datetime) -> bool:
        """Store the new tokens before they are used; return False if it was ended meanwhile."""
        self.secret = grant.access_token
        if grant.refresh_token:
            self.refresh_token = grant.refresh_token
        return self._update(
            encrypted_secret=self.encrypted_secret, encrypted_refresh_token=self.encrypted_refresh_token,
            expires_at=grant.expires_at, scopes=grant.scopes or self.scopes, refreshed_at=now, refreshing_until=None,
        )  # fmt: skip

    def _update(self, rows: models.QuerySet["Authorization"] | None = None, **changes: Any) -> bool:
        """Write to the row unless it has ended, or is none of `rows`; return whether it was written."""
        rows = Authorization.objects.all() if rows is None else rows
        if not rows.filter(pk=self.pk, revoked_at=None).update(**changes):
            return False
        self.__dict__.update(changes)
        return True

    def _take_over_from_dead(self, by: Actor, now: datetime) -> None:
        former = Authorization.objects.living().filter(server=self.server, account=self.account, owner=self.owner)
        former = former.exclude(pk=self.pk).select_related("server", "account", "owner").order_by("-created_at")
        for dead in [one for one in former if one.state(now) != self.State.WORKS]:
            if dead.visibility == self.Visibility.ORGANIZATION:
                self._update(visibility=dead.visibility)
            self.toolkits.add(*dead.toolkits.all())
            dead.end(by=by, now=now, reason="replaced")

    def _note(
        self, action: Action, by: Actor, now: datetime, *, reason: str = "", before: Any = None, after: Any = None
    ) -> None:
        Event.record(
            action, by=by, now=now, account=self.account, subject=self, reason=reason, before=before, after=after
        )
        authority_changed.send(Authorization, scope="server", subject=str(self.server_id))
