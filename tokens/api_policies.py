"""REST for policies: one of the account, one of each toolkit; their ids are those of what they are for."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from profiles.models import Account, Toolkit
from profiles.permissions import Act
from profiles.rest.acts import Input, changes, reads
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from tokens.forms_policies import MOST_TOKENS
from tokens.models import Policy
from tokens.models.policies import LEAST_UNUSED_DAYS, MAX_LIFE


class RulesOutput(serializers.Serializer[Any]):
    max_life_days = serializers.IntegerField(allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True, help_text="Living ones, of each person.")
    pause_unused_days = serializers.IntegerField(allow_null=True)
    ends_reused_families = serializers.BooleanField()


class PolicyOutput(RulesOutput):
    id = serializers.SerializerMethodField()
    kind = serializers.SerializerMethodField()

    def get_id(self, policy: Policy) -> UUID:
        return policy.toolkit_id or policy.account_id

    def get_kind(self, policy: Policy) -> str:
        return "profile" if policy.toolkit_id else "account"


class PoliciesOutput(serializers.Serializer[Any]):
    results = PolicyOutput(many=True)


class PolicyInput(Input):
    max_life_days = serializers.IntegerField(min_value=1, max_value=MAX_LIFE.days, allow_null=True)
    max_tokens = serializers.IntegerField(min_value=1, max_value=MOST_TOKENS, allow_null=True)
    pause_unused_days = serializers.IntegerField(min_value=LEAST_UNUSED_DAYS, max_value=MAX_LIFE.days, allow_null=True)
    ends_reused_families = serializers.BooleanField()


def _of(asked: Asked, pk: UUID) -> Policy:
    """Return the policy of the account or the toolkit with this id."""
    if account := asked.accounts().filter(pk=pk).first():
        asked.refuse_unless(account, Act.MANAGE_TOOLKITS)
        return Policy.objects.of_one(account, None)
    toolkit = asked.here(Toolkit.objects.managed_by(asked.user)).select_related("account").filter(pk=pk).first()
    if toolkit is None:
        raise Http404
    return Policy.objects.of_one(toolkit.account, toolkit)


ACCOUNT = OpenApiParameter("account", UUID, description="Where none is named, the current one.")


@reads("policies:read", PoliciesOutput, parameters=(ACCOUNT,))
def list_policies(asked: Asked) -> dict[str, Any]:
    """Show the rules of the account, and those that its toolkits have besides."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, _account_id(asked))
    own = [Policy.objects.of_one(account, None)]
    return {"results": [*own, *Policy.objects.filter(account=account, toolkit__deleted_at=None).exclude(toolkit=None)]}


def _account_id(asked: Asked) -> UUID | None:
    text = asked.request.query_params.get("account")
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise ValidationError({"account": ["Write the id of an account."]}) from error


@reads("policies:read", PolicyOutput)
def get_policy(asked: Asked, pk: UUID) -> Policy:
    """Show the rules of an account or a toolkit, by its id."""
    return _of(asked, pk)


@changes("policies:write", PolicyOutput, PolicyInput)
def change_policy(asked: Asked, wish: dict[str, Any], pk: UUID) -> Policy:
    """Change rules; null leaves one to the wider policy. No living token is changed by it."""
    policy = _of(asked, pk)
    account: Account = policy.account
    Policy.objects.change(account, policy.toolkit, policy.rules | wish, by=asked.by, now=asked.now)
    return _of(asked, pk)


urlpatterns = [
    path("policies", resource(get=list_policies)),
    path("policies/<uuid:pk>", resource(get=get_policy, patch=change_policy)),
]
