from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from profiles.admin_pages import Answer, EndingAdmin, badge, every_field, two_lines
from profiles.events import Actor
from tokens.models import ManagementKey
from tokens.shown import KINDS

State = ManagementKey.State


class KeyStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("living", gettext("Living")),
            ("unused", gettext("Never used")),
            ("ended", gettext("Ended")),
            ("revoked", gettext("Revoked")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ManagementKey]) -> QuerySet[ManagementKey]:
        living = ManagementKey.objects.living(timezone.now())
        match self.value():
            case "living":
                return queryset & living
            case "unused":
                return queryset & living.filter(last_used_at=None)
            case "ended":
                return queryset.exclude(pk__in=living.values("pk"))
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


@admin.register(ManagementKey)
class ManagementKeyAdmin(EndingAdmin):
    """Keys for the REST API. They are made by people, in the portal, and ended here or there."""

    list_display = ("called", "standing", "whose", "may_do", "expires_at", "last_used_at")
    list_select_related = ("owner", "account")
    list_filter = (KeyStateFilter,)
    search_fields = ("name",)
    search_help_text = _("By name, owner's address, account, public id or last four characters.")
    actions = ("revoke",)
    fields = ("standing", "may_do", *every_field(ManagementKey, but=("id", "digest", "idempotency_key", "scopes")))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Take a key as it is shown, nxsa_<public id>_…, too."""
        head, _, rest = search_term.strip().partition("_")
        term = rest.partition("_")[0] if head == "nxsa" else search_term.strip()
        exact = Q(public_id=term) | Q(last_four=term)
        named = Q(name__icontains=term) | Q(owner__email__icontains=term) | Q(account__name__icontains=term)
        return (queryset.filter(exact | named) if term else queryset), False

    @admin.display(description=_("key"))
    def called(self, key: ManagementKey) -> SafeString:
        return format_html('{}<code class="sub nowrap">{}</code>', key.name, key.masked)

    @admin.display(description=_("owner"))
    def whose(self, key: ManagementKey) -> SafeString:
        return two_lines(str(key.owner), str(key.account))

    @admin.display(description=_("may do"))
    def may_do(self, key: ManagementKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description=_("state"))
    def standing(self, key: ManagementKey) -> SafeString:
        state = key.state(timezone.now())
        return badge(KINDS[state], str(state.label))

    def impact(self, row: ManagementKey) -> list[str]:
        number = row.issued_tokens(timezone.now()).count()
        text = ngettext(
            "%(number)s delegated token that it issued end with it.",
            "%(number)s delegated tokens that it issued end with it.",
            number,
        )
        return [text % {"number": number}] if number else []

    @admin.action(description=_("Revoke…"), permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ManagementKey]) -> Answer:
        by, now, reason = Actor.from_request(request), timezone.now(), ManagementKey.Reason.OTHER
        warning = gettext(
            "Every request with it gets a 401 from now on. Its generations and the tokens it issued end too."
        )
        return self.ask_then(
            request, queryset, "revoke", warning,
            lambda one: one.revoke(by=by, reason=reason, note="by staff", now=now),
        )  # fmt: skip
