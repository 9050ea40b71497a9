"""REST for connections: which applications people have agreed to. Agreeing needs the person, in the browser."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import ChoiceFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.rest.acts import Moment, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from tokens.models import Connection


class ConnectionOutput(serializers.Serializer[Connection]):
    id = serializers.CharField(source="public_id")
    client_id = serializers.CharField(source="application.client_id")
    application = serializers.CharField(source="application.name")
    account = serializers.UUIDField(source="account_id")
    owner = serializers.CharField(source="owner.email")
    profile = serializers.CharField(source="toolkit.alias")
    profile_id = serializers.UUIDField(source="toolkit_id")
    scope = serializers.CharField()
    agreed_at = Moment()
    last_used_at = Moment(allow_null=True)
    revoked_at = Moment(allow_null=True)


class ConnectionFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    living = ChoiceFilter(choices=[("yes", "yes")], method="only_living")

    def only_living(self, connections: Any, name: str, value: str) -> Any:
        return connections.living()


def _visible(asked: Asked) -> QuerySet[Connection]:
    visible = asked.here(Connection.objects.visible_to(asked.user))
    return visible.select_related("application", "owner", "account", "toolkit")


@lists("connections:read", ConnectionOutput, filters=ConnectionFilters, orderings=("-agreed_at", "agreed_at"))
def list_connections(asked: Asked) -> QuerySet[Connection]:
    """List the applications that you agreed to, and those of accounts where you may revoke."""
    return _visible(asked)


@reads("connections:read", ConnectionOutput)
def get_connection(asked: Asked, public_id: str) -> Connection:
    return get_object_or_404(_visible(asked), public_id=public_id)


@writes("connections:write", ConnectionOutput)
def revoke_connection(asked: Asked, public_id: str) -> Connection:
    """End it with its sessions and tokens; when this answers, no call of it begins any more."""
    found = get_object_or_404(_visible(asked), public_id=public_id)
    found.revoke(by=asked.by, now=asked.now)
    return get_object_or_404(_visible(asked), public_id=public_id)


urlpatterns = [
    path("connections", resource(get=list_connections)),
    path("connections/<slug:public_id>", resource(get=get_connection)),
    path("connections/<slug:public_id>/revoke", resource(post=revoke_connection)),
]
