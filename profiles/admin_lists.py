"""Lists of the Django admin that cost the same however long their tables are."""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

BEFORE = "before"


class Capped(Paginator):  # type: ignore[type-arg]
    """Counts no further than a person would turn pages, so that a list costs the same however long its table is."""

    MOST = 1000  # rows that can be reached by turning pages; the others are found by searching

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by().values("pk")[: self.MOST].count() if isinstance(rows, QuerySet) else len(rows)


class NewestFirst(ChangeList):
    """The rows below a given one, newest first: keyset pagination, never an offset or a count.

    A search or a filter looks through so many rows at a time, and says how far it came.
    """

    is_keyset = True
    before = ""
    has_more = False
    searched_to: models.Model | None = None

    def get_filters_params(self, params: Any = None) -> Any:
        if BEFORE in self.filter_params:  # Django asks more than once; the cursor is no filter
            self.before = self.filter_params.pop(BEFORE)[-1]
            self.params.pop(BEFORE, None)
        return super().get_filters_params(params)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return list(self.model_admin.ordering or ())

    def get_results(self, request: HttpRequest) -> None:
        rows, cursor = self.queryset, self._cursor()
        if cursor:
            rows = rows.filter(self._beyond(cursor, "lt"))
        self.searched_to = self._last_looked_at(cursor)
        if self.searched_to:
            rows = rows.filter(self._beyond(self.searched_to, "gte"))
        found = list(rows[: self.list_per_page + 1])
        if len(found) > self.list_per_page:
            self.searched_to = None
        self.has_more = len(found) > self.list_per_page or self.searched_to is not None
        self.result_list = found[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.result_list, self.list_per_page)

    def _cursor(self) -> models.Model | None:
        if not self.before:
            return None
        try:
            row = self.root_queryset.filter(pk=self.model._meta.pk.to_python(self.before)).first()
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
        if row is None:
            raise IncorrectLookupParameters
        return row

    def _last_looked_at(self, cursor: models.Model | None) -> models.Model | None:
        """Return the last row that this page looks at; None where it looks at all, or an index finds its rows."""
        admin_page: Any = self.model_admin
        if not (self.query or self.get_filters_params()) or admin_page.finds_by_index(self.query, self.params):
            return None
        rows = self.model._default_manager.order_by(*admin_page.ordering)
        rows = rows.filter(self._beyond(cursor, "lt")) if cursor else rows
        most = admin_page.looked_through
        return next(iter(rows.only(*self._columns())[most - 1 : most]), None)

    def _columns(self) -> list[str]:
        ordering: Any = self.model_admin.ordering
        return [name.lstrip("-") for name in ordering]

    def _beyond(self, row: Any, how: str) -> Q:
        """Return what lies after the row ("lt"), or up to it ("gte"), in the order of the list."""
        if self._columns() == ["id"]:
            return Q(**{f"id__{how}": row.pk})
        # The first condition is implied, but it is the one by which an index finds the place.
        near, past = (f"at__{how[0]}{end}" for end in ("te", "t"))
        return Q(**{near: row.at}) & (Q(**{past: row.at}) | Q(**{"at": row.at, f"id__{how}": row.pk}))

    @property
    def older(self) -> str:
        """Return the query of the next page."""
        last = self.searched_to or self.result_list[-1]
        return self.get_query_string({BEFORE: str(last.pk)})

    @property
    def newest(self) -> str:
        return self.get_query_string()
