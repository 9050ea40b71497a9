"""REST for accounts: which there are, and their kill switch."""

from uuid import UUID

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers

from profiles.models import Account
from profiles.permissions import Act, Role
from profiles.rest.acts import Moment, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource

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


@writes("accounts:write", AccountOutput)
def pause_account(asked: Asked, pk: UUID) -> Account:
    """Refuse every call with the account's tokens, before this answers."""
    asked.account_where(Act.MANAGE_TOOLKITS, pk).pause(by=asked.by, now=asked.now)
    return _with_role(asked, pk)


@writes("accounts:write", AccountOutput)
def resume_account(asked: Asked, pk: UUID) -> Account:
    """Let calls through again; for a person who has just confirmed who they are."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, pk)
    asked.refuse_unconfirmed("/settings/")
    account.resume(by=asked.by, now=asked.now)
    return _with_role(asked, pk)


urlpatterns = [
    path("accounts", resource(get=list_accounts)),
    path("accounts/<uuid:pk>", resource(get=get_account)),
    path("accounts/<uuid:pk>/pause", resource(post=pause_account)),
    path("accounts/<uuid:pk>/resume", resource(post=resume_account)),
]
