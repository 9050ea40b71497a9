"""REST for what a toolkit offers: its servers, and the tools that are allowed of each."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import BooleanFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.api_profiles import managed, usable
from profiles.models import Server, Toolkit, ToolkitServer, ToolkitTool
from profiles.models.entries import MAX_DESCRIPTION, MAX_TITLE, Choice
from profiles.rest.acts import Input, Line, Moment, changes, lists, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource

MAX_TOOLS = 5000


class PlaceOutput(serializers.Serializer[ToolkitServer]):
    server = serializers.UUIDField(source="server_id")
    slug = serializers.CharField(source="server.slug")
    name = serializers.CharField(source="server.name")
    added_at = Moment()
    offers_resources = serializers.BooleanField()
    offers_prompts = serializers.BooleanField()


class EntryOutput(serializers.Serializer[ToolkitTool]):
    id = serializers.IntegerField(source="pk")
    server = serializers.UUIDField(source="tool.server_id")
    name = serializers.CharField(source="exposed_name", help_text="As clients see it.")
    upstream_name = serializers.CharField(source="tool.name")
    title = serializers.CharField()
    description = serializers.CharField()
    is_allowed = serializers.BooleanField()
    is_visible = serializers.BooleanField(help_text="Whether clients get it now.")
    is_new = serializers.BooleanField()
    is_marked_read_only = serializers.BooleanField(allow_null=True)
    has_changed = serializers.BooleanField(help_text="Altered by its server since it was allowed.")
    digest = serializers.CharField(source="tool.digest")


class ChoiceInput(Input):
    allowed = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=MAX_TOOLS)
    marked_read_only = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=MAX_TOOLS
    )
    offers_resources = serializers.BooleanField(required=False)
    offers_prompts = serializers.BooleanField(required=False)


class WordsInput(Input):
    title = Line(max_length=MAX_TITLE, allow_blank=True)
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True)


class SeenInput(Input):
    digests = serializers.DictField(
        child=serializers.CharField(max_length=64), allow_empty=False,
        help_text="By the tool's name as clients see it, the digest that was looked at.",
    )  # fmt: skip

    def validate_digests(self, digests: dict[str, str]) -> dict[str, str]:
        """Look at the names as at any text: no database takes a NUL or half a character."""
        name = serializers.CharField(max_length=200)
        return {name.run_validation(key): digest for key, digest in digests.items()}


class ApprovedOutput(serializers.Serializer[Any]):
    approved = serializers.ListField(child=serializers.CharField())
    altered_again = serializers.ListField(child=serializers.CharField(), help_text="Look again; not approved.")


class EntryFilters(FilterSet):
    server = UUIDFilter(field_name="tool__server_id")
    is_allowed = BooleanFilter()
    is_new = BooleanFilter()


def _entries(found: Toolkit) -> QuerySet[ToolkitTool]:
    return ToolkitTool.objects.offered().filter(toolkit=found).select_related("tool", "toolkit")


@lists("profiles:read", PlaceOutput, orderings=("added_at", "-added_at"))
def list_profile_servers(asked: Asked, pk: UUID) -> QuerySet[ToolkitServer]:
    found = get_object_or_404(usable(asked), pk=pk)
    return ToolkitServer.objects.filter(toolkit=found, server__removed_at=None).select_related("server")


@writes("profiles:write", PlaceOutput, ChoiceInput)
def choose_of_server(asked: Asked, wish: dict[str, Any], pk: UUID, server_pk: UUID) -> ToolkitServer:
    """Allow exactly these tools of the server, by its own names; where it is not in the toolkit yet, add it.

    Without `marked_read_only` the marks stay as they are. It holds from the next call on.
    """
    found = managed(asked, pk)
    server = get_object_or_404(Server.objects.visible_in(found.account), pk=server_pk)
    choice = _choice(server, wish)
    offers = {"offers_resources": choice.offers_resources, "offers_prompts": choice.offers_prompts}
    with transaction.atomic():
        if not found.places.filter(server=server).exists():
            found.add_server(server, allowed=wish.get("allowed", ()), by=asked.by, now=asked.now, **offers)
        found.choose(server, choice, by=asked.by, now=asked.now)
    return ToolkitServer.objects.select_related("server").get(toolkit=found, server=server)


def _choice(server: Server, wish: dict[str, Any]) -> Choice:
    """Return what is wished, by ids; raise ValidationError for a name that the server never listed."""
    allowed, read_only = set(wish.get("allowed", ())), wish.get("marked_read_only")
    named = allowed.union(read_only or ())
    numbers = dict(server.tools.filter(name__in=named).values_list("name", "pk"))
    if unknown := sorted(named - set(numbers)):
        raise serializers.ValidationError({"allowed": [f"“{server}” does not list {', '.join(unknown[:5])}."]})
    return Choice(
        allowed=frozenset(numbers[name] for name in allowed),
        read_only=None if read_only is None else frozenset(numbers[name] for name in read_only),
        offers_resources=wish.get("offers_resources", False),
        offers_prompts=wish.get("offers_prompts", False),
    )


@writes("profiles:write", None)
def remove_profile_server(asked: Asked, pk: UUID, server_pk: UUID) -> None:
    found = managed(asked, pk)
    found.remove_server(get_object_or_404(found.servers, pk=server_pk), by=asked.by, now=asked.now)


@lists("profiles:read", EntryOutput, orderings=("exposed_name", "-exposed_name"), filters=EntryFilters)
def list_profile_tools(asked: Asked, pk: UUID) -> QuerySet[ToolkitTool]:
    """List the tools of its servers, allowed or not."""
    return _entries(get_object_or_404(usable(asked), pk=pk))


@changes("profiles:write", EntryOutput, WordsInput)
def reword_tool(asked: Asked, wish: dict[str, Any], pk: UUID, entry_pk: int) -> ToolkitTool:
    """Say to clients something else of a tool than its server does; empty is what the server says."""
    found = managed(asked, pk)
    entry = get_object_or_404(_entries(found), pk=entry_pk)
    said = {"title": entry.title_override, "description": entry.description_override} | wish
    found.describe(entry, **said, by=asked.by, now=asked.now)
    return entry


@writes("profiles:write", ApprovedOutput, SeenInput)
def approve_tools(asked: Asked, wish: dict[str, Any], pk: UUID) -> dict[str, list[str]]:
    """Approve tools that their servers altered, each as it was seen."""
    found, digests = managed(asked, pk), wish["digests"]
    numbers = dict(_entries(found).filter(exposed_name__in=digests).values_list("exposed_name", "pk"))
    approved = found.approve({numbers[name]: digests[name] for name in numbers}, by=asked.by, now=asked.now)
    return {"approved": approved, "altered_again": sorted(set(digests) - set(approved))}


urlpatterns = [
    path("profiles/<uuid:pk>/servers", resource(get=list_profile_servers)),
    path("profiles/<uuid:pk>/servers/<uuid:server_pk>", resource(put=choose_of_server, delete=remove_profile_server)),
    path("profiles/<uuid:pk>/tools", resource(get=list_profile_tools)),
    path("profiles/<uuid:pk>/tools/<int:entry_pk>", resource(patch=reword_tool)),
    path("profiles/<uuid:pk>/approve", resource(post=approve_tools)),
]
