from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from profiles import confirmation
from profiles.admin_pages import ReadOnlyAdmin, badge, every_field
from profiles.events import Actor
from tokens.models import Application, Connection, OAuthSession

AT_ONCE = 100  # rows, in one act
Answer = HttpResponse | None


class EndingAdmin(ReadOnlyAdmin):
    """Rows that staff read and end: an act says first what it hits, and is done at the second press."""

    list_select_related: ClassVar[Any] = ()

    def end(
        self, request: HttpRequest, queryset: QuerySet[Any], verb: str, warning: str, act: Callable[[Any], bool]
    ) -> Answer:
        """Ask; to the answer, do the act to each row, all or none. `verb` is also the name of the admin's action."""
        is_answer = "confirmed" in request.POST
        if is_answer:  # what was shown is what ends, even where the list's filter no longer finds it
            queryset = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        rows = list(queryset.select_related(*self.list_select_related).order_by("pk")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} at once. Narrow the list. Nothing was done.", "error")
            return None
        if not is_answer:
            return self._ask(request, rows, verb, warning)
        with transaction.atomic():
            done = sum(act(row) for row in rows)
        text = f"Done: {done}, from now on and everywhere." if done else "Nothing was done: it was so already."
        self.message_user(request, text, "success" if done else "warning")
        return None

    def told(self, row: Any) -> str:
        """Return how the row is named where staff are asked whether it should end."""
        return str(row)

    def _ask(self, request: HttpRequest, rows: list[models.Model], verb: str, warning: str) -> HttpResponse:
        label = verb.partition("_")[0].capitalize()
        context = {
            **self.admin_site.each_context(request), "title": f"{label} {self.opts.verbose_name_plural}",
            "opts": self.opts, "rows": [(row.pk, self.told(row)) for row in rows], "verb": verb, "label": label,
            "warning": warning, "checkbox": ACTION_CHECKBOX_NAME,
        }  # fmt: skip
        return render(request, "admin/tokens/confirm_end.html", context)


class ApplicationStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("enabled", "Enabled"), ("disabled", "Disabled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Application]) -> QuerySet[Application]:
        match self.value():
            case "enabled":
                return queryset.filter(disabled_at=None)
            case "disabled":
                return queryset.exclude(disabled_at=None)
        return queryset


@admin.register(Application)
class ApplicationAdmin(EndingAdmin):
    """All applications, the self-registered ones too. They are added in the portal, or register themselves."""

    list_display = ("name", "client_id", "standing", "kinds", "registration_source", "account", "last_used_at")
    view_on_site = False
    list_select_related = ("user", "account")
    list_filter = (ApplicationStateFilter, "registration_source", "client_type")
    search_fields = ("name", "=client_id", "user__email", "account__name")
    search_help_text = "By name, client id, account, or who made it."
    ordering = ("-id",)
    actions = ("disable", "enable", "remove")
    fields = (
        "name", "client_id", "standing", "kinds", "client_type", "authorization_grant_type", "may_exchange",
        "redirect_uris", "registration_source", "client_uri", "cimd_expires_at", "account", "user", "machine",
        "secret_last_four", "created", "updated", "last_used_at", "disabled_at",
    )  # fmt: skip

    @admin.display(description="state")
    def standing(self, application: Application) -> SafeString:
        return badge("bad", "Disabled") if application.disabled_at else badge("ok", "Enabled")

    def told(self, row: Application) -> str:
        return f"{row} ({row.client_id})"

    @admin.display(description="what it does")
    def kinds(self, application: Application) -> str:
        return ", ".join(application.kinds) or "Nothing"

    @admin.action(description="Disable…", permissions=["view"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = (
            "It gets no token any more, and its access tokens are refused until somebody enables it. "
            "What it exchanged ends for good."
        )
        return self.end(request, queryset, "disable", warning, lambda one: one.disable(by=by, now=now))

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, next_url=request.get_full_path())
        by, now = Actor.from_request(request), timezone.now()
        with transaction.atomic():
            enabled = sum(one.enable(by=by, now=now) for one in queryset)
        self.message_user(request, f"Enabled: {enabled}.", "success" if enabled else "warning")
        return None

    @admin.action(description="Remove…", permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = (
            "Its connections, sessions and tokens end, everywhere, and what it exchanged too. This cannot be undone. "
            "One that registered itself may do so again."
        )
        return self.end(request, queryset, "remove", warning, lambda one: one.remove(by=by, now=now))


@admin.register(Connection)
class ConnectionAdmin(EndingAdmin):
    list_display = (
        "application", "standing", "masked", "owner", "alias", "account", "agreed_at", "last_used_at"
    )  # fmt: skip
    list_select_related = ("application", "owner", "account", "toolkit")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("owner__email", "=public_id", "application__name", "=application__client_id", "toolkit__alias")
    search_help_text = "By owner's address, application, public id or toolkit alias."
    ordering = ("-agreed_at", "-id")
    actions = ("revoke",)
    fields = ("standing", *every_field(Connection, but=("id",)))

    @admin.display(description="public id", ordering="public_id")
    def masked(self, connection: Connection) -> SafeString:
        return format_html('<code class="nowrap">{}</code>', connection.public_id)

    @admin.display(description="toolkit", ordering="toolkit__alias")
    def alias(self, connection: Connection) -> str:
        return connection.toolkit.alias

    @admin.display(description="state")
    def standing(self, connection: Connection) -> SafeString:
        return badge("bad", "Revoked") if connection.revoked_at else badge("ok", "Living")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Take an access token as it is shown, nxso_<public id>_…, too."""
        head, _, rest = search_term.strip().partition("_")
        term = rest.partition("_")[0] if head in ("nxso", "nxsr") else search_term
        return super().get_search_results(request, queryset, term)

    @admin.action(description="Revoke…", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Connection]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = "Every session and token of it is refused from the next call on. The owner can agree again."
        return self.end(request, queryset, "revoke", warning, lambda one: one.revoke(by=by, reason="by staff", now=now))


@admin.register(OAuthSession)
class OAuthSessionAdmin(EndingAdmin):
    list_display = ("connection", "owner", "standing", "began_at", "ends_at", "address")
    list_select_related = (
        "connection__application", "connection__owner", "connection__toolkit", "connection__account"
    )  # fmt: skip
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    search_fields = ("connection__owner__email", "=connection__public_id", "connection__application__name", "address")
    search_help_text = "By owner's address, public id, application or network address."
    ordering = ("-began_at", "-id")
    actions = ("end_now",)
    fields = ("standing", *every_field(OAuthSession, but=("id",)))

    @admin.display(description="owner", ordering="connection__owner__email")
    def owner(self, session: OAuthSession) -> str:
        return str(session.connection.owner)

    @admin.display(description="state")
    def standing(self, session: OAuthSession) -> SafeString:
        is_over = session.ended_at or session.ends_at <= timezone.now()
        return badge("", "Ended") if is_over else badge("ok", "Living")

    @admin.action(description="End…", permissions=["view"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[OAuthSession]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = "Its access and refresh tokens are refused from the next call on. The owner has to sign in again."
        return self.end(request, queryset, "end_now", warning, lambda one: one.end(by=by, reason="by staff", now=now))
