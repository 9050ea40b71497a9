"""REST for delegated tokens: what the pages do, by the same methods. Only an issue's own answer carries a secret."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.models import Toolkit
from profiles.rest.acts import Input, Moment, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.paging import Parts
from tokens import api_applications, api_bearer, api_connections, api_management_keys, api_policies, api_webhooks
from tokens.api_output import IssuedOutput, RevokeInput, TokenOutput
from tokens.models import DelegatedToken, Issued, ManagementKey
from tokens.models.delegated import PRINTABLE
from tokens.models.narrowing import MAX_CALLS, MAX_NETWORKS, Narrowing, refuse_offering_nothing
from tokens.models.policies import LEAST_UNUSED_DAYS, MAX_LIFE
from tokens.models.replacing import DEFAULT_OVERLAP, MAX_OVERLAP
from tokens.models.revoking import revoke_all
from tokens.models.selecting import DelegatedTokenQuerySet
from tokens.scopes import ISSUE

MAX_TOOLS = 1000
AT_ONCE = 200  # tokens of one bulk revocation
MAX_SECONDS = int(MAX_LIFE.total_seconds())


class TokenFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    profile = CharFilter(field_name="toolkit__alias", help_text="Alias of its toolkit.")
    state = ChoiceFilter(choices=DelegatedToken.State.choices, method="in_state")
    made = ChoiceFilter(choices=[("people", "people"), ("exchange", "exchange")], method="made_by")
    text = CharFilter(max_length=100, method="matching", help_text="In name or owner; or a public id, or a last four.")

    def in_state(self, tokens: DelegatedTokenQuerySet, name: str, state: str) -> DelegatedTokenQuerySet:
        return tokens.in_state(state, self.request.now)

    def made_by(self, tokens: DelegatedTokenQuerySet, name: str, who: str) -> DelegatedTokenQuerySet:
        return tokens.made_by_people() if who == "people" else tokens.made_by_exchange()

    def matching(self, tokens: DelegatedTokenQuerySet, name: str, text: str) -> DelegatedTokenQuerySet:
        return tokens.matching(text)


class ExpiryInput(Input):
    expires_at = Moment(required=False)
    expires_in = serializers.IntegerField(
        min_value=60, max_value=MAX_SECONDS, required=False, help_text="Seconds; instead of `expires_at`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if {"expires_at", "expires_in"} <= set(attrs):
            raise serializers.ValidationError({"expires_in": ["Say expires_at or expires_in, not both."]})
        return attrs


class TokenInput(ExpiryInput):
    account = serializers.UUIDField(required=False)
    profile = serializers.CharField(max_length=40, help_text="Alias or id of the toolkit that it is for.")
    name = serializers.CharField(max_length=80, validators=[PRINTABLE], help_text="The service that will use it.")
    tools = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=MAX_TOOLS, required=False, allow_null=True,
        help_text="Names of tools that it is kept to; all of the toolkit's where nothing is said.",
    )  # fmt: skip
    is_read_only = serializers.BooleanField(required=False)
    networks = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=MAX_NETWORKS, required=False
    )
    call_cap = serializers.IntegerField(min_value=1, max_value=MAX_CALLS, required=False, allow_null=True)
    pause_unused_days = serializers.IntegerField(
        min_value=LEAST_UNUSED_DAYS, max_value=MAX_LIFE.days, required=False, allow_null=True
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"expires_at", "expires_in"} & set(attrs):
            raise serializers.ValidationError({"expires_at": ["Say when it ends: expires_at, or expires_in seconds."]})
        return super().validate(attrs)


class RotateInput(ExpiryInput):
    overlap_seconds = serializers.IntegerField(
        min_value=0, max_value=int(MAX_OVERLAP.total_seconds()), required=False,
        help_text="How long the old token lives on once the new one is used; 24 hours where nothing is said.",
    )  # fmt: skip


class RevokeManyInput(RevokeInput):
    ids = serializers.ListField(
        child=serializers.CharField(max_length=20), min_length=1, max_length=AT_ONCE, allow_empty=False
    )


class ResultOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    result = serializers.ChoiceField(choices=[("revoked", ""), ("ended_before", ""), ("not_found", "")])


class ResultsOutput(serializers.Serializer[Any]):
    results = ResultOutput(many=True)


def _visible(asked: Asked) -> QuerySet[DelegatedToken]:
    visible = asked.here(DelegatedToken.objects.visible_to(asked.user))
    return visible.select_related("owner", "account", "toolkit")


def _found(asked: Asked, public_id: str) -> DelegatedToken:
    return get_object_or_404(_visible(asked), public_id=public_id)


def _issuing_key(asked: Asked) -> ManagementKey | None:
    return asked.key if isinstance(asked.key, ManagementKey) else None


# No other orderings: no index would put a million tokens of an account in them.
@lists("tokens:read", TokenOutput, filters=TokenFilters, orderings=("-issued_at", "issued_at"))
def list_tokens(asked: Asked) -> Parts:
    """List your own tokens, and all of accounts where you may revoke."""
    rows = asked.here(DelegatedToken.objects.all()).select_related("owner", "account", "toolkit")
    return Parts(rows, DelegatedToken.objects.all().parts_visible_to(asked.user))


@reads("tokens:read", TokenOutput)
def get_token(asked: Asked, public_id: str) -> DelegatedToken:
    return _found(asked, public_id)


@creates(ISSUE, IssuedOutput, TokenInput, is_secret=True)
def issue_token(asked: Asked, wish: dict[str, Any]) -> Issued:
    """Issue a token of yours. The answer shows its secret, and nothing shows it again.

    For a person who has just confirmed who they are, or a key with the scope `tokens:issue`, with which it ends.
    """
    toolkits = Toolkit.objects.usable_by(asked.user).filter(account=asked.account(wish.get("account")))
    toolkit = toolkits.named(wish["profile"]).select_related("account").first()
    if toolkit is None:
        raise serializers.ValidationError({"profile": ["You may use no toolkit of this name in this account."]})
    asked.refuse_unconfirmed("/install/", with_scope=ISSUE)
    refuse_offering_nothing(toolkit)
    return DelegatedToken.objects.issue(
        owner=asked.user, toolkit=toolkit, name=wish["name"], expires_at=_ends(asked, wish), by=asked.by, now=asked.now,
        narrowing=_narrowing(wish), issued_by_key=_issuing_key(asked),
    )  # fmt: skip


def _ends(asked: Asked, wish: dict[str, Any]) -> Any:
    seconds = wish.get("expires_in")
    return asked.now.replace(microsecond=0) + timedelta(seconds=seconds) if seconds else wish.get("expires_at")


def _narrowing(wish: dict[str, Any]) -> Narrowing:
    days = wish.get("pause_unused_days")
    return Narrowing(
        tools=wish.get("tools"),
        is_read_only=wish.get("is_read_only", False),
        networks=wish.get("networks", ()),
        call_cap=wish.get("call_cap"),
        pause_unused_after=timedelta(days=days) if days else None,
    )


@creates(ISSUE, IssuedOutput, RotateInput, is_secret=True)
def rotate_token(asked: Asked, wish: dict[str, Any], public_id: str) -> Issued:
    """Issue a successor of your own token. It waits for its first use; from then on the old one lives for a while.

    For a person who has just confirmed who they are, or a key with the scope `tokens:issue`, with which it ends.
    """
    found = _found(asked, public_id)
    if found.owner_id != asked.user.pk or found.exchanges:
        raise Http404  # nobody is shown a secret that acts for somebody else
    asked.refuse_unconfirmed(f"/tokens/{public_id}/replace/", with_scope=ISSUE)
    seconds = wish.get("overlap_seconds")
    return found.replace(
        by=asked.by, now=asked.now, expires_at=_ends(asked, wish), issued_by_key=_issuing_key(asked),
        overlap=DEFAULT_OVERLAP if seconds is None else timedelta(seconds=seconds),
    )  # fmt: skip


@writes("tokens:write", TokenOutput, RevokeInput)
def revoke_token(asked: Asked, wish: dict[str, Any], public_id: str) -> DelegatedToken:
    """End the token; when this answers, no call of it begins any more. Ending it again changes nothing."""
    _found(asked, public_id).revoke(by=asked.by, now=asked.now, **wish)
    return _found(asked, public_id)


@writes("tokens:write", ResultsOutput, RevokeManyInput)
def revoke_tokens(asked: Asked, wish: dict[str, Any]) -> dict[str, Any]:
    """End many tokens together; what is not yours is left alone, and looks like what is not there."""
    wanted = list(dict.fromkeys(wish.pop("ids")))
    found = {token.public_id: token for token in _visible(asked).filter(public_id__in=wanted)}
    ended = {each.public_id for each in revoke_all(list(found.values()), by=asked.by, now=asked.now, **wish)}
    results = {each: "revoked" if each in ended else "ended_before" for each in found}
    return {"results": [{"id": each, "result": results.get(each, "not_found")} for each in wanted]}


@writes("tokens:write", TokenOutput)
def pause_token(asked: Asked, public_id: str) -> DelegatedToken:
    """Refuse its calls, and those of its other generations, before this answers."""
    _found(asked, public_id).pause(by=asked.by, now=asked.now)
    return _found(asked, public_id)


@writes("tokens:write", TokenOutput)
def resume_token(asked: Asked, public_id: str) -> DelegatedToken:
    """Let it go on; for a person who has just confirmed who they are."""
    found = _found(asked, public_id)
    asked.refuse_unconfirmed(f"/tokens/{public_id}/")
    found.resume(by=asked.by, now=asked.now)
    return _found(asked, public_id)


urlpatterns = [
    path("tokens", resource(get=list_tokens, post=issue_token)),
    path("tokens/revoke", resource(post=revoke_tokens)),
    *api_bearer.urlpatterns,
    path("tokens/<slug:public_id>", resource(get=get_token)),
    path("tokens/<slug:public_id>/rotate", resource(post=rotate_token)),
    path("tokens/<slug:public_id>/revoke", resource(post=revoke_token)),
    path("tokens/<slug:public_id>/pause", resource(post=pause_token)),
    path("tokens/<slug:public_id>/resume", resource(post=resume_token)),
    *api_management_keys.urlpatterns,
    *api_applications.urlpatterns,
    *api_connections.urlpatterns,
    *api_policies.urlpatterns,
    *api_webhooks.urlpatterns,
]
