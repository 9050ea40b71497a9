"""REST for stored upstream credentials. Their secrets are never shown; only a person connects one."""

from typing import Any, NoReturn
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.forms_authorizations import AssignForm
from profiles.models import Authorization
from profiles.permissions import Act
from profiles.rest.acts import Input, Moment, Nothing, changes, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.filtering import errors_of
from profiles.rest.problems import NeedsPerson


class AuthorizationOutput(serializers.Serializer[Authorization]):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    server = serializers.UUIDField(source="server_id")
    owner = serializers.CharField(source="owner.email")
    kind = serializers.CharField()
    state = serializers.SerializerMethodField()
    visibility = serializers.ChoiceField(choices=Authorization.Visibility.choices)
    profiles = serializers.SerializerMethodField(help_text="Reserved for these; none means good for all.")
    scopes = serializers.CharField()
    created_at = Moment()
    expires_at = Moment(allow_null=True)
    last_used_at = Moment(allow_null=True)
    dead_since = Moment(allow_null=True)

    def get_state(self, authorization: Authorization) -> str:
        return authorization.state(self.context["now"]).value

    def get_profiles(self, authorization: Authorization) -> list[UUID]:
        return [toolkit.pk for toolkit in authorization.toolkits.all()]


class AuthorizationInput(Input):
    visibility = serializers.ChoiceField(choices=Authorization.Visibility.choices)
    profiles = serializers.ListField(child=serializers.UUIDField(), max_length=200)


class AuthorizationFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    server = UUIDFilter(field_name="server_id")


def _seen(asked: Asked) -> QuerySet[Authorization]:
    seen = Authorization.objects.living().visible_to(asked.user)
    return asked.here(seen).select_related("server", "owner", "account").prefetch_related("toolkits")


@lists(
    "authorizations:read", AuthorizationOutput, orderings=("-created_at", "created_at"), filters=AuthorizationFilters
)
def list_authorizations(asked: Asked) -> QuerySet[Authorization]:
    """List your own, and those of accounts that you manage."""
    return _seen(asked)


@reads("authorizations:read", AuthorizationOutput)
def get_authorization(asked: Asked, pk: UUID) -> Authorization:
    return get_object_or_404(_seen(asked), pk=pk)


@writes("authorizations:write", AuthorizationOutput, Nothing)
def connect_authorization(asked: Asked, wish: dict[str, Any]) -> NoReturn:
    """Refused: a person connects it, in the browser."""
    raise NeedsPerson(
        "A person connects a server, in the portal: their consent or their secret is needed.", "/authorizations/"
    )


@changes("authorizations:write", AuthorizationOutput, AuthorizationInput)
def change_authorization(asked: Asked, wish: dict[str, Any], pk: UUID) -> Authorization:
    """Choose for whom and for which toolkits it is used; for who manages the organization's."""
    found = get_object_or_404(_seen(asked), pk=pk)
    asked.refuse_unless(found.account, Act.AUTHORIZE)
    if "profiles" in wish:
        form = AssignForm({"toolkits": wish["profiles"]}, authorization=found)
        if not form.is_valid():
            raise serializers.ValidationError(errors_of(form))
        found.assign(form.cleaned_data["toolkits"], by=asked.by, now=asked.now)
    if "visibility" in wish:
        found.change_visibility(wish["visibility"], by=asked.by, now=asked.now)
    return get_object_or_404(_seen(asked), pk=pk)


@writes("authorizations:write", None)
def end_authorization(asked: Asked, pk: UUID) -> None:
    """End it at the next call and forget its secret. Its server is not told."""
    get_object_or_404(_seen(asked), pk=pk).end(by=asked.by, now=asked.now)


urlpatterns = [
    path("authorizations", resource(get=list_authorizations, post=connect_authorization)),
    path(
        "authorizations/<uuid:pk>",
        resource(get=get_authorization, patch=change_authorization, delete=end_authorization),
    ),
]
