"""REST for management keys: who has them sees and revokes them. None is made here: a key makes no keys."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.rest.acts import Moment, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from tokens.api_output import RevokeInput
from tokens.models import ManagementKey


class KeyOutput(serializers.Serializer[ManagementKey]):
    id = serializers.CharField(source="public_id")
    masked = serializers.CharField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    account = serializers.UUIDField(source="account_id")
    scopes = serializers.ListField(child=serializers.CharField())
    networks = serializers.ListField(child=serializers.CharField())
    generation = serializers.IntegerField()
    issued_at = Moment()
    expires_at = Moment()
    last_used_at = Moment(allow_null=True)
    last_used_from = serializers.CharField()
    revoked_at = Moment(allow_null=True)

    def get_state(self, key: ManagementKey) -> str:
        return key.state(self.context["now"]).value


class KeyFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    living = ChoiceFilter(choices=[("yes", "yes")], method="only_living")

    def only_living(self, keys: Any, name: str, value: str) -> Any:
        return keys.living(self.request.now)


def _own(asked: Asked) -> QuerySet[ManagementKey]:
    return asked.here(ManagementKey.objects.owned_by(asked.user)).select_related("owner", "account")


@lists("keys:read", KeyOutput, filters=KeyFilters, orderings=("-issued_at", "issued_at", "expires_at", "-expires_at"))
def list_keys(asked: Asked) -> QuerySet[ManagementKey]:
    """List your management keys. They are made in the portal, by a person who has confirmed who they are."""
    return _own(asked)


@reads("keys:read", KeyOutput)
def get_key(asked: Asked, public_id: str) -> ManagementKey:
    return get_object_or_404(_own(asked), public_id=public_id)


@writes("keys:write", KeyOutput, RevokeInput)
def revoke_key(asked: Asked, wish: dict[str, Any], public_id: str) -> ManagementKey:
    """End the key, its other generations and the tokens that they issued, before this answers."""
    found = get_object_or_404(_own(asked), public_id=public_id)
    found.revoke(by=asked.by, now=asked.now, **wish)
    return found


urlpatterns = [
    path("keys", resource(get=list_keys)),
    path("keys/<slug:public_id>", resource(get=get_key)),
    path("keys/<slug:public_id>/revoke", resource(post=revoke_key)),
]
