"""Keyset pages: a cursor names the last row that was shown, so that no page costs more than the first."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, Self

from django.core.exceptions import ValidationError as NotOfItsKind
from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.utils.timezone import is_aware
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

MAX_LIMIT = 200
LIMIT = 50
BAD_CURSOR = "This cursor is not one of ours, or belongs to another ordering; begin without one."


@dataclass(frozen=True, slots=True)
class Parts:
    """A list of what any of several conditions holds for, each of which has an index in the order of the list.

    An OR of them has none: a database would look at all rows, and sort what it found.
    """

    rows: QuerySet[Any]
    conditions: list[Q]

    def first(self, number: int, order: Sequence[str]) -> QuerySet[Any]:
        """Return the first rows of each part, in which those of the whole are."""
        if not connections[self.rows.db].features.supports_slicing_ordering_in_compound:
            return self.rows.filter(reduce(or_, self.conditions))
        parts = [self.rows.filter(each).order_by(*order).values_list("pk", flat=True) for each in self.conditions]
        if len(parts) == 1:
            return self.rows.filter(*self.conditions)
        first, *others = (part[:number] for part in parts)
        return self.rows.filter(pk__in=list(first.union(*others)))


@dataclass(frozen=True, slots=True)
class Keyset:
    """How many rows, in which order, and after which one. Ties are broken by the key, in the same direction."""

    limit: int
    ordering: str
    after: tuple[str, str] | None

    @classmethod
    def asked(cls, request: Request, orderings: Sequence[str]) -> Self:
        """Read limit, ordering and cursor; the first of the orderings is what holds where none is asked for."""
        ordering = request.query_params.get("ordering", orderings[0])
        if ordering not in orderings:
            raise ValidationError({"ordering": [f"Write one of {', '.join(orderings)}."]})
        cursor = request.query_params.get("cursor")
        return cls(limit_asked(request), ordering, None if cursor is None else _decoded(cursor, ordering))

    def page(self, listed: QuerySet[Any] | Parts) -> tuple[list[Any], str | None]:
        """Return the rows of this page, and the cursor of the next if there is one."""
        name, sign = self.ordering.lstrip("-"), "-" if self.ordering.startswith("-") else ""
        order = (f"{sign}{name}", f"{sign}pk")
        rows = listed.rows if isinstance(listed, Parts) else listed
        if self.after:
            rows = rows.filter(self._below(rows.model, name, "lt" if sign else "gt", *self.after))
        if isinstance(listed, Parts):
            rows = replace(listed, rows=rows).first(self.limit + 1, order)
        found = list(rows.order_by(*order)[: self.limit + 1])
        if len(found) <= self.limit:
            return found, None
        last = found[self.limit - 1]
        return found[: self.limit], _encoded(self.ordering, getattr(last, name), last.pk)

    @staticmethod
    def _below(model: type[Model], name: str, beyond: str, value_text: str, key_text: str) -> Q:
        value, key = _value(model, name, value_text), _value(model, model._meta.pk.name, key_text)
        # The first condition is implied by the others, but it is the one by which an index finds the place.
        ties = Q(**{f"{name}__{beyond}": value}) | Q(**{name: value, f"pk__{beyond}": key})
        return Q(**{f"{name}__{beyond}e": value}) & ties


def limit_asked(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT))
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_LIMIT:
        raise ValidationError({"limit": [f"Write a whole number from 1 to {MAX_LIMIT}."]})
    return int(text)


def next_page(request: Request, cursor: str | None) -> str | None:
    """Return the address of the page that begins there: this one's, with another cursor."""
    if cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def _encoded(ordering: str, value: Any, key: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return base64.urlsafe_b64encode(json.dumps([ordering, text, str(key)]).encode()).decode().rstrip("=")


def _decoded(cursor: str, ordering: str) -> tuple[str, str]:
    try:
        found = json.loads(base64.urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}"))
        of, value, key = found
        is_ours = of == ordering and isinstance(value, str) and isinstance(key, str) and "\0" not in value + key
        (value + key).encode()
    except (ValueError, TypeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise ValidationError({"cursor": [BAD_CURSOR]})
    return value, key


def _value(model: type[Model], name: str, text: str) -> Any:
    """Return the value of a column; what is none, as a moment without a zone, is no cursor of ours."""
    column: Any = model._meta.get_field(name)
    try:
        value = column.to_python(text)
        if isinstance(value, datetime):
            value = value.astimezone(UTC) if is_aware(value) else None
    except (NotOfItsKind, OverflowError) as error:
        raise ValidationError({"cursor": [BAD_CURSOR]}) from error
    if value is None:
        raise ValidationError({"cursor": [BAD_CURSOR]})
    return value
