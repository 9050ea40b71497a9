import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models.accounts import Account, refuse_management
from profiles.models.attempts import Attempts
from profiles.models.members import Member
from profiles.models.people import MACHINE_DOMAIN, User
from profiles.models.sign_in import digest
from profiles.models.toolkits import Toolkit
from profiles.permissions import ROLE_NAMES, Role

LIFE = timedelta(days=7)
DAY = timedelta(days=1)
MAX_OPEN = 200  # of one organization, at a time
# Mails a day, so that nobody's mailbox is flooded in the name of an organization, or of several.
OF_A_PERSON, OF_AN_ACCOUNT, TO_AN_ADDRESS = 50, 100, 3


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Return those that were neither accepted nor cancelled; their time may be over, and they can be sent again."""
        return self.filter(accepted_at=None, cancelled_at=None)

    def good(self, now: datetime) -> Self:
        return self.open().filter(expires_at__gt=now, account__deleted_at=None).select_related("account", "invited_by")

    def cancel(self, *, by: Actor, now: datetime) -> int:
        return sum(invitation.cancel(by=by, now=now) for invitation in self.open().select_related("account"))


class InvitationManager(models.Manager.from_queryset(InvitationQuerySet)):  # type: ignore[misc]
    def with_secret(self, secret: str, *, now: datetime) -> "Invitation | None":
        found: Invitation | None = self.good(now).filter(digest=digest(secret)).first()
        return found

    def invite(
        self, account: Account, email: str, role: Role, *, inviter: User, toolkits: Iterable[Toolkit] = (),
        by: Actor, now: datetime,
    ) -> "tuple[Invitation, str]":  # fmt: skip
        """Invite an address; return the invitation and the secret of its link, which is for the mail alone.

        Whether the address belongs to somebody here makes no difference. Raise ValidationError where the inviter may
        not, where the address is a member or invited already, and where too many mails went out today.
        """
        email = email.strip().lower()
        with transaction.atomic():
            refuse_management(account.role_of(inviter), role)
            self._refuse_known(account.hold(), email)
            refuse_flood(account, inviter, email, now=now)
            invitation = self.model(account=account, email=email, role=role, invited_by=inviter, created_at=now)
            secret = invitation._renew(now)
            invitation.save(force_insert=True)
            chosen = [toolkit for toolkit in toolkits if toolkit.account_id == account.pk]
            invitation.toolkits.set(chosen if role is Role.END_USER else [])
            invitation._note(Action.INVITATION_SENT, by, now, {"role": str(role)})
        return invitation, secret

    def _refuse_known(self, account: Account, email: str) -> None:
        if not account.is_organization or account.deleted_at:
            raise ValidationError(gettext("Only an organization has members. Make one first."))
        if email.endswith(f"@{MACHINE_DOMAIN}"):
            raise ValidationError({"email": gettext("No mail reaches this address.")})
        if account.members.filter(user__email__iexact=email).exists():
            raise ValidationError({"email": gettext("%(email)s is a member already.") % {"email": email}})
        if self.open().filter(account=account, email=email).exists():
            raise ValidationError(
                {
                    "email": gettext("%(email)s is invited already. Send that invitation again instead.")
                    % {"email": email}
                }
            )
        if self.open().filter(account=account).count() >= MAX_OPEN:
            raise ValidationError(
                gettext("%(number)s invitations are open. Cancel some before you send more.") % {"number": MAX_OPEN}
            )


def refuse_flood(account: Account, inviter: User, email: str, *, now: datetime) -> None:
    """Count one more mail; raise ValidationError where there were enough of them within a day."""
    address = hashlib.sha256(email.encode()).hexdigest()[:40]
    limits = (
        (
            f"invite-to:{address}",
            TO_AN_ADDRESS,
            {
                "email": gettext("%(who)s got %(number)s invitations within a day.")
                % {"who": email, "number": TO_AN_ADDRESS}
            },
        ),
        (
            f"invite-by:{inviter.pk}",
            OF_A_PERSON,
            gettext("You have sent %(number)s invitations within a day.") % {"number": OF_A_PERSON},
        ),
        (
            f"invite-from:{account.pk}",
            OF_AN_ACCOUNT,
            gettext("%(who)s has sent %(number)s invitations within a day.")
            % {"who": account, "number": OF_AN_ACCOUNT},
        ),
    )
    for key, most, problem in limits:
        if not Attempts.objects.take(key, most, now=now, window=DAY):
            raise ValidationError(problem)


class Invitation(models.Model):
    """An offer of a place in an organization, mailed to one address and good for whoever signs in with that."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        EXPIRED = "expired", _("expired")
        ACCEPTED = "accepted", _("accepted")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(max_length=16, choices=[(role.value, ROLE_NAMES[role]) for role in Role])
    toolkits: "models.ManyToManyField[Any, Any]" = models.ManyToManyField(
        Toolkit, blank=True, related_name="+", help_text=_("Assigned to an end user who accepts.")
    )
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    objects: ClassVar[InvitationManager] = InvitationManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "account", Lower("email"), name="invitation_open_once",
                condition=Q(accepted_at=None, cancelled_at=None),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.email} to {self.account}"

    def state(self, now: datetime) -> State:
        if self.accepted_at:
            return self.State.ACCEPTED
        if self.cancelled_at:
            return self.State.CANCELLED
        return self.State.WAITING if now < self.expires_at else self.State.EXPIRED

    def is_for(self, user: User) -> bool:
        """Return True for who is signed in with the invited address, which the link in hand proves to be theirs."""
        return user.is_active and not user.is_machine and user.email.lower() == self.email.lower()

    def send_again(self, *, sender: User, by: Actor, now: datetime) -> str:
        """Return the secret of a fresh link, for the mail alone; the link before it is over.

        Raise ValidationError where the sender may not, where it is no longer open, and where too many mails went out.
        """
        with transaction.atomic():
            self.account.hold()
            refuse_management(self.account.role_of(sender), Role(self.role))
            refuse_flood(self.account, sender, self.email, now=now)
            secret = self._renew(now)
            fresh = {"digest": self.digest, "sent_at": now, "expires_at": self.expires_at, "invited_by": sender}
            if not Invitation.objects.open().filter(pk=self.pk).update(**fresh):
                raise ValidationError(gettext("This invitation is no longer open. Invite the address once more."))
            self._note(Action.INVITATION_SENT, by, now, {"role": self.role, "again": True})
        return secret

    def cancel(self, *, manager: Role | None = None, by: Actor, now: datetime) -> bool:
        """Make its link worthless; return False if it is no longer open. Raise ValidationError for who may not."""
        refuse_management(manager, Role(self.role))
        with transaction.atomic():
            self.account.hold()
            if not Invitation.objects.open().filter(pk=self.pk).update(cancelled_at=now):
                return False
            self.cancelled_at = now
            self._note(Action.INVITATION_CANCELLED, by, now, {"role": self.role})
        return True

    def accept(self, user: User, *, by: Actor, now: datetime) -> Member | None:
        """Make the person a member, once; return None if the invitation is over, or is not for them.

        Who has become a member meanwhile stays what they are.
        """
        if not self.is_for(user):
            return None
        with transaction.atomic():
            account = self.account.hold()
            good = Invitation.objects.open().filter(pk=self.pk, digest=self.digest, expires_at__gt=now)
            if account.deleted_at or not good.update(accepted_at=now):
                return None
            self._note(Action.INVITATION_ACCEPTED, by, now, {"role": self.role})
            known = Member.objects.filter(account=account, user=user).first()
            if known:
                return known
            member = account.add_member(user, Role(self.role), by=by, now=now)
            if living := self.toolkits.filter(deleted_at=None):
                member.assign(living, by=by, now=now)
        return member

    def _renew(self, now: datetime) -> str:
        """Set a fresh 256-bit secret, of which only the digest is kept, and return it."""
        secret = secrets.token_urlsafe(32)
        self.digest, self.sent_at, self.expires_at = digest(secret), now, now + LIFE
        return secret

    def _note(self, action: Action, by: Actor, now: datetime, after: dict[str, Any]) -> None:
        Event.record(action, by=by, now=now, account=self.account, subject=self, after=after)
