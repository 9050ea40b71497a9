"""Deleting one's own account: what goes with it, and what stands against it."""

from dataclasses import dataclass, field
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from profiles.events import Action, Actor, Event
from profiles.models import Account, Authorization, Server, Toolkit, User
from profiles.permissions import Role
from profiles.signals import access_ended


@dataclass(frozen=True, slots=True)
class Going:
    """What a person's account takes along."""

    toolkits: int = 0
    servers: int = 0
    authorizations: int = 0
    others: int = 0
    left: list[str] = field(default_factory=list)
    owned_alone: list[Account] = field(default_factory=list)
    is_last_staff: bool = False

    @property
    def is_possible(self) -> bool:
        return not self.owned_alone and not self.is_last_staff


def of(user: User) -> Going:
    personal = Account.objects.filter(personal_of=user)
    organizations = Account.objects.of(user).exclude(personal_of=user).order_by("name")
    return Going(
        toolkits=Toolkit.objects.filter(account__in=personal, deleted_at=None).count(),
        servers=Server.objects.filter(account__in=personal).count(),
        authorizations=Authorization.objects.filter(owner=user).count(),
        others=User.objects.filter(memberships__account__in=personal).exclude(pk=user.pk).distinct().count(),
        left=[account.name for account in organizations],
        owned_alone=[account for account in organizations if _owns_alone(user, account)],
        is_last_staff=user.is_superuser and not _other_superusers(user),
    )


def _owns_alone(user: User, account: Account) -> bool:
    owners = account.members.filter(role=Role.OWNER, user__is_active=True).values_list("user_id", flat=True)
    return list(owners) == [user.pk]


def _other_superusers(user: User) -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk).exists()


def delete(user: User, *, by: Actor, now: datetime) -> None:
    """Delete the person, their own account and what is in it; raise ValidationError if others would lose an owner.

    Events and calls stay: they copy the names they show.
    """
    with transaction.atomic():
        mine = Account.objects.filter(members__user=user)
        list(Account.objects.select_for_update().filter(pk__in=mine.values("pk")).order_by("pk"))  # owners wait
        _refuse(of(user))
        Event.record(Action.USER_DELETED, by=by, now=now, subject=user)
        for member in user.memberships.exclude(account__personal_of=user).select_related("account", "user"):
            member.remove(by=by, now=now)
        access_ended.send(User, user=user, account=None, by=by, now=now)
        keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=keys).delete()
        User.objects.get(pk=user.pk).delete()


def _refuse(going: Going) -> None:
    if going.owned_alone:
        names = ", ".join(f"“{account.name}”" for account in going.owned_alone)
        raise ValidationError(
            _("You alone own %(names)s. Make somebody else an owner first. Nothing was deleted.") % {"names": names}
        )
    if going.is_last_staff:
        raise ValidationError(_("You are the last who can administer this Nexus. Nothing was deleted."))
