"""REST for servers: the catalog and the account's own."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import CharFilter, FilterSet, UUIDFilter
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from profiles.listing import list_again, probe
from profiles.models import Server, Tool
from profiles.models.servers import MAX_CONCURRENT, MAX_TIMEOUT, SLUG
from profiles.permissions import Act
from profiles.rest.acts import Input, Line, Moment, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.problems import Unreachable
from profiles.upstream.errors import CredentialRefused, UpstreamError


class ServerOutput(serializers.Serializer[Server]):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id", allow_null=True, help_text="None: of the catalog.")
    slug = serializers.CharField(help_text="What the names of its tools begin with.")
    name = serializers.CharField()
    description = serializers.CharField()
    transport = serializers.ChoiceField(choices=Server.Transport.choices)
    url = serializers.CharField()
    authentication = serializers.ChoiceField(choices=Server.Authentication.choices)
    header_name = serializers.CharField()
    oauth_scopes = serializers.CharField()
    oauth_client_id = serializers.CharField()
    timeout_s = serializers.IntegerField()
    max_concurrent = serializers.IntegerField()
    listed_at = Moment(allow_null=True)
    failed_at = Moment(allow_null=True, help_text="Since when listing its tools fails.")
    failure = serializers.CharField()
    created_at = Moment()


class ToolOutput(serializers.Serializer[Tool]):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    digest = serializers.CharField()
    claims_read_only = serializers.BooleanField(source="is_read_only", help_text="What the server says; no proof.")
    first_seen_at = Moment()


class ServerAddInput(Input):
    account = serializers.UUIDField(required=False)
    url = serializers.CharField(max_length=500)
    name = Line(max_length=80)
    slug = serializers.CharField(max_length=16, required=False, allow_blank=True, validators=[SLUG])
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)


class ServerInput(Input):
    name = Line(max_length=80)
    description = serializers.CharField(max_length=500, allow_blank=True)
    timeout_s = serializers.IntegerField(min_value=1, max_value=MAX_TIMEOUT)
    max_concurrent = serializers.IntegerField(min_value=1, max_value=MAX_CONCURRENT)


class SignInInput(Input):
    authentication = serializers.ChoiceField(choices=Server.Authentication.choices)
    header_name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    oauth_scopes = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    oauth_client_id = serializers.CharField(max_length=500, required=False, allow_blank=True)
    client_secret = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class ServerFilters(FilterSet):
    account = UUIDFilter(field_name="account_id", help_text="Those of this account, without the catalog.")
    slug = CharFilter()


def _visible(asked: Asked) -> QuerySet[Server]:
    """Return the catalog, and the servers of the accounts of who asks."""
    living = Server.objects.living()
    return living.filter(Q(account=None) | Q(account__in=asked.accounts()))


def _managed(asked: Asked, pk: UUID) -> Server:
    found = get_object_or_404(_visible(asked).select_related("account"), pk=pk)
    if found.account is None:
        raise PermissionDenied("A server of the catalog is changed by staff, in the admin.")
    asked.refuse_unless(found.account, Act.MANAGE_TOOLKITS)
    return found


@lists("servers:read", ServerOutput, orderings=("name", "-name", "created_at", "-created_at"), filters=ServerFilters)
def list_servers(asked: Asked) -> QuerySet[Server]:
    return _visible(asked)


@reads("servers:read", ServerOutput)
def get_server(asked: Asked, pk: UUID) -> Server:
    return get_object_or_404(_visible(asked), pk=pk)


@lists("servers:read", ToolOutput, orderings=("name", "-name"))
def list_server_tools(asked: Asked, pk: UUID) -> QuerySet[Tool]:
    """List the tools that the server named when it was last asked."""
    return Tool.objects.listed().filter(server=get_server.run(asked, pk))


def _looked_at(asked: Asked, wish: dict[str, Any]) -> list[bytes]:
    """Return what the server lists; of one that wants a sign-in first, nothing."""
    asked.account_where(Act.MANAGE_TOOLKITS, wish.get("account"))
    try:
        found = probe(asked.user, wish["url"], wish["name"], now=asked.now)
    except UpstreamError as error:
        raise Unreachable(f"{error} Nothing was added.") from error
    return [] if isinstance(found, CredentialRefused) else found


@creates("servers:write", ServerOutput, ServerAddInput, prepare=_looked_at)
def add_server(asked: Asked, wish: dict[str, Any], tools: list[bytes]) -> Server:
    """Add a streamable HTTP server to the account, once it has listed its tools or asked for a sign-in."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, wish.pop("account", None))
    return Server.objects.add(account, **wish, tools=tools, by=asked.by, now=asked.now)


@changes("servers:write", ServerOutput, ServerInput)
def change_server(asked: Asked, wish: dict[str, Any], pk: UUID) -> Server:
    found = _managed(asked, pk)
    found.change(tools=None, by=asked.by, now=asked.now, **wish)
    found.refresh_from_db()
    return found


@writes("servers:write", None)
def remove_server(asked: Asked, pk: UUID) -> None:
    """Take the server out of every toolkit; its tools stop at the next call."""
    _managed(asked, pk).remove(by=asked.by, now=asked.now)


@writes("servers:write", ServerOutput, SignInInput)
def sign_in_at_server(asked: Asked, wish: dict[str, Any], pk: UUID) -> Server:
    """Choose how Nexus signs in at the server. An empty client secret keeps the one that is stored."""
    found = _managed(asked, pk)
    found.sign_in_by(**wish, by=asked.by, now=asked.now)
    return found


@writes("servers:write", ServerOutput, problems=(422,))
def list_server_again(asked: Asked, pk: UUID) -> Server:
    """Ask the server for its tools now."""
    found = get_object_or_404(_visible(asked).select_related("account"), pk=pk)
    account = found.account or asked.account()
    asked.refuse_unless(account, Act.MANAGE_TOOLKITS)
    if failure := list_again(found, now=asked.now, account=account, user=asked.user):
        raise Unreachable(failure)
    return found


urlpatterns = [
    path("servers", resource(get=list_servers, post=add_server)),
    path("servers/<uuid:pk>", resource(get=get_server, patch=change_server, delete=remove_server)),
    path("servers/<uuid:pk>/tools", resource(get=list_server_tools)),
    path("servers/<uuid:pk>/sign-in", resource(put=sign_in_at_server)),
    path("servers/<uuid:pk>/list", resource(post=list_server_again)),
]
