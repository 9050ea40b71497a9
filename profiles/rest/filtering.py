"""What may be asked of a list. An unknown parameter is refused: a misspelt filter must not widen the answer."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as ModelRefusal
from django.db.models import QuerySet
from django_filters import FilterSet, IsoDateTimeFilter
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from profiles.rest.problems import WIRE_NAMES

PAGE = ("limit", "cursor", "ordering")
FIRST, LAST = 1970, 2999
BOUNDS = f"Choose a time from {FIRST} to {LAST}."


class MomentField(IsoDateTimeField):
    """A moment in UTC: PostgreSQL takes no offset of sixteen hours or more, which ISO 8601 allows."""

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        try:
            moment = moment and moment.astimezone(UTC)
        except OverflowError:
            raise ModelRefusal(BOUNDS) from None
        if moment and not FIRST <= moment.year <= LAST:
            raise ModelRefusal(BOUNDS)
        return moment


class MomentFilter(IsoDateTimeFilter):
    field_class = MomentField


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raise ValidationError for a parameter that nobody reads, or that is there twice."""
    hint = f"Known here: {', '.join(sorted(known))}." if known else "There is none here."
    wrong = {
        name: [f"This is no parameter of this address. {hint}"] for name in request.query_params if name not in known
    }
    twice = {name: ["Say it once."] for name, values in request.query_params.lists() if len(values) > 1}
    if wrong or twice:
        raise ValidationError(wrong | twice)


def filtered(filters: type[FilterSet], rows: QuerySet[Any], asked: Any) -> QuerySet[Any]:
    """Return the rows that the parameters describe; raise ValidationError, by parameter."""
    found = filters(asked.request.query_params, queryset=rows, request=asked)
    if not found.form.is_valid():
        raise ValidationError(errors_of(found.form))
    return found.filter_queryset(rows)


def errors_of(form: forms.BaseForm) -> dict[str, list[str]]:
    """Return the errors of a form, by the name on the wire."""
    found: dict[str, list[ModelRefusal]] = form.errors.as_data()
    return {
        WIRE_NAMES.get(name, name): [text for error in errors for text in error.messages]
        for name, errors in found.items()
    }


def parameters(filters: type[FilterSet]) -> list[OpenApiParameter]:
    """Return what the schema says of the filters."""
    return [
        OpenApiParameter(name, _shape(each.field), description=each.extra.get("help_text", ""))
        for name, each in filters.base_filters.items()
    ]


def _shape(field: forms.Field) -> Any:
    if isinstance(field, forms.NullBooleanField):
        return OpenApiTypes.BOOL
    if isinstance(field, forms.ChoiceField):
        return {"type": "string", "enum": [str(value) for value, _ in list(field.choices) if value != ""]}  # type: ignore[arg-type]
    if isinstance(field, forms.UUIDField):
        return OpenApiTypes.UUID
    return OpenApiTypes.DATETIME if isinstance(field, forms.DateTimeField) else OpenApiTypes.STR
