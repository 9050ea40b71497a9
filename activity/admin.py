import uuid
from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from activity.admin_findings import FindingAdmin
from activity.models import Call
from profiles.admin_pages import NewestFirstAdmin, SinceFilter, badge, every_field

__all__ = ["CallAdmin", "FindingAdmin"]
KINDS = {Call.Outcome.OK: "ok", Call.Outcome.OPEN: "ok", Call.Outcome.REFUSED: "bad", Call.Outcome.FAILED: "bad"}


class CallsSinceFilter(SinceFilter):
    def rows_since(self, queryset: QuerySet[Call], moment: datetime) -> QuerySet[Call]:
        """Ids sort by time, so that the list's own order bounds the search; the moment names the partitions."""
        first = uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
        return super().rows_since(queryset, moment).filter(id__gte=first)


@admin.register(Call)
class CallAdmin(NewestFirstAdmin):
    list_display = ("at", "owner_email", "token", "toolkit_alias", "asked", "result", "reason", "took")
    list_filter = (CallsSinceFilter, "outcome")
    search_fields = ("owner_email", "token_name", "token_public_id", "toolkit_alias", "tool")
    search_help_text = _("By owner, token, toolkit or tool. Choose a time as well where there are many calls.")
    ordering = ("-id",)
    fields = (*every_field(Call, but=("id", "hub_ms", "upstream_ms")), "hub_ms", "upstream_ms")

    @admin.display(description=_("token"))
    def token(self, call: Call) -> str:
        return f"{call.token_name} ({call.masked_token})"

    @admin.display(description=_("tool or method"))
    def asked(self, call: Call) -> str:
        return f"{call.server}: {call.tool}" if call.server and call.tool else call.tool or call.method

    @admin.display(description=_("result"))
    def result(self, call: Call) -> SafeString:
        return badge(KINDS.get(Call.Outcome(call.outcome), "warn"), call.get_outcome_display())

    @admin.display(description=_("ms"))
    def took(self, call: Call) -> str:
        return f"{call.milliseconds:.1f}"
