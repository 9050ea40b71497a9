"""What the pages of the Django admin have in common: who may see them, and lists that never count."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import confirmation
from profiles.admin_lists import Capped, NewestFirst

Answer = HttpResponse | None
# What staff can do to rows: the names of the acts, and what their buttons say.
VERBS = {
    "disable": _("Disable"),
    "end": _("End"),
    "pause": _("Pause"),
    "remove": _("Remove"),
    "revoke": _("Revoke"),
    "switch": _("Switch"),
}


def badge(kind: str, text: str | Promise) -> SafeString:
    """Return a state as the portal shows it; kinds are those of badge.css."""
    return format_html('<span class="badge plain {}">{}</span>', kind, text)


def two_lines(first: str, second: str) -> SafeString:
    """Return a cell that says one thing, and below it, smaller, another."""
    return format_html('{}<span class="sub">{}</span>', first, second) if second else format_html("{}", first)


class StaffAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Staff may read everything and change what the page offers; nobody deletes, since rows are evidence."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    save_as_continue = False
    actions: Any = ()
    paginator: ClassVar[Any] = Capped

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not all(map(self._may_be_a_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            self.message_user(request, gettext("Nothing was done: choose rows of this list."), "error")
            return redirect(request.get_full_path())
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def _may_be_a_key(self, text: str) -> bool:
        try:
            self.opts.pk.clean(text, None)
        except ValidationError:
            return False
        return bool(text)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Filter by what the pages show alone: the beginning of a digest or a password hash could be guessed."""
        filters = [each[0] if isinstance(each, tuple) else each for each in self.get_list_filter(request)]
        named = {each if isinstance(each, str) else getattr(each, "parameter_name", "") for each in filters}
        shown = named.union(flatten_fieldsets(self.get_fieldsets(request, self.model())), ("id", "pk"))
        return lookup.partition("__")[0] in shown and super().lookup_allowed(lookup, value, request)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer on the page of a row what the list offers for many."""
        acts = [(act[1], act[2]) for act in self.get_actions(request).values() if act]
        of_rows = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        more = {"acts": acts, "acts_path": of_rows, "checkbox": ACTION_CHECKBOX_NAME}
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(StaffAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ConfirmedAdmin(StaffAdmin):
    """Forms that make new authority: whoever opens or sends one has confirmed who they are within 10 minutes."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not confirmation.is_confirmed(request):
            if request.method == "POST":
                self.message_user(
                    request, gettext("Nothing was saved: you had confirmed more than 10 minutes before."), "warning"
                )
            return confirmation.ask(request, next_url=request.get_full_path())
        return super().changeform_view(request, object_id, form_url, extra_context)


class KeysetAdmin(ReadOnlyAdmin):
    """Rows without bound, newest first."""

    sortable_by: ClassVar[Any] = ()
    ordering: ClassVar[Any] = ("-id",)
    looked_through = 20_000  # rows, by one page of a search

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def finds_by_index(self, query: str, params: dict[str, Any]) -> bool:
        """Return True where what was asked for is found without looking at every row."""
        return False


class NewestFirstAdmin(KeysetAdmin):
    """Rows with a moment `at`, which nobody adds, changes or deletes."""

    ordering: ClassVar[Any] = ("-at", "-id")


class AsksFirst(StaffAdmin):
    """Acts on rows: each says first what it hits, and is done at the second press."""

    at_once = 100  # rows, in one act
    list_select_related: ClassVar[Any] = ()

    def ask_then(
        self, request: HttpRequest, queryset: QuerySet[Any], verb: str, warning: str, act: Callable[[Any], bool]
    ) -> Answer:
        """Ask; to the answer, do the act to each row, all or none. `verb` is also the name of the admin's action."""
        is_answer = "confirmed" in request.POST
        if is_answer:  # what was shown is what is hit, even where the list's filter no longer finds it
            queryset = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        rows = list(queryset.select_related(*self.list_select_related).order_by("pk")[: self.at_once + 1])
        if len(rows) > self.at_once:
            self.message_user(
                request,
                gettext("At most %(number)s at once. Narrow the list. Nothing was done.") % {"number": self.at_once},
                "error",
            )
            return None
        if not is_answer:
            return self._ask(request, rows, verb, warning)
        with transaction.atomic():
            done = sum(act(row) for row in rows)
        text = (
            gettext("Done: %(number)s, from now on and everywhere.") % {"number": done}
            if done
            else gettext("Nothing was done: it was so already.")
        )
        self.message_user(request, text, "success" if done else "warning")
        return None

    def told(self, row: Any) -> str:
        """Return how the row is named where staff are asked whether it should end."""
        return str(row)

    def impact(self, row: Any) -> list[str]:
        """Return what else is hit, a sentence each."""
        return []

    def _ask(self, request: HttpRequest, rows: list[Any], verb: str, warning: str) -> HttpResponse:
        word = verb.partition("_")[0]
        label = str(VERBS.get(word, word.capitalize()))
        noun = self.opts.verbose_name if len(rows) == 1 else self.opts.verbose_name_plural
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("%(verb)s %(noun)s") % {"verb": label, "noun": noun},
            "opts": self.opts,
            "rows": [(row.pk, self.told(row), self.impact(row)) for row in rows],
            "verb": verb,
            "label": label,
            "warning": warning,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return render(request, "admin/confirm_end.html", context)


class EndingAdmin(AsksFirst, KeysetAdmin):
    """Rows that staff read and end."""


class SinceFilter(admin.SimpleListFilter):
    """The last hour, day, week, month."""

    title = _("time")
    parameter_name = "since"
    SPANS = {
        "1h": (_("Last hour"), timedelta(hours=1)),
        "24h": (_("Last 24 hours"), timedelta(hours=24)),
        "7d": (_("Last 7 days"), timedelta(days=7)),
        "30d": (_("Last 30 days"), timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterator[tuple[str, str]]:
        return ((key, str(label)) for key, (label, _) in self.SPANS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.SPANS.get(self.value() or "")
        return self.rows_since(queryset, timezone.now() - chosen[1]) if chosen else queryset

    def rows_since(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return queryset.filter(at__gte=moment)


def every_field(model: type[models.Model], *, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the columns that may be shown."""
    return tuple(field.name for field in model._meta.fields if field.name not in but)
