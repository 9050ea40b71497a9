"""REST for unexpected use of tokens: what the rules found, and the answer that it is fine."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from activity.models import Finding, Rule
from activity.models.findings import OPEN, FindingQuerySet
from profiles.rest.acts import Moment, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.filtering import MomentFilter
from tokens.models import DelegatedToken

STATES = [(OPEN, "Nobody has answered"), *Finding.Answer.choices]


class SignOutput(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="What is new: a network, a client, an hour.")
    said = serializers.CharField()
    address = serializers.CharField()
    at = serializers.DateTimeField()


class FindingOutput(serializers.Serializer[Finding]):
    id = serializers.UUIDField()
    rule = serializers.ChoiceField(choices=Rule.choices)
    account = serializers.UUIDField(source="account_id")
    profile_id = serializers.UUIDField(source="toolkit_id")
    token = serializers.CharField(source="token_public_id")
    token_name = serializers.CharField()
    said = serializers.CharField(help_text="In one sentence, by its first sign.")
    evidence = SignOutput(many=True)
    more = serializers.IntegerField(help_text="How many further values there were, beside those of the evidence.")
    first_at = Moment()
    last_at = Moment()
    found_at = Moment()
    told_at = Moment(allow_null=True, help_text="When its owner was told of it.")
    state = serializers.ChoiceField(
        choices=STATES, help_text="That its token was replaced or revoked is noted within a minute."
    )
    answered_at = Moment(allow_null=True)
    answered_by = serializers.CharField(help_text="Who called it fine.")


class FindingFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    token = CharFilter(field_name="token_public_id", max_length=12, help_text="Public id of a token.")
    rule = ChoiceFilter(choices=Rule.choices)
    state = ChoiceFilter(choices=STATES, method="in_state")
    since = MomentFilter(field_name="last_at", lookup_expr="gte")
    until = MomentFilter(field_name="last_at", lookup_expr="lt")

    def in_state(self, findings: FindingQuerySet, name: str, state: str) -> FindingQuerySet:
        return findings.in_state(state)


def _visible(asked: Asked) -> QuerySet[Finding]:
    visible: QuerySet[Finding] = Finding.objects.visible_to(asked.user)
    return visible.filter(account_id=asked.key.account.pk) if asked.key else visible


def _found(asked: Asked, pk: Any) -> Finding:
    return get_object_or_404(_visible(asked), pk=pk)


@lists("findings:read", FindingOutput, filters=FindingFilters, orderings=("-last_at", "last_at"))
def list_findings(asked: Asked) -> QuerySet[Finding]:
    """List unexpected use of your own tokens, and of all tokens of accounts whose activity you see."""
    return _visible(asked)


@reads("findings:read", FindingOutput)
def get_finding(asked: Asked, pk: Any) -> Finding:
    return _found(asked, pk)


@writes("findings:write", FindingOutput)
def accept_finding(asked: Asked, pk: Any) -> Finding:
    """Learn that this is how the token is used, as “Fine for this token” does. Of an answered one nothing changes."""
    found = _found(asked, pk)
    tokens = DelegatedToken.objects.select_related("account")
    found.accept(get_object_or_404(tokens, public_id=found.token_public_id), by=asked.by, now=asked.now)
    return _found(asked, pk)


urlpatterns = [
    path("findings", resource(get=list_findings)),
    path("findings/<uuid:pk>", resource(get=get_finding)),
    path("findings/<uuid:pk>/fine", resource(post=accept_finding)),
]
