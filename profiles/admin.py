"""The Django admin of this app: its people, its servers, and the events of all apps."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin_forms import as_json
from profiles.admin_pages import NewestFirstAdmin, SinceFilter, every_field, two_lines
from profiles.admin_people import AccountAdmin, SignInLinkAdmin, UserAdmin
from profiles.admin_servers import AuthorizationAdmin, ServerAdmin, ToolkitAdmin
from profiles.events import Event

__all__ = [
    "AccountAdmin", "AuthorizationAdmin", "EventAdmin", "ServerAdmin", "SignInLinkAdmin", "ToolkitAdmin", "UserAdmin",
]  # fmt: skip


class SubjectFilter(admin.SimpleListFilter):
    """The events of one thing, `kind:id`; pages of other rows lead here."""

    title = _("subject")
    parameter_name = "subject"

    def has_output(self) -> bool:
        return bool(self.value())

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("kind:id", gettext("One thing"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        kind, _, subject = (self.value() or "").partition(":")
        return queryset.filter(subject_kind=kind, subject_id=subject) if subject else queryset


@admin.register(Event)
class EventAdmin(NewestFirstAdmin):
    list_display = ("at", "who", "action", "what", "reason", "address")
    list_filter = (SinceFilter, SubjectFilter, "action")
    search_fields = ("actor_label", "subject_label", "subject_id", "request_id")
    search_help_text = _("By who, what, or request id.")
    fields = (*every_field(Event, but=("id", "before", "after")), "was", "became", "id")

    def finds_by_index(self, query: str, params: dict[str, Any]) -> bool:
        return "subject" in params

    @admin.display(description=_("who"))
    def who(self, event: Event) -> str:
        return event.actor_label or event.get_actor_kind_display()

    @admin.display(description=_("what"))
    def what(self, event: Event) -> SafeString:
        return two_lines(event.subject_label or "–", event.subject_kind)

    @admin.display(description=_("before"))
    def was(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", as_json(event.before))

    @admin.display(description=_("after"))
    def became(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", as_json(event.after))
