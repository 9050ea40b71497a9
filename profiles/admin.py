from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from profiles.access import signed_in
from profiles.admin_forms import MemberForm, MemberFormSet, ServerForm, UserForm, as_json
from profiles.admin_pages import (
    ConfirmedAdmin,
    NewestFirstAdmin,
    ReadOnlyAdmin,
    SinceFilter,
    StaffAdmin,
    badge,
    every_field,
)
from profiles.events import Actor, Event
from profiles.listing import list_again
from profiles.models import Account, Member, Server, SignInLink, Toolkit, User
from profiles.permissions import Role


@admin.register(User)
class UserAdmin(ConfirmedAdmin):
    form = UserForm
    list_display = ("email", "name", "standing", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_machine")
    search_fields = ("email", "name")
    search_help_text = "By address or name."
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            note = (
                "The person gets a personal account, and no password: nobody can set one for them. "
                "After saving, this page says how to send them a sign-in link."
            )
            return [(None, {"fields": ("email", "name", "time_zone", "is_staff"), "description": note})]
        return [
            (None, {"fields": ("email", "name", "time_zone")}),
            ("Access", {"fields": ("is_active", "is_staff"), "description": "People are disabled, never deleted."}),
            ("Seen", {"fields": ("last_login", "date_joined")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return ("email", *self.readonly_fields) if obj else ()

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"__init__": _with_user(form, signed_in(request))})

    @admin.display(description="state", ordering="is_active")
    def standing(self, user: User) -> SafeString:
        if not user.is_active:
            return badge("bad", "Disabled")
        return badge("info", "Machine") if user.is_machine else badge("ok", "Active")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        by, now = Actor.from_request(request), timezone.now()
        if not change:
            User.objects.add(obj, by=by, now=now)
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        is_active = changes.pop("is_active", None)
        obj.change(by=by, now=now, **changes)
        if is_active is not None:
            obj.enable(by=by, now=now) if is_active else obj.disable(by=by, now=now)

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: Any = None) -> HttpResponse:
        command = format_html("<code>manage.py sign_in_link {}</code>", obj.email)
        self.message_user(
            request,
            format_html(
                "To let {} in, run {} on the server and send them the link it prints. It works once, for an hour. "
                "They may also ask the sign-in page for a mailed code.", obj.email, command,
            ), "info",
        )  # fmt: skip
        return super().response_add(request, obj, post_url_continue)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say what to do instead."""
        self.message_user(
            request,
            "People are not deleted: their tokens and their part in Activity would lose their owner. "
            "Switch “active” off instead; everything of theirs stops at the next call.", "warning",
        )  # fmt: skip
        return redirect("admin:profiles_user_change", object_id)


def _with_user(form: Any, user: User) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        form.__init__(self, *args, request_user=user, **kwargs)

    return init


class MemberInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Member
    form = MemberForm
    formset = MemberFormSet
    extra = 1
    verbose_name_plural = "members"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        return super().get_queryset(request).select_related("user", "account").order_by("user__email")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff and not (obj and (obj.personal_of_id or obj.deleted_at))

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Account)
class AccountAdmin(ConfirmedAdmin):
    list_display = ("name", "kind", "member_count", "created_at", "id")
    list_select_related = ("personal_of",)
    list_filter = (("personal_of", admin.EmptyFieldListFilter),)
    search_fields = ("name", "members__user__email", "id")
    search_help_text = "By name, id, or a member's address."
    ordering = ("name",)
    inlines = (MemberInline,)
    fields = ("name", "kind", "id", "created_at")
    readonly_fields = ("kind", "id", "created_at")

    def get_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return self.fields if obj else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return ("name", *self.readonly_fields) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).annotate(member_count=Count("members", distinct=True))

    @admin.display(description="kind")
    def kind(self, account: Account) -> str:
        if account.personal_of:
            return f"Personal, of {account.personal_of}"
        return "Deleted organization" if account.deleted_at else "Organization"

    @admin.display(description="members", ordering="member_count")
    def member_count(self, account: Any) -> int:
        return int(account.member_count)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        if not change:
            Account.objects.add(obj, by=Actor.from_request(request), now=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        by, now = Actor.from_request(request), timezone.now()
        formset.save(commit=False)
        for member in formset.new_objects:
            form.instance.add_member(member.user, Role(member.role), by=by, now=now)
        # New owners first: an account is never without one.
        for member, _ in sorted(formset.changed_objects, key=lambda changed: changed[0].role != Role.OWNER):
            member.change_role(Role(member.role), by=by, now=now)
        for member in formset.deleted_objects:
            member.remove(by=by, now=now)


class CatalogFilter(admin.SimpleListFilter):
    title = "place"
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("catalog", "Catalog"), ("accounts", "Of an account"), ("removed", "Removed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Server]) -> QuerySet[Server]:
        match self.value():
            case "catalog":
                return queryset.filter(account=None, removed_at=None)
            case "accounts":
                return queryset.exclude(account=None).filter(removed_at=None)
            case "removed":
                return queryset.exclude(removed_at=None)
        return queryset


@admin.register(Server)
class ServerAdmin(ConfirmedAdmin):
    form = ServerForm
    list_display = ("name", "slug", "transport", "place", "reached_at", "tool_count", "standing")
    list_select_related = ("account",)
    list_filter = (CatalogFilter, "transport")
    search_fields = ("name", "slug", "url", "account__name")
    search_help_text = "By name, prefix, address or account."
    ordering = ("name",)
    actions = ("list_again", "remove")
    readonly_fields = ("place", "tool_names", "listed_at", "failed_at", "failure", "created_at", "removed_at")

    def get_fieldsets(self, request: HttpRequest, obj: Server | None = None) -> Any:
        explained = (
            "An HTTP server needs its address. A stdio server needs a command: a program of this machine, which Nexus "
            "starts without a shell, as its own user, when a tool is called, and speaks to over standard input and "
            "output. The list is taken literally: no variables, no quoting, no “~”. Only staff may write one, and "
            "only for the catalog. Nothing is saved before the server has listed its tools."
        )
        how = ("url", "command") if obj is None else ("command",) if obj.transport == "stdio" else ("url",)
        parts = [
            (None, {"fields": ("transport", "name", "slug", "description")}),
            ("How it is reached", {"fields": how, "description": explained}),
        ]
        seen = ("place", "tool_names", "listed_at", "failed_at", "failure", "created_at", "removed_at")
        limits = ("Limits", {"fields": ("timeout_s", "max_concurrent")})
        return [*parts, limits, ("Seen", {"fields": seen})] if obj else parts

    def get_readonly_fields(self, request: HttpRequest, obj: Server | None = None) -> Any:
        return ("transport", "slug", *self.readonly_fields) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        return super().get_queryset(request).annotate(tool_count=Count("tools"))

    def has_change_permission(self, request: HttpRequest, obj: Server | None = None) -> bool:
        """What belongs to an account is changed by its admins, in the portal."""
        return super().has_change_permission(request) and (obj is None or not (obj.account_id or obj.removed_at))

    @admin.display(description="place", ordering="account__name")
    def place(self, server: Server) -> str:
        return f"Account “{server.account}”" if server.account else "Catalog"

    @admin.display(description="address or command")
    def reached_at(self, server: Server) -> SafeString:
        return format_html('<code class="long">{}</code>', server.address)

    @admin.display(description="tools", ordering="tool_count")
    def tool_count(self, server: Any) -> int:
        return int(server.tool_count)

    @admin.display(description="tools")
    def tool_names(self, server: Server) -> str:
        return ", ".join(server.tools.values_list("name", flat=True)) or "None"

    @admin.display(description="state")
    def standing(self, server: Server) -> SafeString:
        if server.removed_at:
            return badge("", "Removed")
        return (
            badge("bad", "Fails")
            if server.failed_at
            else badge("ok", "Listed")
            if server.listed_at
            else badge("warn", "Never listed")
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

    @admin.action(description="List tools again", permissions=["view"])
    def list_again(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        for server in queryset.filter(removed_at=None):
            failure = list_again(server, now=timezone.now())
            text = failure or f"“{server}” listed {server.tools.count()} tools just now."
            self.message_user(request, text, "error" if failure else "success")

    @admin.action(description="Remove from the catalog and every toolkit", permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        removed = [
            server.name for server in queryset if server.remove(by=Actor.from_request(request), now=timezone.now())
        ]
        names = ", ".join(f"“{name}”" for name in removed)
        self.message_user(
            request, f"Removed: {names}. Their tools stop at the next call." if removed else "None was there."
        )


@admin.register(Toolkit)
class ToolkitAdmin(StaffAdmin):
    list_display = ("name", "alias", "account", "server_count", "allowed_count", "is_default", "standing", "created_at")
    list_select_related = ("account",)
    list_filter = ("is_default", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "alias", "former_aliases__alias", "account__name")
    search_help_text = "By name, alias (former ones too) or account."
    fields = ("name", "alias", "description", "account", "mcp_url", "allowed", "standing", "created_at", "deleted_at")
    readonly_fields = ("alias", "account", "mcp_url", "allowed", "standing", "created_at", "deleted_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Toolkit]:
        return Toolkit.objects.with_counts().select_related("account")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Toolkit | None = None) -> bool:
        return super().has_change_permission(request) and (obj is None or not obj.deleted_at)

    @admin.display(description="servers")
    def server_count(self, toolkit: Toolkit) -> int:
        return toolkit.server_count

    @admin.display(description="allowed tools")
    def allowed_count(self, toolkit: Toolkit) -> int:
        return toolkit.allowed_count

    @admin.display(description="MCP URL")
    def mcp_url(self, toolkit: Toolkit) -> SafeString:
        return format_html('<code class="long">{}</code>', toolkit.mcp_url)

    @admin.display(description="allowed tools")
    def allowed(self, toolkit: Toolkit) -> str:
        return ", ".join(toolkit.allowed_entries().values_list("exposed_name", flat=True)) or "None"

    @admin.display(description="state")
    def standing(self, toolkit: Toolkit) -> SafeString:
        if toolkit.deleted_at:
            return badge("", "Deleted")
        return badge("warn", "Paused") if toolkit.paused_at else badge("ok", "Living")

    def save_model(self, request: HttpRequest, obj: Toolkit, form: Any, change: bool) -> None:
        stored = Toolkit.objects.get(pk=obj.pk)
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        stored.change(by=Actor.from_request(request), now=timezone.now(), **changes)


@admin.register(SignInLink)
class SignInLinkAdmin(ReadOnlyAdmin):
    list_display = ("user", "standing", "expires_at", "used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    ordering = ("-id",)
    fields = ("user", "standing", "expires_at", "used_at")

    @admin.display(description="state")
    def standing(self, link: SignInLink) -> SafeString:
        if link.used_at:
            return badge("", "Used")
        return badge("ok", "Good") if link.expires_at > timezone.now() else badge("", "Expired")


@admin.register(Event)
class EventAdmin(NewestFirstAdmin):
    list_display = ("at", "who", "action", "what", "reason", "address")
    list_filter = (SinceFilter, "action")
    search_fields = ("actor_label", "subject_label", "subject_id", "request_id")
    search_help_text = "By who, what, or request id."
    fields = (*every_field(Event, but=("id", "before", "after")), "was", "became", "id")

    @admin.display(description="who")
    def who(self, event: Event) -> str:
        return event.actor_label or event.get_actor_kind_display()

    @admin.display(description="what")
    def what(self, event: Event) -> str:
        return f"{event.subject_kind} {event.subject_label}".strip()

    @admin.display(description="before")
    def was(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", as_json(event.before))

    @admin.display(description="after")
    def became(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", as_json(event.after))
