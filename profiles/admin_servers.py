"""Servers, toolkits and authorizations in the Django admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import confirmation
from profiles.admin_forms import ServerForm
from profiles.admin_pages import Answer, AsksFirst, ConfirmedAdmin, badge, every_field, two_lines
from profiles.events import Actor
from profiles.listing import list_again
from profiles.models import Authorization, Server, Tool, Toolkit

TOOLKITS_NAMED = 8
State = Authorization.State
KINDS = {State.WORKS: "ok", State.ENDED: "", State.DEAD: "bad", State.EXPIRED: "bad"}
SECRETS = ("encrypted_secret", "encrypted_refresh_token", "encrypted_client_secret")


class CatalogFilter(admin.SimpleListFilter):
    title = _("place")
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("catalog", _("Catalog")), ("accounts", _("Of an account")), ("removed", _("Removed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Server]) -> QuerySet[Server]:
        match self.value():
            case "catalog":
                return queryset.filter(account=None, removed_at=None)
            case "accounts":
                return queryset.exclude(account=None).filter(removed_at=None)
            case "removed":
                return queryset.exclude(removed_at=None)
        return queryset


def _tools_of_each() -> QuerySet[Any]:
    listed = Tool.objects.filter(server=OuterRef("pk")).order_by().values("server")
    return listed.annotate(number=Count("pk")).values("number")


@admin.register(Server)
class ServerAdmin(AsksFirst, ConfirmedAdmin):
    form = ServerForm
    list_display = ("name", "slug", "transport", "place", "reached_at", "tool_count", "standing")
    list_select_related = ("account",)
    list_filter = (CatalogFilter, "transport")
    search_fields = ("name", "slug", "url", "account__name")
    search_help_text = _("By name, prefix, address or account.")
    ordering = ("name",)
    actions = ("list_again", "remove")
    readonly_fields = ("place", "tool_names", "listed_at", "failed_at", "failure", "created_at", "removed_at")

    def get_fieldsets(self, request: HttpRequest, obj: Server | None = None) -> Any:
        explained = gettext(
            "An HTTP server needs its address. A stdio server needs a command: a program of this machine, "
            "which Nexus starts without a shell, as its own user, when a tool is called, and speaks to over "
            "standard input and output. The list is taken literally: no variables, no quoting, no “~”. Only "
            "staff may write one, and only for the catalog. Nothing is saved before the server has listed "
            "its tools."
        )
        how = ("url", "command") if obj is None else ("command",) if obj.transport == "stdio" else ("url",)
        parts = [
            (None, {"fields": ("transport", "name", "slug", "description")}),
            (_("How it is reached"), {"fields": how, "description": explained}),
        ]
        seen = ("place", "tool_names", "listed_at", "failed_at", "failure", "created_at", "removed_at")
        limits = (_("Limits"), {"fields": ("timeout_s", "max_concurrent")})
        return [*parts, limits, (_("Seen"), {"fields": seen})] if obj else parts

    def get_readonly_fields(self, request: HttpRequest, obj: Server | None = None) -> Any:
        return ("transport", "slug", *self.readonly_fields) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        return super().get_queryset(request).annotate(tool_count=Coalesce(Subquery(_tools_of_each()), 0))

    def has_change_permission(self, request: HttpRequest, obj: Server | None = None) -> bool:
        """What belongs to an account is changed by its admins, in the portal."""
        return super().has_change_permission(request) and (obj is None or not (obj.account_id or obj.removed_at))

    @admin.display(description=_("place"), ordering="account__name")
    def place(self, server: Server) -> str:
        return gettext("Account “%(account)s”") % {"account": server.account} if server.account else gettext("Catalog")

    @admin.display(description=_("address or command"))
    def reached_at(self, server: Server) -> SafeString:
        return format_html('<code class="long">{}</code>', server.address)

    @admin.display(description=_("tools"), ordering="tool_count")
    def tool_count(self, server: Any) -> int:
        return int(server.tool_count)

    @admin.display(description=_("tools"))
    def tool_names(self, server: Server) -> str:
        return ", ".join(server.tools.values_list("name", flat=True)) or gettext("None")

    @admin.display(description=_("state"))
    def standing(self, server: Server) -> SafeString:
        if server.removed_at:
            return badge("", gettext("Removed"))
        return (
            badge("bad", gettext("Fails"))
            if server.failed_at
            else badge("ok", gettext("Listed"))
            if server.listed_at
            else badge("warn", gettext("Never listed"))
        )

    def save_model(self, request: HttpRequest, obj: Server, form: Any, change: bool) -> None:
        by, now = Actor.from_request(request), timezone.now()
        given = form.cleaned_data
        if change:
            changes = {name: given[name] for name in form.changed_data}
            obj.change(tools=form.tools, by=by, now=now, **changes)
            return
        reached = {"command": given["command"]} if form.is_stdio else {"url": given["url"]}
        added = Server.objects.add(
            None, name=given["name"], slug=given["slug"], description=given["description"], tools=form.tools or [],
            by=by, now=now, **reached,
        )  # fmt: skip
        obj.__dict__.update(added.__dict__)

    @admin.action(description=_("List tools again"), permissions=["view"])
    def list_again(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset.filter(removed_at=None):
            failure = list_again(server, now=timezone.now())
            text = failure or (
                gettext("“%(server)s” listed %(number)s tools just now.")
                % {"server": server, "number": server.tools.count()}
            )
            self.message_user(request, text, "error" if failure else "success")

    @admin.action(description=_("Remove…"), permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Server]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "It leaves the catalog and every toolkit, and its tools stop at the next call. This cannot be undone."
        )
        return self.ask_then(request, queryset, "remove", warning, lambda one: one.remove(by=by, now=now))

    def impact(self, row: Server) -> list[str]:
        toolkits = list(row.toolkits.filter(deleted_at=None).values_list("name", flat=True)[:TOOLKITS_NAMED])
        named = ", ".join(f"“{name}”" for name in toolkits)
        return [gettext("Offered in %(toolkits)s.") % {"toolkits": named}] if toolkits else []


@admin.register(Toolkit)
class ToolkitAdmin(AsksFirst):
    list_display = ("name", "alias", "account", "server_count", "allowed_count", "is_default", "standing", "created_at")
    list_select_related = ("account",)
    list_filter = (
        "is_default",
        ("archived_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
    )
    actions = ("archive", "restore")
    search_fields = ("name", "alias", "former_aliases__alias", "account__name")
    search_help_text = _("By name, alias (former ones too) or account.")
    readonly_fields = ("alias", "account", "mcp_url", "allowed", "standing", "created_at", "archived_at", "deleted_at")
    fields = ("name", "description", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Toolkit]:
        return Toolkit.objects.with_counts().select_related("account")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Toolkit | None = None) -> bool:
        return super().has_change_permission(request) and (obj is None or not obj.deleted_at)

    @admin.display(description=_("servers"))
    def server_count(self, toolkit: Toolkit) -> int:
        return toolkit.server_count

    @admin.display(description=_("allowed tools"))
    def allowed_count(self, toolkit: Toolkit) -> int:
        return toolkit.allowed_count

    @admin.display(description=_("MCP URL"))
    def mcp_url(self, toolkit: Toolkit) -> SafeString:
        return format_html('<code class="long">{}</code>', toolkit.mcp_url)

    @admin.display(description=_("allowed tools"))
    def allowed(self, toolkit: Toolkit) -> str:
        return ", ".join(toolkit.allowed_entries().values_list("exposed_name", flat=True)) or gettext("None")

    @admin.display(description=_("state"))
    def standing(self, toolkit: Toolkit) -> SafeString:
        if toolkit.deleted_at:
            return badge("", gettext("Deleted"))
        if toolkit.archived_at:
            return badge("", gettext("Archived"))
        return badge("warn", gettext("Paused")) if toolkit.paused_at else badge("ok", gettext("Living"))

    def save_model(self, request: HttpRequest, obj: Toolkit, form: Any, change: bool) -> None:
        stored = Toolkit.objects.get(pk=obj.pk)
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        stored.change(by=Actor.from_request(request), now=timezone.now(), **changes)

    @admin.action(description=_("Archive…"), permissions=["view"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Toolkit]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "Every call from then on gets a 403, until somebody who manages it restores it. A default one stays."
        )
        return self.ask_then(
            request, queryset, "archive", warning, lambda one: not one.deleted_at and one.archive(by=by, now=now)
        )

    @admin.action(description=_("Restore"), permissions=["view"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Toolkit]) -> Answer:
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, next_url=request.get_full_path())
        by, now = Actor.from_request(request), timezone.now()
        restored = sum(one.restore(by=by, now=now) for one in queryset[: self.at_once])
        said = gettext("Restored: %(number)d.") % {"number": restored}
        self.message_user(request, said, "success" if restored else "warning")
        return None

    def impact(self, row: Toolkit) -> list[str]:
        return row.archive_impact(timezone.now())


class EndedFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("living", gettext("Not ended")), ("dead", gettext("No longer taken")), ("ended", gettext("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Authorization]) -> QuerySet[Authorization]:
        match self.value():
            case "living":
                return queryset.filter(revoked_at=None)
            case "dead":
                return queryset.filter(revoked_at=None).exclude(dead_since=None)
            case "ended":
                return queryset.exclude(revoked_at=None)
        return queryset


@admin.register(Authorization)
class AuthorizationAdmin(AsksFirst):
    """What servers are signed in to with. Secrets are not shown: nobody needs to read one."""

    list_display = ("server", "standing", "whose", "kind", "visibility", "created_at", "last_used_at")
    list_select_related = ("server", "account", "owner")
    list_filter = (EndedFilter, "kind", "visibility")
    search_fields = ("server__name", "server__slug", "owner__email", "account__name")
    search_help_text = _("By server, owner's address or account.")
    ordering = ("-created_at",)
    actions = ("end",)
    fields = ("standing", *every_field(Authorization, but=("id", *SECRETS)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("state"))
    def standing(self, authorization: Authorization) -> SafeString:
        state = authorization.state(timezone.now())
        return badge(KINDS.get(state, "warn"), state.label)

    @admin.display(description=_("owner"), ordering="owner__email")
    def whose(self, authorization: Authorization) -> SafeString:
        return two_lines(str(authorization.owner), str(authorization.account))

    @admin.action(description=_("End…"), permissions=["view"])
    def end(self, request: HttpRequest, queryset: QuerySet[Authorization]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext("Its secret is deleted, and calls that needed it fail until somebody connects again.")
        return self.ask_then(request, queryset, "end", warning, lambda one: one.end(by=by, reason="by staff", now=now))
