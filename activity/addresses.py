"""Addresses of the page that is shown, with something changed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import QueryDict

from activity.forms import PLACES, SpanForm
from activity.keyset import Page
from activity.spans import SHORT


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the address without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A range that can be chosen."""

    label: str
    address: str
    is_chosen: bool


def changed(query: QueryDict, **changes: str) -> str:
    """Return the query with the changes; it begins at the newest row, and empty values are left out."""
    values = {name: str(value) for name, value in query.items() if name not in PLACES} | changes
    new = QueryDict(mutable=True)
    new.update({name: value for name, value in values.items() if value})
    return f"?{new.urlencode()}"


def chips_of(query: QueryDict, form: SpanForm) -> list[Chip]:
    return [Chip(label, value, changed(query, **{name: ""})) for name, label, value in form.chips()]


def ranges_of(query: QueryDict, form: SpanForm) -> list[Choice]:
    span = form.cleaned_data.get("span") if form.is_bound and not form.errors else None
    chosen = span.name if span else ""
    return [
        Choice(str(label), changed(query, range=name, since="", until=""), name == chosen)
        for name, label in SHORT.items()
    ]


def pages_of(query: QueryDict, page: Page[Any]) -> dict[str, str]:
    """Return the addresses of the pages beside this one, and of the newest."""

    def at(name: str, place: UUID | None) -> str:
        return changed(query, **{name: str(place)}) if place else ""

    return {"newer": at("after", page.newer), "older": at("before", page.older), "newest": changed(query)}
