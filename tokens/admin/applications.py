from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import confirmation
from profiles.admin_pages import Answer, EndingAdmin, badge, every_field, two_lines
from profiles.events import Actor
from tokens.models import Application, Connection, Counted, OAuthSession


class ApplicationStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("enabled", gettext("Enabled")), ("disabled", gettext("Disabled"))]

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

    list_display = ("called", "standing", "kinds", "registration_source", "account", "last_used_at")
    view_on_site = False
    list_select_related = ("user", "account")
    list_filter = (ApplicationStateFilter, "registration_source", "client_type")
    search_fields = ("name", "=client_id", "user__email", "account__name")
    search_help_text = _("By name, client id, account, or who made it.")
    actions = ("disable", "enable", "remove")
    fields = (
        "name", "client_id", "standing", "kinds", "client_type", "authorization_grant_type", "may_exchange",
        "redirect_uris", "registration_source", "client_uri", "cimd_expires_at", "account", "user", "machine",
        "secret_last_four", "created", "updated", "last_used_at", "disabled_at",
    )  # fmt: skip

    @admin.display(description=_("name"))
    def called(self, application: Application) -> SafeString:
        return two_lines(application.name or "–", application.client_id)

    @admin.display(description=_("state"))
    def standing(self, application: Application) -> SafeString:
        return badge("bad", gettext("Disabled")) if application.disabled_at else badge("ok", gettext("Enabled"))

    def told(self, row: Application) -> str:
        return f"{row} ({row.client_id})"

    def impact(self, row: Application) -> list[str]:
        connections, tokens = row.what_came_of_it(timezone.now())
        counted = str(Counted(tokens.count(), connections.count())) or gettext("nothing")
        return [gettext("Lives of it: %(counted)s.") % {"counted": counted}]

    @admin.display(description=_("what it does"))
    def kinds(self, application: Application) -> str:
        return ", ".join(map(str, application.kinds)) or gettext("Nothing")

    @admin.action(description=_("Disable…"), permissions=["view"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "It gets no token any more, and its access tokens are refused until somebody enables it. "
            "What it exchanged ends for good."
        )
        return self.ask_then(request, queryset, "disable", warning, lambda one: one.disable(by=by, now=now))

    @admin.action(description=_("Enable"), permissions=["view"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, next_url=request.get_full_path())
        by, now = Actor.from_request(request), timezone.now()
        with transaction.atomic():
            enabled = sum(one.enable(by=by, now=now) for one in queryset)
        text = gettext("Enabled: %(number)s.") % {"number": enabled}
        self.message_user(request, text, "success" if enabled else "warning")
        return None

    @admin.action(description=_("Remove…"), permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Application]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "Its connections, sessions and tokens end, everywhere, and what it exchanged too. This cannot be undone. "
            "One that registered itself may do so again."
        )
        return self.ask_then(request, queryset, "remove", warning, lambda one: one.remove(by=by, now=now))


@admin.register(Connection)
class ConnectionAdmin(EndingAdmin):
    list_display = (
        "application", "standing", "masked", "owner", "alias", "account", "agreed_at", "last_used_at"
    )  # fmt: skip
    list_select_related = ("application", "owner", "account", "toolkit")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("owner__email", "=public_id", "application__name", "=application__client_id", "toolkit__alias")
    search_help_text = _("By owner's address, application, public id or toolkit alias.")
    actions = ("revoke",)
    fields = ("standing", *every_field(Connection, but=("id",)))

    @admin.display(description=_("public id"), ordering="public_id")
    def masked(self, connection: Connection) -> SafeString:
        return format_html('<code class="nowrap">{}</code>', connection.public_id)

    @admin.display(description=_("toolkit"), ordering="toolkit__alias")
    def alias(self, connection: Connection) -> str:
        return connection.toolkit.alias

    @admin.display(description=_("state"))
    def standing(self, connection: Connection) -> SafeString:
        return badge("bad", gettext("Revoked")) if connection.revoked_at else badge("ok", gettext("Living"))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Take an access token as it is shown, nxso_<public id>_…, too."""
        head, _, rest = search_term.strip().partition("_")
        term = rest.partition("_")[0] if head in ("nxso", "nxsr") else search_term
        return super().get_search_results(request, queryset, term)

    @admin.action(description=_("Revoke…"), permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Connection]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext("Every session and token of it is refused from the next call on. The owner can agree again.")
        return self.ask_then(
            request, queryset, "revoke", warning, lambda one: one.revoke(by=by, reason="by staff", now=now)
        )


@admin.register(OAuthSession)
class OAuthSessionAdmin(EndingAdmin):
    list_display = ("connection", "owner", "standing", "began_at", "ends_at", "address")
    list_select_related = (
        "connection__application", "connection__owner", "connection__toolkit", "connection__account"
    )  # fmt: skip
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    search_fields = ("connection__owner__email", "=connection__public_id", "connection__application__name", "address")
    search_help_text = _("By owner's address, public id, application or network address.")
    actions = ("end_now",)
    fields = ("standing", *every_field(OAuthSession, but=("id",)))

    @admin.display(description=_("owner"), ordering="connection__owner__email")
    def owner(self, session: OAuthSession) -> str:
        return str(session.connection.owner)

    @admin.display(description=_("state"))
    def standing(self, session: OAuthSession) -> SafeString:
        is_over = session.ended_at or session.ends_at <= timezone.now()
        return badge("", gettext("Ended")) if is_over else badge("ok", gettext("Living"))

    @admin.action(description=_("End…"), permissions=["view"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[OAuthSession]) -> Answer:
        by, now = Actor.from_request(request), timezone.now()
        warning = gettext(
            "Its access and refresh tokens are refused from the next call on. The owner has to sign in again."
        )
        return self.ask_then(
            request, queryset, "end_now", warning, lambda one: one.end(by=by, reason="by staff", now=now)
        )
