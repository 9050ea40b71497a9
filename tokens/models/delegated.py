import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from celery import current_app
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Now
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils.formats import date_format
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, ActorKind, Event
from profiles.models import Account, Toolkit, User
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.connections import OAuthSession
from tokens.models.constraints import SecondsSince
from tokens.models.exchanging import MAX_EXCHANGES, MIN_LIFE, Exchanges
from tokens.models.issued import Issued
from tokens.models.narrowing import NOT_NARROWED, Narrowing
from tokens.models.policies import MAX_LIFE, Policy
from tokens.models.replacing import Generations
from tokens.models.selecting import ENDING_SOON, ENDS_AT, DelegatedTokenQuerySet

if TYPE_CHECKING:
    from tokens.models.management_keys import ManagementKey

PRINTABLE = RegexValidator(
    r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$", _("Write the name on one line, in plain characters.")
)


class Issuing(Generations, Exchanges):
    """Tokens come of a person's act, of one that they replace, or of an exchange."""


class DelegatedTokenManager(Issuing.from_queryset(DelegatedTokenQuerySet)):  # type: ignore[misc]
    def issue(
        self,
        *,
        owner: User,
        toolkit: Toolkit,
        name: str,
        expires_at: datetime,
        by: Actor,
        now: datetime,
        narrowing: Narrowing = NOT_NARROWED,
        idempotency_key: str | None = None,
        issued_by_key: "ManagementKey | None" = None,
    ) -> Issued:
        """Issue a token of this owner for this toolkit; portal, commands, REST and token exchange all end here.

        Raise ValidationError, by field, for an expiry that is not between a minute and the longest life from now, a
        toolkit that the owner may not use or that would be one too many by a policy, limits that cannot be, or a name
        that a living token of the owner has in this account. Raise AlreadyIssued when the owner's request with this
        key has been answered before.
        """
        now = now.replace(microsecond=0)
        self.refuse_repetition(owner, idempotency_key)
        refuse_bad_expiry(expires_at, now, Policy.objects.rules_for(toolkit).max_life)
        if refused := Toolkit.objects.why_not_for(owner, toolkit):
            raise ValidationError({"toolkit": refused})
        narrowing, key = narrowing.checked(toolkit), keys.make(keys.Kind.DELEGATED)
        token = DelegatedToken(
            public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=owner,
            account=toolkit.account, toolkit=toolkit, name=" ".join(name.split()), issued_at=now, expires_at=expires_at,
            activated_at=now, idempotency_key=idempotency_key, issued_by_key=issued_by_key, **narrowing.as_fields(),
        )  # fmt: skip
        token.clean_fields()
        with transaction.atomic():
            if issued_by_key:
                issued_by_key.lend(to=owner, account=token.account, expires_at=expires_at, now=now)
            Policy.objects.concerning(toolkit).refuse_too_many(self.current(now), owner)
            self._insert(token, now)
            self._record_issue(token, narrowing, by, now)
        return Issued(token, key)

    def _record_issue(self, token: "DelegatedToken", narrowing: Narrowing, by: Actor, now: datetime) -> None:
        said = {
            "toolkit": token.toolkit.alias, "expires_at": token.expires_at.isoformat(), "owner": str(token.owner)
        }  # fmt: skip
        Event.record(
            Action.TOKEN_ISSUED, by=by, now=now, account=token.account, subject=token,
            after=said | narrowing.as_recorded(),
        )  # fmt: skip

    def _insert(self, token: "DelegatedToken", now: datetime) -> None:
        """Write the row; a token of the same name whose time has come gives way first."""
        self.filter(owner=token.owner, account=token.account, name__iexact=token.name).sweep(now)
        try:
            with transaction.atomic():
                token.save(force_insert=True)
        except IntegrityError as error:
            self.refuse_repetition(token.owner, token.idempotency_key)
            raise ValidationError({"name": name_taken(token.name)}) from error


