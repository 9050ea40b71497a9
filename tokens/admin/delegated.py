"""Delegated tokens in the Django admin: found by what is known of one, and revoked."""

from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin_pages import KeysetAdmin, badge, two_lines
from profiles.models import Account, Toolkit, User
from profiles.operator import is_uuid
from tokens import keys, uses
from tokens.admin.identifying import identify
from tokens.admin.revoking import RevokesTokens
from tokens.models import DelegatedToken
from tokens.shown import KINDS

ACCOUNTS_SHOWN = 20
OWNERS, TOOLKITS = 200, 200  # that one search is for, at most
IDLE = timedelta(days=14)
State = DelegatedToken.State


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("living", gettext("Living")), ("ending", gettext("Ends soon")), ("unused", gettext("Never used")),
            ("idle", gettext("Unused for %(days)s days") % {"days": IDLE.days}), ("paused", gettext("Paused")),
            ("expired", gettext("Expired")), ("revoked", gettext("Revoked")),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        now, tokens = timezone.now(), DelegatedToken.objects.all()
        chosen = {
            "living": lambda: tokens.living(now),
            "ending": lambda: tokens.ending_soon(now),
            "unused": lambda: tokens.living(now).filter(last_used_at=None),
            "idle": lambda: tokens.living(now).unused_since(now - IDLE),
            "paused": lambda: tokens.in_state(State.PAUSED, now),
            "expired": lambda: tokens.in_state(State.EXPIRED, now),
            "revoked": lambda: tokens.in_state(State.REVOKED, now),
        }.get(self.value() or "")
        return queryset & chosen().order_by() if chosen else queryset


class AccountFilter(admin.SimpleListFilter):
    """The first accounts that have tokens; any other by its id in the address."""

    title = _("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        having = Account.objects.filter(Exists(DelegatedToken.objects.filter(account=OuterRef("pk")))).order_by("name")
        return [(str(pk), name) for pk, name in having.values_list("pk", "name")[:ACCOUNTS_SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        value = self.value()
        return queryset.filter(account_id=value) if value and is_uuid(value) else queryset


class ClientFilter(admin.SimpleListFilter):
    """The clients that were seen lately, as they name themselves."""

    title = _("client")
    parameter_name = "client"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in uses.clients_lately()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        return queryset.filter(public_id__in=uses.seen(client=self.value() or "")) if self.value() else queryset


class MadeFilter(admin.SimpleListFilter):
    title = _("made by")
    parameter_name = "made"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("person", gettext("A person")),
            ("exchange", gettext("Token exchange")),
            ("key", gettext("A management key")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DelegatedToken]) -> QuerySet[DelegatedToken]:
        match self.value():
            case "person":
                return queryset.filter(exchanges=0, issued_by_key=None)
            case "exchange":
                return queryset.filter(exchanges__gt=0)
            case "key":
                return queryset.filter(issued_by_key__isnull=False)
        return queryset


@admin.register(DelegatedToken)
class DelegatedTokenAdmin(RevokesTokens, KeysetAdmin):
    list_display = ("service", "standing", "whose", "alias", "ends", "used")
    list_select_related = ("owner", "account", "toolkit")
    list_filter = (StateFilter, ClientFilter, MadeFilter, AccountFilter, "revoke_reason")
    search_fields = ("name",)
    search_help_text = _(
        "Service, owner's address, public id, last four characters, toolkit; or an IP address that called lately."
    )
    fields = (
        "name", "masked", "standing", "owner", "account", "toolkit", "stage", "family", "issued_at", "activated_at",
        "expires_at", "retires_at", "last_used_at", "limits", "made_by", "paused_at", "revoked_at", "revoke_reason",
        "revoke_note",
    )  # fmt: skip

    @admin.display(description=_("service"))
    def service(self, token: DelegatedToken) -> SafeString:
        return format_html('{}<code class="sub nowrap">{}</code>', token.name, token.masked)

    @admin.display(description=_("token"))
    def masked(self, token: DelegatedToken) -> SafeString:
        return format_html('<code class="nowrap">{}</code>', token.masked)

    @admin.display(description=_("owner"))
    def whose(self, token: DelegatedToken) -> SafeString:
        return two_lines(str(token.owner), str(token.account))

    @admin.display(description=_("toolkit"))
    def alias(self, token: DelegatedToken) -> str:
        return token.toolkit.alias

    @admin.display(description=_("ends"))
    def ends(self, token: DelegatedToken) -> str:
        return date_format(timezone.localtime(token.ends_at), "DATETIME_FORMAT")

    @admin.display(description=_("last used"))
    def used(self, token: DelegatedToken) -> str:
        at = token.last_used_at
        return date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else gettext("never")

    @admin.display(description=_("state"))
    def standing(self, token: DelegatedToken) -> SafeString:
        state = token.state(timezone.now())
        return badge(KINDS[state], str(state.label))

    @admin.display(description=_("limits"))
    def limits(self, token: DelegatedToken) -> str:
        calls = {"taken": token.calls_taken, "cap": token.call_cap}
        said = [
            (token.tools is not None, gettext("%(number)s tools") % {"number": len(token.tools or ())}),
            (token.is_read_only, gettext("only tools that read")),
            (bool(token.networks), gettext("from %(networks)s") % {"networks": ", ".join(token.networks)}),
            (token.call_cap is not None, gettext("%(taken)s of %(cap)s calls") % calls),
        ]  # fmt: skip
        return "; ".join(words for holds, words in said if holds) or gettext("None: all that its toolkit allows")

    @admin.display(description=_("made by"))
    def made_by(self, token: DelegatedToken) -> str:
        if token.exchanges:
            return gettext("Token exchange: %(actors)s") % {"actors": token.acted_by}
        if token.issued_by_key:
            return gettext("Management key %(key)s") % {"key": token.issued_by_key}
        return gettext("A person")

    def get_urls(self) -> list[Any]:
        return [path("identify/", self.admin_site.admin_view(identify), name="tokens_identify"), *super().get_urls()]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        term = search_term.strip()
        return (queryset.filter(self._meant(term)) if term else queryset), False

    def finds_by_index(self, query: str, params: dict[str, Any]) -> bool:
        """An exact id, an owner, an address, an account and a client all have an index."""
        is_exact = bool(query) and (_public_id(query) or "@" in query or _is_address(query))
        return bool(is_exact or {"account", "client"} & set(params))

    def _meant(self, term: str) -> Q:
        if public_id := _public_id(term):
            return Q(public_id=public_id)
        if _is_address(term):
            return Q(public_id__in=uses.seen(address=str(ip_address(term))))
        owners = User.objects.filter(email__icontains=term).values_list("pk", flat=True)[:OWNERS]
        of_owner = Q(owner__in=list(owners))
        if "@" in term:
            return of_owner
        toolkits = Toolkit.objects.filter(alias__icontains=term).values_list("pk", flat=True)[:TOOLKITS]
        return of_owner | Q(toolkit__in=list(toolkits)) | Q(name__icontains=term) | Q(last_four=term)


def _public_id(term: str) -> str:
    """Return the public id in a token as it is shown, nxs_<public id>_…; or "" if there is none."""
    head, _, rest = term.strip().partition("_")
    if head == "nxs":
        return rest.partition("_")[0]
    is_one = len(head) == keys.ID_LENGTH and DelegatedToken.objects.filter(public_id=head).exists()
    return head if is_one else ""


def _is_address(term: str) -> bool:
    try:
        ip_address(term.strip())
    except ValueError:
        return False
    return True
