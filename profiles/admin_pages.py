"""What the pages of the Django admin have in common: who may see them, and lists that never count."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from profiles import confirmation

BEFORE = "before"


def badge(kind: str, text: str) -> SafeString:
    """Return a state as the portal shows it; kinds are those of badge.css."""
    return format_html('<span class="badge plain {}">{}</span>', kind, text)


class StaffAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Staff may read everything and change what the page offers; nobody deletes, since rows are evidence."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    save_as_continue = False
    actions: Any = ()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

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
                    request, "Nothing was saved: you had confirmed more than 10 minutes before.", "warning"
                )
            return confirmation.ask(request, next_url=request.get_full_path())
        return super().changeform_view(request, object_id, form_url, extra_context)


class NewestFirst(ChangeList):
    """The rows below a given one, newest first: keyset pagination, never an offset or a count."""

    is_keyset = True
    before = ""
    has_more = False

    def get_filters_params(self, params: Any = None) -> Any:
        if BEFORE in self.filter_params:  # Django asks more than once; the cursor is no filter
            self.before = self.filter_params.pop(BEFORE)[-1]
            self.params.pop(BEFORE, None)
        return super().get_filters_params(params)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return list(self.model_admin.ordering or ())

    def get_results(self, request: HttpRequest) -> None:
        rows = list(self._below()[: self.list_per_page + 1])
        self.has_more = len(rows) > self.list_per_page
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = None
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.result_list, self.list_per_page)

    def _below(self) -> QuerySet[Any]:
        if not self.before:
            return self.queryset
        row = self.root_queryset.filter(pk=_uuid(self.before)).first()
        if row is None:
            raise IncorrectLookupParameters
        if self.model_admin.ordering == ("-id",):  # ids that sort by time
            return self.queryset.filter(id__lt=row.pk)
        return self.queryset.filter(Q(at__lt=row.at) | Q(at=row.at, id__lt=row.pk))

    @property
    def older(self) -> str:
        """Return the query of the next page."""
        return self.get_query_string({BEFORE: str(self.result_list[-1].pk)})

    @property
    def newest(self) -> str:
        return self.get_query_string()


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise IncorrectLookupParameters(error) from error


class NewestFirstAdmin(ReadOnlyAdmin):
    """Rows with a moment `at`, which nobody adds, changes or deletes."""

    sortable_by = ()
    ordering = ("-at", "-id")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst


class SinceFilter(admin.SimpleListFilter):
    """The last hour, day, week, month."""

    title = "time"
    parameter_name = "since"
    SPANS = {
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterator[tuple[str, str]]:
        return ((key, label) for key, (label, _) in self.SPANS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.SPANS.get(self.value() or "")
        return self.rows_since(queryset, timezone.now() - chosen[1]) if chosen else queryset

    def rows_since(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return queryset.filter(at__gte=moment)


def every_field(model: type[models.Model], *, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the columns that may be shown."""
    return tuple(field.name for field in model._meta.fields if field.name not in but)
