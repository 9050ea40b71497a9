import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models.attempts import Attempts
from profiles.models.pausing import Pausable
from profiles.permissions import MACHINE_ROLES, ROLE_NAMES, Act, Role, may_manage, roles_with
from profiles.signals import account_deleted, authority_changed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from profiles.models.members import Member
    from profiles.models.people import User

OPENED_A_DAY = 20  # organizations, by one person
DAY = timedelta(days=1)


class AccountQuerySet(models.QuerySet["Account"]):
    def of(self, user: "User") -> Self:
        return self.filter(members__user=user)

    def with_role_of(self, user: "User") -> Self:
        """Return the person's accounts, each with their role there, `own_role`."""
        return self.of(user).annotate(own_role=F("members__role"))

    def where(self, user: "User", act: Act) -> Self:
        """Return the accounts in which the person may do the act to everything there."""
        return self.filter(members__user=user, members__role__in=roles_with(act))

    def organizations(self) -> Self:
        return self.filter(personal_of=None, deleted_at=None)


class AccountManager(models.Manager.from_queryset(AccountQuerySet)):  # type: ignore[misc]
    def open_personal(self, user: "User") -> "Account":
        account: Account = self.create(name=user.get_full_name(), personal_of=user)
        account.members.create(user=user, role=Role.OWNER)
        return account

    def open_organization(self, name: str, user: "User", *, by: Actor, now: datetime) -> "Account":
        """Open an organization that the person owns; raise ValidationError if they opened too many today."""
        with transaction.atomic():
            if not Attempts.objects.take(f"organizations:{user.pk}", OPENED_A_DAY, now=now, window=DAY):
                raise ValidationError(
                    gettext("You have opened %(number)s organizations today. Open more tomorrow.")
                    % {"number": OPENED_A_DAY}
                )
            account: Account = self.model(name=name)
            self.add(account, by=by, now=now)
            account.add_member(user, Role.OWNER, by=by, now=now)
        return account

    def add(self, account: "Account", *, by: Actor, now: datetime) -> None:
        """Save an organization; its members come next."""
        with transaction.atomic():
            account.save(force_insert=True)
            Event.record(Action.ACCOUNT_ADDED, by=by, now=now, account=account, subject=account)


class Account(Pausable):
    """Whom toolkits, servers and tokens belong to: one person, or an organization."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    personal_of = models.OneToOneField(
        "profiles.User", on_delete=models.CASCADE, null=True, blank=True, related_name="personal_account",
        help_text=_("The person whose own account this is; empty for an organization."),
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    PAUSED, RESUMED, SCOPE = Action.ACCOUNT_PAUSED, Action.ACCOUNT_RESUMED, "account"

    objects: ClassVar[AccountManager] = AccountManager()
    members: "RelatedManager[Member]"
    own_role: str  # only after with_role_of()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(personal_of=None) | models.Q(deleted_at=None), name="account_personal_stays"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def belongs_to(self) -> "Account":
        return self

    def get_own_role(self) -> str:
        """Return the role in words; nothing without with_role_of()."""
        role = getattr(self, "own_role", "")
        return str(capfirst(ROLE_NAMES[Role(role)])) if role else ""

    @property
    def is_organization(self) -> bool:
        return self.personal_of_id is None

    def role_of(self, user: "User") -> Role | None:
        role = self.members.filter(user=user).values_list("role", flat=True).first()
        return Role(role) if role else None

    def lets(self, user: "User", act: Act) -> bool:
        """Return True if the person may do the act to everything in this account."""
        return self.role_of(user) in roles_with(act)

    def hold(self) -> "Account":
        """Lock the account, inside a transaction: whoever changes its members or its life waits."""
        return Account.objects.select_for_update(no_key=True).get(pk=self.pk)

    def add_member(self, user: "User", role: Role, *, by: Actor, now: datetime) -> "Member":
        """Raise ValidationError where this user cannot be a member, or not with this role."""
        refuse_bad_role(user, role)
        with transaction.atomic():
            held = self.hold()
            if held.deleted_at:
                raise ValidationError(gettext("“%(account)s” is deleted.") % {"account": self})
            if held.personal_of_id and not user.is_machine:
                raise ValidationError(gettext("This is a person's own account, which has no other members."))
            member = self.members.create(user=user, role=role)
            member.note(Action.MEMBER_ADDED, by, now, after={"role": str(role)})
        return member

    def rename(self, name: str, *, by: Actor, now: datetime) -> bool:
        """Return False if that is its name already."""
        with transaction.atomic():
            before = self.hold().name
            if before == name:
                return False
            Account.objects.filter(pk=self.pk).update(name=name)
            self.name = name
            Event.record(
                Action.ACCOUNT_CHANGED, by=by, now=now, account=self, subject=self, before={"name": before},
                after={"name": name},
            )  # fmt: skip
        return True

    def hand_over(self, owner: "Member", to: "Member", *, by: Actor, now: datetime) -> None:
        """Make another member the owner, and who owned it an admin; raise ValidationError where that cannot be."""
        with transaction.atomic():
            self.hold()
            to.change_role(Role.OWNER, manager=owner.current_role(), by=by, now=now)
            owner.change_role(Role.ADMIN, by=by, now=now)

    def delete_for_good(self, *, manager: Role | None = None, by: Actor, now: datetime) -> bool:
        """End the organization and all that calls in its name; what happened in it stays written.

        Return False if it was deleted already. Raise ValidationError for a personal account, or if whoever has the
        role `manager` may not; without one, an operator does it.
        """
        if not self.is_organization:
            raise ValidationError(gettext("This is a person's own account. It ends with the person."))
        if manager and manager not in roles_with(Act.DELETE_ACCOUNT):
            raise ValidationError(gettext("Only an owner deletes an organization."))
        with transaction.atomic():
            if self.hold().deleted_at:
                return False
            Account.objects.filter(pk=self.pk).update(deleted_at=now)
            self.deleted_at = now
            Event.record(Action.ACCOUNT_DELETED, by=by, now=now, account=self, subject=self)
            account_deleted.send(Account, account=self, by=by, now=now)
            for member in self.members.select_related("user", "account"):
                member.end(by=by, now=now, reason="organization deleted")
            authority_changed.send(Account, scope="account", subject=str(self.pk))
        return True


def refuse_ownerless(roles: Collection[str]) -> None:
    """Raise ValidationError if nobody among the members would own the account."""
    if Role.OWNER not in roles:
        raise ValidationError(gettext("An account needs an owner. Make somebody the owner first."))


def refuse_bad_role(user: "User", role: str) -> None:
    """Raise ValidationError for a role that this user may not have."""
    if user.is_machine and role not in MACHINE_ROLES:
        raise ValidationError(gettext("A machine manages nothing: make it a member or an end user."))


def refuse_management(manager: Role | None, *roles: Role) -> None:
    """Raise ValidationError if who has the first role may not give or take the others; None is an operator."""
    if manager and not may_manage(manager, *roles):
        raise ValidationError(gettext("Only an owner makes, changes or removes an owner."))
