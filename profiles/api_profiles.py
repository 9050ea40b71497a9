"""REST for toolkits, which the wire calls profiles."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import BooleanFilter, CharFilter, FilterSet, UUIDFilter
from rest_framework import serializers

from profiles.models import Toolkit
from profiles.models.toolkits import ALIAS
from profiles.permissions import Act
from profiles.rest.acts import Input, Line, Moment, changes, creates, lists, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.problems import Conflict


class ProfileOutput(serializers.Serializer[Toolkit]):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    alias = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    mcp_url = serializers.CharField()
    is_default = serializers.BooleanField()
    naming = serializers.ChoiceField(choices=Toolkit.Naming.choices)
    includes_new_tools = serializers.BooleanField()
    offers_status_tool = serializers.BooleanField()
    is_read_only = serializers.BooleanField()
    holds_changed_tools = serializers.BooleanField()
    tools = serializers.IntegerField(source="allowed_count", help_text="How many a client gets.")
    servers = serializers.IntegerField(source="server_count")
    created_at = Moment()
    paused_at = Moment(allow_null=True)
    archived_at = Moment(allow_null=True)


class ProfileCreateInput(Input):
    account = serializers.UUIDField(required=False)
    alias = serializers.CharField(max_length=40, validators=[ALIAS])
    name = Line(max_length=80)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    naming = serializers.ChoiceField(choices=Toolkit.Naming.choices, required=False)


class ProfileInput(Input):
    alias = serializers.CharField(max_length=40, validators=[ALIAS], help_text="The old alias keeps leading here.")
    name = Line(max_length=80)
    description = serializers.CharField(max_length=500, allow_blank=True)
    naming = serializers.ChoiceField(choices=Toolkit.Naming.choices)
    includes_new_tools = serializers.BooleanField()
    offers_status_tool = serializers.BooleanField()
    is_read_only = serializers.BooleanField()
    holds_changed_tools = serializers.BooleanField()


class ProfileFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    alias = CharFilter()
    archived = BooleanFilter(method="narrow", help_text="`true` for the archived ones; without it, those in use.")

    def narrow(self, rows: QuerySet[Toolkit], name: str, is_archived: bool) -> QuerySet[Toolkit]:
        return rows.exclude(archived_at=None) if is_archived else rows.filter(archived_at=None)

    def filter_queryset(self, queryset: QuerySet[Toolkit]) -> QuerySet[Toolkit]:
        if self.form.cleaned_data["archived"] is None:
            queryset = queryset.filter(archived_at=None)
        return super().filter_queryset(queryset)


def usable(asked: Asked) -> QuerySet[Toolkit]:
    """Return the toolkits that are the person's to use, archived ones too."""
    found = Toolkit.objects.open_to(asked.user)
    return asked.here(found).select_related("account")


def managed(asked: Asked, pk: UUID) -> Toolkit:
    found = get_object_or_404(usable(asked), pk=pk)
    asked.refuse_unless(found.account, Act.MANAGE_TOOLKITS)
    return found


def _counted(pk: UUID) -> Toolkit:
    return Toolkit.objects.with_counts().get(pk=pk)


@lists("profiles:read", ProfileOutput, orderings=("name", "-name", "created_at", "-created_at"), filters=ProfileFilters)
def list_profiles(asked: Asked) -> QuerySet[Toolkit]:
    """List the toolkits that you may call through the hub; archived ones where they are asked for."""
    return Toolkit.objects.filter(pk__in=usable(asked).order_by().values("pk")).with_counts()


@reads("profiles:read", ProfileOutput)
def get_profile(asked: Asked, pk: UUID) -> Toolkit:
    return _counted(get_object_or_404(usable(asked), pk=pk).pk)


@creates("profiles:write", ProfileOutput, ProfileCreateInput)
def create_profile(asked: Asked, wish: dict[str, Any]) -> Toolkit:
    """Create a toolkit without servers."""
    account = asked.account_where(Act.MANAGE_TOOLKITS, wish.pop("account", None))
    return _counted(Toolkit.objects.create_toolkit(account, **wish, by=asked.by, now=asked.now).pk)


@changes("profiles:write", ProfileOutput, ProfileInput)
def change_profile(asked: Asked, wish: dict[str, Any], pk: UUID) -> Toolkit:
    managed(asked, pk).change(by=asked.by, now=asked.now, **wish)
    return _counted(pk)


@writes("profiles:write", None, problems=(409,))
def delete_profile(asked: Asked, pk: UUID) -> None:
    """Delete the toolkit; its tokens end with it. The default one of an account stays."""
    found = managed(asked, pk)
    if not found.delete_for_good(by=asked.by, now=asked.now):
        raise _stays(found)


@writes("profiles:write", ProfileOutput)
def pause_profile(asked: Asked, pk: UUID) -> Toolkit:
    """Refuse every call of its tokens, before this answers."""
    managed(asked, pk).pause(by=asked.by, now=asked.now)
    return _counted(pk)


@writes("profiles:write", ProfileOutput)
def resume_profile(asked: Asked, pk: UUID) -> Toolkit:
    """Let calls through again; for a person who has just confirmed who they are."""
    found = managed(asked, pk)
    asked.refuse_unconfirmed(f"/toolkits/{pk}/")
    found.resume(by=asked.by, now=asked.now)
    return _counted(pk)


@writes("profiles:write", ProfileOutput, problems=(409,))
def archive_profile(asked: Asked, pk: UUID) -> Toolkit:
    """Put it away: every call of its tokens is refused before this answers, and nothing new is made for it."""
    found = managed(asked, pk)
    if not found.archive(by=asked.by, now=asked.now) and found.is_default:
        raise _stays(found)
    return _counted(pk)


@writes("profiles:write", ProfileOutput)
def restore_profile(asked: Asked, pk: UUID) -> Toolkit:
    """Take it out of the archive, for a person who has just confirmed who they are; living tokens work again."""
    found = managed(asked, pk)
    asked.refuse_unconfirmed(f"/toolkits/{pk}/")
    found.restore(by=asked.by, now=asked.now)
    return _counted(pk)


def _stays(toolkit: Toolkit) -> Conflict:
    return Conflict(f"The toolkit “{toolkit}” is the default one of its account. It stays.")


urlpatterns = [
    path("profiles", resource(get=list_profiles, post=create_profile)),
    path("profiles/<uuid:pk>", resource(get=get_profile, patch=change_profile, delete=delete_profile)),
    path("profiles/<uuid:pk>/pause", resource(post=pause_profile)),
    path("profiles/<uuid:pk>/resume", resource(post=resume_profile)),
    path("profiles/<uuid:pk>/archive", resource(post=archive_profile)),
    path("profiles/<uuid:pk>/restore", resource(post=restore_profile)),
]
