"""REST for accounts: which there are, and their kill switch."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers

from profiles.models import Account
from profiles.models.members import place_of
from profiles.permissions import Act, Role
from profiles.rest.acts import Input, Line, Moment, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.problems import Conflict, NeedsPerson

ROLES = [(role.value, role.value) for role in Role]


class AccountOutput(serializers.Serializer[Account]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    is_personal = serializers.SerializerMethodField()
    role = serializers.ChoiceField(choices=ROLES, source="own_role", help_text="What you are there.")
    created_at = Moment()
    paused_at = Moment(allow_null=True)

    def get_is_personal(self, account: Account) -> bool:
        return account.personal_of_id is not None


class OrganizationInput(Input):
    name = Line(max_length=120)


def _with_role(asked: Asked, pk: UUID) -> Account:
    asked.account(pk)
    return Account.objects.with_role_of(asked.user).get(pk=pk)


@lists("accounts:read", AccountOutput, orderings=("created_at", "-created_at", "name", "-name"))
def list_accounts(asked: Asked) -> QuerySet[Account]:
    """List the accounts that you are a member of; with a key, the one that it is for."""
    return Account.objects.with_role_of(asked.user).filter(pk__in=asked.accounts().values("pk"))


@reads("accounts:read", AccountOutput)
def get_account(asked: Asked, pk: UUID) -> Account:
    return _with_role(asked, pk)


@creates("accounts:write", AccountOutput, OrganizationInput)
def open_organization(asked: Asked, wish: dict[str, Any]) -> Account:
    """Open an organization that you own. A key works in its own account only, and opens none."""
    if asked.key:
        raise NeedsPerson("A key belongs to one account and opens no other.", "/settings/accounts/")
    return _with_role(asked, Account.objects.open_organization(wish["name"], asked.user, by=asked.by, now=asked.now).pk)


@changes("accounts:write", AccountOutput, OrganizationInput)
def rename_account(asked: Asked, wish: dict[str, Any], pk: UUID) -> Account:
    account = asked.account_where(Act.MANAGE_ACCOUNT, pk)
    if "name" in wish:
        account.rename(wish["name"], by=asked.by, now=asked.now)
    return _with_role(asked, pk)


@writes("accounts:write", AccountOutput)
def pause_account(asked: Asked, pk: UUID) -> Account:
    """Refuse every call with the account's tokens, before this answers."""
    asked.account_where(Act.MANAGE_ACCOUNT, pk).pause(by=asked.by, now=asked.now)
    return _with_role(asked, pk)


@writes("accounts:write", AccountOutput)
def resume_account(asked: Asked, pk: UUID) -> Account:
    """Let calls through again; for a person who has just confirmed who they are."""
    account = asked.account_where(Act.MANAGE_ACCOUNT, pk)
    asked.refuse_unconfirmed("/settings/")
    account.resume(by=asked.by, now=asked.now)
    return _with_role(asked, pk)


@writes("accounts:write", None, problems=(409,))
def leave_account(asked: Asked, pk: UUID) -> None:
    """Leave an organization; what you have there ends, before this answers. Its last owner stays."""
    account = asked.account(pk)
    if not account.is_organization:
        raise Conflict("This is your own account. It ends with you.")
    place_of(asked.user, account).remove(by=asked.by, now=asked.now)


urlpatterns = [
    path("accounts", resource(get=list_accounts, post=open_organization)),
    path("accounts/<uuid:pk>", resource(get=get_account, patch=rename_account)),
    path("accounts/<uuid:pk>/pause", resource(post=pause_account)),
    path("accounts/<uuid:pk>/resume", resource(post=resume_account)),
    path("accounts/<uuid:pk>/leave", resource(post=leave_account)),
]
