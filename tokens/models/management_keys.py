"""Management keys, for the REST API: made by a person who has confirmed who they are, and never more than they are."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Least, Lower, Now
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, ActorKind, Event
from profiles.models import Account, Member, User
from profiles.notices import notice_later
from profiles.permissions import Act, Role
from tokens import keys, networks
from tokens.models.constraints import SecondsSince
from tokens.models.delegated import PRINTABLE, DelegatedToken
from tokens.models.key_wishes import checked_networks, checked_scopes
from tokens.models.selecting import ENDING_SOON
from tokens.scopes import ISSUE, effective

DEFAULT_LIFE = timedelta(days=30)
MAX_LIFE = timedelta(days=90)
MIN_LIFE = timedelta(minutes=1)
DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)
NOTED_EVERY = timedelta(minutes=1)  # how exactly the last use is known
Stage, State, Reason = DelegatedToken.Stage, DelegatedToken.State, DelegatedToken.Reason


class ManagementKeyQuerySet(models.QuerySet["ManagementKey"]):
    def living(self, now: datetime) -> Self:
        return self.exclude(stage=Stage.ENDED).filter(Q(retires_at=None) | Q(retires_at__gt=now), expires_at__gt=now)

    def over(self, now: datetime) -> Self:
        """Return the keys whose time has come, and of which nobody has said so yet."""
        return self.exclude(stage=Stage.ENDED).filter(Q(expires_at__lte=now) | Q(retires_at__lte=now))

    def owned_by(self, owner: User) -> Self:
        return self.filter(owner=owner)

    def to_look_at(self, now: datetime) -> Self:
        """Return the keys about which the clock may have something to say."""
        return self.filter(next_look_at__lte=now)

    def visible_to(self, user: User) -> Self:
        """Return the person's own keys, and all of the accounts where they may revoke."""
        return self.filter(Q(owner=user) | Q(account__in=Account.objects.where(user, Act.SEE_ACTIVITY)))

    def newest_of_families(self) -> Self:
        """Return of each family the one in use or, where none is, the newest."""
        newest = self.model._default_manager.filter(family=OuterRef("family")).order_by(
            Case(When(stage=Stage.CURRENT, then=0), default=1), "-generation"
        )
        return self.filter(pk=Subquery(newest.values("pk")[:1]))

    def with_role(self) -> Self:
        """Annotate `owner_role`, the owner's role in the account at this moment; None where they are no member."""
        place = Member.objects.filter(user=OuterRef("owner_id"), account=OuterRef("account_id"))
        return self.annotate(owner_role=Subquery(place.values("role")))

    def end_for_good(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> int:
        """Revoke all of these that live, with what they issued; return how many there were."""
        living = self.living(now).select_related("account", "owner").order_by("pk")
        return sum(key.revoke(by=by, reason=reason, note=note, now=now) for key in living)

    def cancel_pending(self, now: datetime) -> None:
        self.filter(stage=Stage.PENDING).update(
            stage=Stage.ENDED, revoked_at=now, revoke_reason=Reason.REPLACED, revoke_note="another took its place"
        )

    def sweep(self, now: datetime) -> int:
        """Mark those whose time has come as ended; they have been refused since that moment."""
        return self.over(now).update(stage=Stage.ENDED)


class AlreadyMade(Exception):
    """The same request came twice; its first arrival made this key, and the secret was shown then."""

    def __init__(self, key: "ManagementKey") -> None:
        super().__init__(f"This request has already made {key.masked}.")
        self.key = key


class ManagementKeyManager(models.Manager.from_queryset(ManagementKeyQuerySet)):  # type: ignore[misc]
    def make(
        self, *, owner: User, account: Account, name: str, scopes: Iterable[str], expires_at: datetime, by: Actor,
        now: datetime, ranges: Sequence[str] = (), idempotency_key: str | None = None,
    ) -> tuple["ManagementKey", keys.Key]:  # fmt: skip
        """Make a key and return it with its secret; only a person who has just confirmed who they are gets here.

        Raise ValidationError, by field, for scopes that the owner's role gives no effect, an expiry that is not between
        a minute and 90 days from now, a range that is none, or a name that a living key of theirs has in this account.
        Raise AlreadyMade when the owner's request with this key has been answered before.
        """
        now = now.replace(microsecond=0)
        self._refuse_repetition(owner, idempotency_key)
        key = keys.make(keys.Kind.MANAGEMENT)
        made = ManagementKey(
            public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=owner, account=account,
            name=" ".join(name.split()), issued_at=now, activated_at=now, expires_at=expires_at,
            scopes=checked_scopes(scopes, account.role_of(owner)), networks=checked_networks(ranges),
            idempotency_key=idempotency_key,
        )  # fmt: skip
        refuse_bad_life(expires_at, now)
        made.clean_fields()
        with transaction.atomic():
            self._insert(made, now)
            made._note(
                Action.KEY_MADE, by, now,
                after={"scopes": made.scopes, "expires_at": expires_at.isoformat(), "networks": made.networks},
            )  # fmt: skip
            made._mail(_("A management key of yours was made for “{account}”: {key}"), by, now)
        return made, key

    def replace(
        self, replaced: "ManagementKey", *, by: Actor, now: datetime, overlap: timedelta = DEFAULT_OVERLAP,
        expires_at: datetime | None = None, idempotency_key: str | None = None,
    ) -> tuple["ManagementKey", keys.Key]:  # fmt: skip
        """Make a pending successor of the family's current key, with its name, scopes and ranges.

        The old key lives on for the overlap once the successor is used. One that is pending already is cancelled.
        Raise ValidationError for a family that has ended; AlreadyMade as make() does.
        """
        now = now.replace(microsecond=0)
        self._refuse_repetition(replaced.owner, idempotency_key)
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise ValidationError({"overlap": gettext("The old key may live on for 7 days at most.")})
        key = keys.make(keys.Kind.MANAGEMENT)
        with transaction.atomic():
            generations = list(replaced.generations().select_for_update())
            current = next((each for each in generations if each.stage == Stage.CURRENT and each.ends_at > now), None)
            if current is None:
                raise ValidationError(gettext("This key has ended, so there is nothing to replace. Make a new one."))
            expires_at = expires_at or now + (current.expires_at - current.issued_at)
            refuse_bad_life(expires_at, now)
            replaced.generations().cancel_pending(now)
            made = current._successor(key, generations[0].generation + 1, now, expires_at, overlap, idempotency_key)
            made.save(force_insert=True)
            made._note(
                Action.KEY_MADE, by, now, reason="replacement", before={"key": current.public_id},
                after={"expires_at": expires_at.isoformat(), "overlap_hours": overlap.total_seconds() / 3600},
            )  # fmt: skip
            made._mail(_("A management key of yours was replaced in “{account}”: the new one is {key}"), by, now)
        return made, key

    def with_secret(self, text: str) -> "ManagementKey | None":
        """Return the key of this secret, whatever became of it; one query whether there is one or not."""
        found: ManagementKey | None = (
            self.with_role().select_related("owner", "account").filter(digest=keys.digest(text)).first()
        )
        return found

    def _insert(self, made: "ManagementKey", now: datetime) -> None:
        """Write the row; a key of the same name whose time has come gives way first."""
        self.filter(owner=made.owner, account=made.account, name__iexact=made.name).sweep(now)
        try:
            with transaction.atomic():
                made.save(force_insert=True)
        except IntegrityError as error:
            self._refuse_repetition(made.owner, made.idempotency_key)
            raise ValidationError(
                {
                    "name": gettext("A living key of yours is already called “%(name)s”. Choose another name.")
                    % {"name": made.name}
                }
            ) from error

    def _refuse_repetition(self, owner: User, idempotency_key: str | None) -> None:
        if idempotency_key and (made := self.filter(owner=owner, idempotency_key=idempotency_key).first()):
            raise AlreadyMade(made)


def refuse_bad_life(expires_at: datetime, now: datetime) -> None:
    """Raise ValidationError for a moment that is not between a minute and 90 days from now."""
    if not now + MIN_LIFE <= expires_at <= now + MAX_LIFE:
        text = gettext("A key lives at least a minute and at most %(days)d days.")
        raise ValidationError({"expires_at": text % {"days": MAX_LIFE.days}})


class ManagementKey(models.Model):
    """A bearer secret for the REST API in one account, acting for its owner, for at most 90 days.

    The keys that follow each other under one name are a family, as the generations of a delegated token are.
    """

    public_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="management_keys")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="management_keys")
    name = models.CharField(max_length=80, validators=[PRINTABLE], help_text=_("What uses it."))
    scopes = models.JSONField(default=list)
    networks = models.JSONField(default=list, blank=True, help_text=_("Where it may be used from (CIDR)."))
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    generation = models.PositiveSmallIntegerField(default=1, editable=False)
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.CURRENT)
    issued_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    overlap = models.DurationField(null=True, blank=True)
    retires_at = models.DateTimeField(null=True, blank=True, help_text=_("When the overlap ends."))
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    revoke_note = models.CharField(max_length=300, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.CharField(max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001  (unique)
    next_look_at = models.DateTimeField(
        null=True, blank=True, editable=False, db_default=Now(), help_text=_("When reminders look at it next.")
    )

    Stage, State, Reason = Stage, State, Reason

    objects: ClassVar[ManagementKeyManager] = ManagementKeyManager()
    owner_role: str | None  # only after with_role()

    class Meta:
        ordering = ["-issued_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(SecondsSince("expires_at", "issued_at"), MAX_LIFE.total_seconds()),
                name="management_key_lives_at_most_90_days",
            ),
            models.CheckConstraint(
                condition=GreaterThan(F("expires_at"), F("issued_at")), name="management_key_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(retires_at=None) | Q(retires_at__lte=F("expires_at")),
                name="management_key_overlap_ends_in_time",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(stage="ended"), name="management_key_revoked_is_ended"
            ),
            models.UniqueConstraint(
                fields=["family", "stage"], condition=~Q(stage="ended"), name="management_key_one_of_each_stage"
            ),
            models.UniqueConstraint(
                "owner", "account", Lower("name"), condition=Q(stage="current"), name="management_key_one_per_name"
            ),
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="management_key_once_per_request"),
        ]
        indexes = [
            models.Index(fields=["account", "-issued_at", "-id"], name="management_key_of_account"),
            models.Index(fields=["owner", "-issued_at", "-id"], name="management_key_of_owner"),
            models.Index(
                fields=["next_look_at"], condition=Q(next_look_at__isnull=False), name="management_key_to_look_at"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def masked(self) -> str:
        return keys.masked(self.public_id, self.last_four, keys.Kind.MANAGEMENT)

    @property
    def ends_at(self) -> datetime:
        return min(self.expires_at, self.retires_at) if self.retires_at else self.expires_at

    def state(self, now: datetime) -> DelegatedToken.State:
        if self.revoked_at:
            return State.REVOKED
        if self.ends_at <= now or self.stage == Stage.ENDED:
            return State.EXPIRED
        if self.stage in (Stage.PENDING, Stage.OVERLAPPING):
            return State(self.stage)
        return State.ENDING if self.expires_at <= now + ENDING_SOON else State.ACTIVE

    def has_ended(self, now: datetime) -> bool:
        return self.state(now) in (State.REVOKED, State.EXPIRED)

    def role(self) -> Role | None:
        """Return the owner's role in the account now; None where they are no member or may not sign in."""
        role = self.owner_role if hasattr(self, "owner_role") else self.account.role_of(self.owner)
        return Role(role) if role and self.owner.is_active else None

    def effective_scopes(self) -> frozenset[str]:
        return effective(self.scopes, self.role())

    def may_come_from(self, address: str) -> bool:
        return not self.networks or networks.is_within(address, map(networks.parse, self.networks))

    def actor(self, *, address: str, agent: str, request_id: str) -> Actor:
        """Return who acts with it: the key, in the name of its owner."""
        label = f"{self.owner} by key {self}"
        return Actor(ActorKind.TOKEN, self.public_id, label, address, agent[:300], request_id)

    def generations(self) -> ManagementKeyQuerySet:
        """Return the family, newest first."""
        found: ManagementKeyQuerySet = ManagementKey.objects.filter(family=self.family)
        return found.order_by("-generation")

    def may_be_replaced(self, now: datetime) -> bool:
        """Return True while the family has a current key."""
        return self.generations().living(now).filter(stage=Stage.CURRENT).exists()

    def _successor(
        self, key: keys.Key, generation: int, now: datetime, expires_at: datetime, overlap: timedelta,
        idempotency_key: str | None,
    ) -> "ManagementKey":  # fmt: skip
        return ManagementKey(
            public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner_id=self.owner_id,
            account_id=self.account_id, name=self.name, scopes=self.scopes, networks=self.networks,
            family=self.family, generation=generation, stage=Stage.PENDING, issued_at=now, expires_at=expires_at,
            overlap=overlap, idempotency_key=idempotency_key,
        )  # fmt: skip

    def note_use(self, *, address: str, now: datetime) -> None:
        """Let a pending key take over, and note when and from where it was used, once a minute at most."""
        if self.stage == Stage.PENDING:
            self._activate(now)
        if self.last_used_at is None or self.last_used_at <= now - NOTED_EVERY or address != self.last_used_from:
            ManagementKey.objects.filter(pk=self.pk).update(last_used_at=now, last_used_from=address)

    def _activate(self, now: datetime) -> None:
        """Take over from the predecessor, which lives on for the chosen overlap and never past its own expiry."""
        retires_at = Least(models.Value(now + (self.overlap or timedelta()), models.DateTimeField()), F("expires_at"))
        with transaction.atomic():
            family = ManagementKey.objects.filter(family=self.family)
            list(family.select_for_update().order_by("pk").values_list("pk"))
            if not family.filter(pk=self.pk, stage=Stage.PENDING).exists():
                return
            family.filter(stage=Stage.OVERLAPPING).update(stage=Stage.ENDED)
            family.filter(stage=Stage.CURRENT).update(
                stage=Stage.OVERLAPPING if self.overlap else Stage.ENDED, retires_at=retires_at
            )
            family.filter(pk=self.pk).update(stage=Stage.CURRENT, activated_at=now)
        self.stage = Stage.CURRENT

    def lend(self, *, to: User, account: Account, expires_at: datetime, now: datetime) -> None:
        """See that it may issue a token that ends then, and hold it so until the transaction is over.

        Raise ValidationError. Whoever revokes the key meanwhile waits, and finds what it issued.
        """
        held = ManagementKey.objects.select_for_update(of=("self",)).select_related("owner", "account").get(pk=self.pk)
        if held.has_ended(now) or ISSUE not in held.effective_scopes():
            raise ValidationError(f"This key may not issue tokens: it has ended, or lacks the scope {ISSUE}.")
        if to.pk != held.owner_id or account.pk != held.account_id:
            raise ValidationError("A key issues tokens of its owner, for toolkits of its account alone.")
        if expires_at > held.ends_at:
            raise ValidationError(
                {"expires_at": f"A token ends with the key that issued it: {held.ends_at.isoformat()} at the latest."}
            )

    def revoke(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> bool:
        """End the key, its other generations and the tokens that they issued, before this returns.

        Return False if all of it had ended already.
        """
        with transaction.atomic():
            family = ManagementKey.objects.filter(family=self.family).select_related("account")
            living = [each for each in family.select_for_update(of=("self",)).order_by("pk") if not each.has_ended(now)]
            if not living:
                return False
            ManagementKey.objects.filter(pk__in=[each.pk for each in living]).update(
                stage=Stage.ENDED, revoked_at=now, revoke_reason=reason, revoke_note=note[:300]
            )
            said = ": ".join(part for part in (Reason(reason).written, note) if part)
            for each in living:
                each._note(Action.KEY_REVOKED, by, now, reason=said)
            if (by.kind, by.id) != (ActorKind.USER, str(self.owner_id)):
                self._mail(_("{who} has revoked a management key of yours in “{account}”: {key}"), by, now)
            DelegatedToken.objects.filter(issued_by_key__family=self.family).end_with_origin(by=by, now=now)
        self.refresh_from_db()
        return True

    def issued_tokens(self, now: datetime) -> Any:
        """Return the living tokens that end with it."""
        return DelegatedToken.objects.living(now).filter(issued_by_key__family=self.family)

    def _mail(self, what: Any, by: Actor, now: datetime) -> None:
        """Mail the owner what became of it, once it is committed."""
        said = format_lazy(what, key=self, account=self.account, who=capfirst(by.label or by.kind.label))
        notice_later(self.owner, said, by=by, now=now)

    def _note(
        self, action: Action, by: Actor, now: datetime, *, reason: str = "", before: Any = None, after: Any = None
    ) -> None:
        Event.record(
            action, by=by, now=now, account=self.account, subject=self, reason=reason, before=before, after=after
        )
