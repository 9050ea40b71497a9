"""REST for the members of organizations, and for invitations to them."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles import emails
from profiles.models import Account, Invitation, Member, Toolkit
from profiles.permissions import Act, Role, is_wider
from profiles.rest.acts import Input, Moment, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.problems import Conflict

ROLES = [(role.value, role.value) for role in Role]
PAGE = "/settings/members/"


class MemberOutput(serializers.Serializer[Member]):
    id = serializers.IntegerField(source="pk")
    account = serializers.UUIDField(source="account_id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=ROLES)
    is_active = serializers.BooleanField(source="user.is_active")
    profiles = serializers.SerializerMethodField(help_text="Of an end user: the toolkits that they may use.")
    created_at = Moment(help_text="Since when.")

    def get_profiles(self, member: Member) -> list[UUID]:
        return [toolkit.pk for toolkit in member.assigned_toolkits.all()]


class MemberInput(Input):
    role = serializers.ChoiceField(choices=ROLES)
    profiles = serializers.ListField(child=serializers.UUIDField(), max_length=200)


class InvitationOutput(serializers.Serializer[Invitation]):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=ROLES)
    state = serializers.SerializerMethodField()
    created_at = Moment()
    sent_at = Moment()
    expires_at = Moment()

    def get_state(self, invitation: Invitation) -> str:
        return invitation.state(self.context["now"]).value


class InviteInput(Input):
    account = serializers.UUIDField(required=False)
    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=ROLES)
    profiles = serializers.ListField(child=serializers.UUIDField(), max_length=200, required=False)


class MemberFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    role = ChoiceFilter(choices=ROLES)
    text = CharFilter(max_length=100, method="matching", help_text="In address or name.")

    def matching(self, members: Any, name: str, text: str) -> Any:
        return members.matching(text)


class InvitationFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    open = ChoiceFilter(choices=[("yes", "yes")], method="only_open")

    def only_open(self, invitations: Any, name: str, value: str) -> Any:
        return invitations.open()


def _members(asked: Asked) -> QuerySet[Member]:
    seen = asked.here(Member.objects.managed_by(asked.user))
    return seen.select_related("user", "account").prefetch_related("assigned_toolkits")


def _member(asked: Asked, pk: int) -> Member:
    return get_object_or_404(_members(asked), pk=pk)


def _invitations(asked: Asked) -> QuerySet[Invitation]:
    managed = Account.objects.organizations().where(asked.user, Act.MANAGE_MEMBERS)
    return asked.here(Invitation.objects.filter(account__in=managed)).select_related("account")


def _toolkits(account: Account, ids: list[UUID]) -> QuerySet[Toolkit]:
    """Return the toolkits of the account; raise ValidationError for an id that is none of them."""
    found = Toolkit.objects.living().filter(account=account, pk__in=ids)
    if len(found) != len(set(ids)):
        raise serializers.ValidationError({"profiles": ["One of these is no toolkit of the account."]})
    return found


def _refuse_assigning(role: Role, ids: list[UUID] | None) -> None:
    if ids is not None and role is not Role.END_USER:
        raise serializers.ValidationError({"profiles": ["Toolkits are assigned to end users; others may use all."]})


@lists("members:read", MemberOutput, filters=MemberFilters, orderings=("created_at", "-created_at"))
def list_members(asked: Asked) -> QuerySet[Member]:
    """List the people of the organizations in which you manage members."""
    return _members(asked)


@reads("members:read", MemberOutput)
def get_member(asked: Asked, pk: int) -> Member:
    return _member(asked, pk)


@changes("members:write", MemberOutput, MemberInput)
def change_member(asked: Asked, wish: dict[str, Any], pk: int) -> Member:
    """Give another role, or an end user other toolkits; more than before only from who has just confirmed."""
    found = _member(asked, pk)
    role, had = Role(wish.get("role", found.role)), {toolkit.pk for toolkit in found.assigned_toolkits.all()}
    toolkits = _toolkits(found.account, wish["profiles"]) if "profiles" in wish else None
    _refuse_assigning(role, wish.get("profiles"))
    if is_wider(role, Role(found.role)) or {toolkit.pk for toolkit in toolkits or ()} - had:
        asked.refuse_unconfirmed(f"{PAGE}{pk}/")
    with transaction.atomic():
        found.change_role(role, manager=found.account.role_of(asked.user), by=asked.by, now=asked.now)
        if toolkits is not None:
            found.assign(toolkits, by=asked.by, now=asked.now)
    return _member(asked, pk)


@writes("members:write", None)
def remove_member(asked: Asked, pk: int) -> None:
    """Take the person out; their tokens for the account's toolkits end with that."""
    found = _member(asked, pk)
    found.remove(manager=found.account.role_of(asked.user), by=asked.by, now=asked.now)


@lists("invitations:read", InvitationOutput, filters=InvitationFilters, orderings=("-created_at", "created_at"))
def list_invitations(asked: Asked) -> QuerySet[Invitation]:
    return _invitations(asked)


@reads("invitations:read", InvitationOutput)
def get_invitation(asked: Asked, pk: UUID) -> Invitation:
    return get_object_or_404(_invitations(asked), pk=pk)


@creates("invitations:write", InvitationOutput, InviteInput)
def invite_member(asked: Asked, wish: dict[str, Any]) -> Invitation:
    """Mail an invitation; the link is in the mail alone. For a person who has just confirmed who they are."""
    account = asked.account_where(Act.MANAGE_MEMBERS, wish.get("account"))
    _refuse_assigning(Role(wish["role"]), wish.get("profiles"))
    asked.refuse_unconfirmed(f"{PAGE}invite/")
    invitation, secret = Invitation.objects.invite(
        account, wish["email"], Role(wish["role"]), toolkits=_toolkits(account, wish.get("profiles", [])),
        inviter=asked.user, by=asked.by, now=asked.now,
    )  # fmt: skip
    transaction.on_commit(lambda: emails.invitation(invitation, secret), robust=True)
    return invitation


@writes("invitations:write", InvitationOutput)
def send_invitation_again(asked: Asked, pk: UUID) -> Invitation:
    """Mail a fresh link; the one before is over. For a person who has just confirmed who they are."""
    found = get_object_or_404(_invitations(asked), pk=pk)
    asked.refuse_unconfirmed(PAGE)
    secret = found.send_again(sender=asked.user, by=asked.by, now=asked.now)
    found.refresh_from_db()
    transaction.on_commit(lambda: emails.invitation(found, secret), robust=True)
    return found


@writes("invitations:write", InvitationOutput, problems=(409,))
def cancel_invitation(asked: Asked, pk: UUID) -> Invitation:
    """Make its link worthless."""
    found = get_object_or_404(_invitations(asked), pk=pk)
    manager = found.account.role_of(asked.user)
    if not found.cancel(manager=manager, by=asked.by, now=asked.now):
        raise Conflict("This invitation is no longer open.")
    return found


urlpatterns = [
    path("members", resource(get=list_members)),
    path("members/<int:pk>", resource(get=get_member, patch=change_member, delete=remove_member)),
    path("invitations", resource(get=list_invitations, post=invite_member)),
    path("invitations/<uuid:pk>", resource(get=get_invitation)),
    path("invitations/<uuid:pk>/send", resource(post=send_invitation_again)),
    path("invitations/<uuid:pk>/cancel", resource(post=cancel_invitation)),
]
