from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from celery import current_app
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from profiles.after_commit import after_commit
from profiles.events import Action, Actor, ActorKind, Event
from profiles.models.accounts import Account, refuse_bad_role, refuse_management, refuse_ownerless
from profiles.models.people import User
from profiles.permissions import ROLE_NAMES, Act, Role
from profiles.signals import access_ended, authority_changed, role_changed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import ManyRelatedManager

    from profiles.models.toolkits import Toolkit


class MemberQuerySet(models.QuerySet["Member"]):
    def people(self) -> Self:
        """Leave out machines, which come and go with their applications."""
        return self.filter(user__is_machine=False)

    def managed_by(self, user: User) -> Self:
        """Return the people of the organizations in which this person manages members; owners too, to be seen."""
        managed = Account.objects.organizations().where(user, Act.MANAGE_MEMBERS)
        return self.people().filter(account__in=managed.values("pk"))

    def matching(self, text: str) -> Self:
        return self.filter(Q(user__email__icontains=text) | Q(user__name__icontains=text)) if text else self

    def by_name(self) -> Self:
        return self.order_by(Lower("user__email"), "pk")


class Member(models.Model):
    """A person's place in an account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role.value, ROLE_NAMES[role]) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Member"]] = MemberQuerySet.as_manager()
    assigned_toolkits: "ManyRelatedManager[Toolkit, Any]"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="member_once_per_account")]

    def __str__(self) -> str:
        return f"{self.user} in {self.account}"

    @property
    def is_end_user(self) -> bool:
        return self.role == Role.END_USER

    def current_role(self) -> Role:
        """Return the role as it is stored now; raise ValidationError if the person was taken out meanwhile."""
        role = Member.objects.filter(pk=self.pk).values_list("role", flat=True).first()
        if role is None:
            raise ValidationError(_("%(user)s is no longer a member.") % {"user": self.user})
        return Role(role)

    def change_role(self, role: Role, *, manager: Role | None = None, by: Actor, now: datetime) -> bool:
        """Give another role, which holds from the next call on; return False if it is the one they have.

        Raise ValidationError if whoever has the role `manager` may not, or if it is the last owner's.
        """
        refuse_bad_role(self.user, role)
        with transaction.atomic():
            self.account.hold()
            before = self.current_role()
            if before == role:
                return False
            refuse_management(manager, before, role)
            self._keep_an_owner(before)
            Member.objects.filter(pk=self.pk).update(role=role)
            self.role = role
            self.note(Action.MEMBER_CHANGED, by, now, before={"role": str(before)}, after={"role": str(role)})
            role_changed.send(Member, member=self, by=by, now=now)
        return True

    def assign(self, toolkits: "Iterable[Toolkit]", *, by: Actor, now: datetime) -> bool:
        """Let an end user use exactly these toolkits, from the next call on; return False if it is so already."""
        with transaction.atomic():
            self.account.hold()
            chosen = sorted(toolkits, key=lambda toolkit: toolkit.alias)
            before = sorted(self.assigned_toolkits.values_list("alias", flat=True))
            after = [toolkit.alias for toolkit in chosen]
            if before == after:
                return False
            self.assigned_toolkits.set(chosen)
            self.note(Action.MEMBER_CHANGED, by, now, before={"toolkits": before}, after={"toolkits": after})
        return True

    def remove(self, *, manager: Role | None = None, by: Actor, now: datetime) -> None:
        """Take the person out of the account; their tokens for its toolkits end with that, and they are told.

        Raise ValidationError if whoever has the role `manager` may not, or if nobody would own the account.
        """
        with transaction.atomic():
            self.account.hold()
            role = self.current_role()
            refuse_management(manager, role)
            self._keep_an_owner(role)
            self.end(by=by, now=now)

    def end(self, *, by: Actor, now: datetime, reason: str = "") -> None:
        """Take the person out, whoever owns the account afterwards; inside a transaction that holds it."""
        access_ended.send(Member, user=self.user, account=self.account, by=by, now=now)
        self.note(Action.MEMBER_REMOVED, by, now, before={"role": self.role}, reason=reason)
        if not self.user.is_machine and not (by.kind == ActorKind.USER and by.id == str(self.user_id)):
            args = [self.user_id, str(self.account), by.label, reason]
            after_commit(current_app.send_task, "profiles.tasks.mail_removed", args=args)
        self.delete()

    def _keep_an_owner(self, role: Role) -> None:
        if role is Role.OWNER:
            others = self.account.members.filter(user__is_active=True).exclude(pk=self.pk)
            refuse_ownerless(others.values_list("role", flat=True))

    def note(
        self, action: Action, by: Actor, now: datetime, *, before: Any = None, after: Any = None, reason: str = ""
    ) -> None:
        """Write what happened to the place, and tell the hubs to look again at what the person may do."""
        Event.record(
            action, by=by, now=now, account=self.account, subject=self, before=before, after=after, reason=reason
        )
        authority_changed.send(Member, scope="owner", subject=str(self.user_id))


def place_of(user: User, account: Account) -> Member:
    """Return the person's place in the account; raise ValidationError if they have none any more."""
    member = Member.objects.filter(account=account, user=user).select_related("user", "account").first()
    if member is None:
        raise ValidationError(_("You are no longer a member of this organization."))
    return member
