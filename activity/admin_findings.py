from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from activity.models import Finding
from activity.models.findings import OPEN
from profiles.admin_pages import ReadOnlyAdmin, SinceFilter, badge, two_lines


class FindingsSinceFilter(SinceFilter):
    def rows_since(self, queryset: QuerySet[Finding], moment: datetime) -> QuerySet[Finding]:
        return queryset.filter(last_at__gte=moment)


class AnswerFilter(admin.SimpleListFilter):
    title = _("answer")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(OPEN, _("Open")), *Finding.Answer.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        return queryset & Finding.objects.in_state(state) if (state := self.value()) else queryset


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """Unexpected use of tokens. Who may answer is who owns the token or manages its account, in the portal."""

    list_display = ("last_at", "token", "whose", "what", "address", "standing")
    list_filter = (FindingsSinceFilter, AnswerFilter, "rule")
    search_fields = ("token_public_id", "token_name")
    search_help_text = _("By name or public id of the token.")
    ordering = ("-last_at", "-id")
    sortable_by = ()
    fields = (
        "token", "whose", "rule", "standing", "signs", "more", "first_at", "last_at", "found_at", "told_at",
        "answered_at", "account_id", "toolkit_id", "family", "id",
    )  # fmt: skip

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changes = super().get_changelist_instance(request)
        rows: Any = changes.result_list
        changes.result_list = rows.with_tokens()
        return changes

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Finding | None:
        found = super().get_object(request, object_id, from_field)
        return Finding.objects.filter(pk=found.pk).with_tokens()[0] if found else None

    @admin.display(description=_("token"))
    def token(self, finding: Finding) -> SafeString:
        """Link to the token's own page, where it is revoked."""
        if finding.token is None:
            return two_lines(finding.token_name, finding.token_public_id)
        path = reverse("admin:tokens_delegatedtoken_change", args=[finding.token.pk])
        name, masked = finding.token.name, finding.token.masked
        return format_html('<a href="{}">{}</a><code class="sub nowrap">{}</code>', path, name, masked)

    @admin.display(description=_("owner"))
    def whose(self, finding: Finding) -> str | SafeString:
        return two_lines(str(finding.token.owner), str(finding.token.account)) if finding.token else "–"

    @admin.display(description=_("what happened"))
    def what(self, finding: Finding) -> SafeString:
        others = _("and %(number)s more") % {"number": finding.others} if finding.others else ""
        said = "".join(sign["said"] for sign in finding.signs[:1])
        return two_lines(f"{finding.get_rule_display()}. {said}", str(others))

    @admin.display(description=_("answer"))
    def standing(self, finding: Finding) -> SafeString:
        if not finding.answer:
            return badge("warn", str(_("Open")))
        return two_lines(badge("ok", finding.get_answer_display()), finding.answered_by)

    @admin.display(description=_("evidence"))
    def signs(self, finding: Finding) -> SafeString:
        rows = ((sign["said"], sign["address"] or "–") for sign in finding.signs)
        return format_html_join("", '<div>{}<span class="sub">{}</span></div>', rows)