def refuse_bad_expiry(expires_at: datetime, now: datetime, max_life: timedelta = MAX_LIFE) -> None:
    """Raise ValidationError for a moment that is not between a minute and the longest life (30 days) from now."""
    if expires_at > now + max_life:
        raise ValidationError({"expires_at": _too_late(now + max_life, max_life)})
    if expires_at < now + MIN_LIFE:
        text = gettext("This moment has passed. Choose one from a minute to %(days)d days from now.")
        raise ValidationError({"expires_at": text % {"days": max_life.days}})


def _too_late(latest: datetime, max_life: timedelta) -> str:
    if max_life == MAX_LIFE:
        text = gettext("A token lives at most %(days)d days: until %(latest)s UTC at the latest.")
    else:
        text = gettext("A token in this toolkit lives at most %(days)d days: until %(latest)s UTC at the latest.")
    return text % {"days": max_life.days, "latest": date_format(latest.astimezone(UTC), "PADDED_DATETIME_FORMAT")}


def name_taken(name: str) -> str:
    text = gettext(
        "A living token of yours is already called “%(name)s”. "
        "Use one token per service: choose another name, or revoke that one first."
    )
    return text % {"name": name}


class DelegatedToken(models.Model):
    """A bearer secret for one toolkit, acting for its owner, for at most 30 days.

    The tokens that follow each other under one name are a family: at most one pending (issued to replace, not used
    yet), one current, one overlapping (replaced, still valid until it retires).
    """

    class Stage(models.TextChoices):
        PENDING = "pending", _("pending")
        CURRENT = "current", _("current")
        OVERLAPPING = "overlapping", _("overlapping")
        ENDED = "ended", _("ended")

    class State(models.TextChoices):
        """What a page shows: the stage, and what the clock adds."""

        ACTIVE = "active", _("Active")
        ENDING = "ending", _("Ends soon")
        PENDING = "pending", _("Pending")
        OVERLAPPING = "overlapping", _("Overlapping")
        PAUSED = "paused", _("Paused")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

    class Reason(models.TextChoices):
        UNNEEDED = "unneeded", _("No longer needed")
        LEAKED = "leaked", _("Leaked")
        REPLACED = "replaced", _("Replaced")
        UNUSED = "unused", _("Unused")
        LEFT = "left", _("Owner left")
        POLICY = "policy", _("Policy")
        TOOLKIT_DELETED = "toolkit_deleted", _("Toolkit deleted")
        PARENT = "parent", _("What it was exchanged for has ended")
        OTHER = "other", _("Other")

        @property
        def written(self) -> str:
            """Return it as events and programs get it: in English, whatever language the request is in."""
            with override(None):
                return str(self.label)

    public_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    toolkit = models.ForeignKey(Toolkit, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80, validators=[PRINTABLE], help_text=_("The service that uses it."))
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.CURRENT)
    issued_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    retires_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Of an overlapping token: when the overlap ends.")
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    revoke_note = models.CharField(max_length=300, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001  (unique)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="narrowed", editable=False
    )
    session = models.ForeignKey(
        OAuthSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="exchanged", editable=False
    )
    issued_by_key = models.ForeignKey(
        "tokens.ManagementKey", null=True, blank=True, on_delete=models.SET_NULL, related_name="tokens", db_index=False,
        editable=False, help_text=_("The management key that issued it, with which it ends."),
    )  # fmt: skip
    exchanges = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How many token exchanges lie between a person's act and this token."),
    )
    actors = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), blank=True, editable=False,
        help_text=_("The applications that exchanged it, the last one first: client_id and name (RFC 8693, act)."),
    )  # fmt: skip

    tools = models.JSONField(
        null=True, blank=True, help_text=_("Names of the toolkit's tools that it may call; all where it says nothing.")
    )
    is_read_only = models.BooleanField(default=False, db_default=False)
    networks = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        help_text=_("Where it may be used from (CIDR)."),
    )
    call_cap = models.PositiveIntegerField(null=True, blank=True, help_text=_("How many calls it may make in all."))
    calls_taken = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    generation = models.PositiveSmallIntegerField(default=1, db_default=1, editable=False)
    overlap = models.DurationField(
        null=True, blank=True, help_text=_("Of a pending token: how long its predecessor lives on once it is used.")
    )
    pause_unused_after = models.DurationField(null=True, blank=True)
    pause_reason = models.CharField(max_length=20, blank=True, db_default="")
    next_look_at = models.DateTimeField(
        null=True, blank=True, editable=False, db_default=Now(),
        help_text=_("When reminders look at it next. A new token is looked at once, whoever issued it."),
    )  # fmt: skip

    objects: ClassVar[DelegatedTokenManager] = DelegatedTokenManager()
    narrowed: DelegatedTokenManager

    class Meta:
        ordering = ["-issued_at", "-id"]
        verbose_name = _("delegated token")
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(SecondsSince("expires_at", "issued_at"), MAX_LIFE.total_seconds()),
                name="delegated_token_lives_at_most_30_days",
            ),
            models.CheckConstraint(
                condition=GreaterThan(F("expires_at"), F("issued_at")), name="delegated_token_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(retires_at=None) | Q(retires_at__lte=F("expires_at")),
                name="delegated_token_overlap_ends_in_time",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(stage="ended"), name="delegated_token_revoked_is_ended"
            ),
            models.UniqueConstraint(
                fields=["family", "stage"], condition=~Q(stage="ended"), name="delegated_token_one_of_each_stage"
            ),
            models.UniqueConstraint(
                "owner",
                "account",
                Lower("name"),
                condition=Q(stage="current", exchanges=0),
                name="delegated_token_one_family_per_name",
            ),
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="delegated_token_once_per_request"),
            models.CheckConstraint(
                condition=Q(call_cap=None) | Q(calls_taken__lte=F("call_cap")), name="delegated_token_keeps_to_its_cap"
            ),
            models.CheckConstraint(
                condition=Q(exchanges__lte=MAX_EXCHANGES), name="delegated_token_exchanged_at_most_twice"
            ),
        ]
        indexes = [
            models.Index(ENDS_AT, condition=~Q(stage="ended"), name="delegated_token_ends"),
            models.Index(
                fields=["next_look_at"], condition=Q(next_look_at__isnull=False), name="delegated_token_to_look_at"
            ),
            models.Index(
                fields=["owner", "expires_at"],
                condition=Q(exchanges=0, revoked_at=None),
                name="delegated_token_owner_ends",
            ),
            models.Index(fields=["owner", "-issued_at", "-id"], name="delegated_token_of_owner"),
            models.Index(fields=["account", "-issued_at", "-id"], name="delegated_token_of_account"),
            models.Index(
                fields=["issued_by_key"], condition=Q(issued_by_key__isnull=False), name="delegated_token_of_key"
            ),
            models.Index(
                fields=["account", "-issued_at", "-id"], condition=Q(exchanges=0), name="delegated_token_of_people"
            ),
            models.Index(
                fields=["account", "owner", "-issued_at", "-id"],
                condition=Q(exchanges__gt=0),
                name="delegated_token_exchanged",
            ),
            models.Index(
                fields=["account", "-issued_at", "-id"],
                condition=Q(paused_at__isnull=False),
                name="delegated_token_paused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def masked(self) -> str:
        return keys.masked(self.public_id, self.last_four)

    @property
    def acted_by(self) -> str:
        """Return the applications that exchanged it, the last one first; "" for a token that a person made."""
        return " ← ".join(actor["name"] for actor in self.actors)

    @property
    def ends_at(self) -> datetime:
        """Return when the hub stops taking it, unless someone revokes it before."""
        return min(self.expires_at, self.retires_at) if self.retires_at else self.expires_at

    def state(self, now: datetime) -> "DelegatedToken.State":
        if self.revoked_at:
            return self.State.REVOKED
        if self.ends_at <= now or self.stage == self.Stage.ENDED:
            return self.State.EXPIRED
        if self.paused_at:
            return self.State.PAUSED
        if self.stage in (self.Stage.PENDING, self.Stage.OVERLAPPING):
            return self.State(self.stage)
        return self.State.ENDING if self.expires_at <= now + ENDING_SOON else self.State.ACTIVE

    def replace(self, **how: Any) -> Issued:
        """Issue a successor (see Generations.replace)."""
        return DelegatedToken.objects.replace(self, **how)

    def generations(self) -> DelegatedTokenQuerySet:
        """Return the family, newest first."""
        return DelegatedToken.objects.filter(family=self.family).order_by("-generation")

    def may_be_replaced(self, now: datetime) -> bool:
        """Return True while the family has a current token that a person was given."""
        return not self.exchanges and self.generations().living(now).filter(stage=self.Stage.CURRENT).exists()

    def refuse_bad_expiry(self, now: datetime) -> None:
        refuse_bad_expiry(self.expires_at, now, Policy.objects.rules_for(self.toolkit).max_life)

    def pause(self, *, by: Actor, now: datetime) -> bool:
        """Refuse its calls, and those of its other generations, until it is resumed (see PausingQuerySet)."""
        return DelegatedToken.objects.pause_family(self.family, by=by, now=now)

    def resume(self, *, by: Actor, now: datetime) -> bool:
        return DelegatedToken.objects.resume_family(self.family, by=by, now=now)

    def keep_to(self, networks: list[str], *, by: Actor, now: datetime) -> bool:
        """Refuse its calls, and those of its other generations, from elsewhere (see PausingQuerySet)."""
        return DelegatedToken.objects.keep_family_to(self.family, networks, by=by, now=now)

    def keep_to_tools(self, tools: Collection[str], *, by: Actor, now: datetime) -> bool:
        """Refuse other tools to it, its other generations, and what was exchanged for them (see PausingQuerySet)."""
        return DelegatedToken.objects.keep_family_to_tools(self.family, tools, by=by, now=now)

    def revoke(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> bool:
        """End the token and every generation of it for good, everywhere, before this returns.

        Return False if it had ended already. The owner is told when somebody else does it.
        """
        with transaction.atomic():
            if not DelegatedToken.objects.filter(pk=self.pk).end_families(by=by, reason=reason, note=note, now=now):
                return False
            self.refresh_from_db(fields=["stage", "revoked_at", "revoke_reason", "revoke_note"])
            is_own = by.kind == ActorKind.USER and by.id == str(self.owner_id)
            if not is_own and reason != self.Reason.PARENT:  # of what it came of, they are told already
                transaction.on_commit(lambda: self._tell_owner(by.label), robust=True)
        return True

    def end_family(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> bool:
        """Revoke the living generations, of which this one need not be; return False if there are none."""
        with transaction.atomic():
            generations = DelegatedToken.objects.lock_families(self.family)
            living = [one for one in generations if one.ends_at > now]
            newest = max(living, key=lambda one: one.generation, default=None)
            return newest is not None and newest.revoke(by=by, reason=reason, note=note, now=now)

    def cancel(self, *, by: Actor, now: datetime) -> bool:
        """End a pending token that nobody will use, and leave the others of its family alone."""
        with transaction.atomic():
            living = DelegatedToken.objects.filter(pk=self.pk).exclude(stage=self.Stage.ENDED)
            if not living.update(stage=self.Stage.ENDED, revoked_at=now, revoke_reason=self.Reason.REPLACED):
                return False
            self.refresh_from_db(fields=["stage", "revoked_at", "revoke_reason"])
            Event.record(
                Action.TOKEN_REVOKED, by=by, now=now, account=self.account, subject=self,
                reason=self.Reason(self.revoke_reason).written,
            )  # fmt: skip
            self.narrowed.living(now).end_with_origin(by=by, now=now)
            Authority.objects.advance(AuthorityChange.Scope.TOKEN, [self.pk])
        return True

    def _tell_owner(self, by: str) -> None:
        current_app.send_task("tokens.tasks.mail_revoked", args=[self.pk, by])
