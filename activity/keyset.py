"""Lists that grow for ever, newest first: a page begins at a row, never at an offset, and nothing is counted."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import models
from django.db.models import Q, QuerySet

SEARCHED = 10_000  # rows that one page looks through where no index can help

Network = IPv4Network | IPv6Network


class Place(NamedTuple):
    """Where a row stands in the list."""

    at: datetime
    pk: uuid.UUID

    @classmethod
    def of(cls, row: Any) -> "Place":
        return cls(row.at, row.pk)


R = TypeVar("R", bound=models.Model)


@dataclass(frozen=True)
class Page(Generic[R]):
    """Rows, newest first; the rows at which the pages beside it begin; how far a search went that did not end."""

    rows: list[R]
    newer: uuid.UUID | None = None
    older: uuid.UUID | None = None
    searched_to: datetime | None = None


@dataclass(frozen=True)
class Listing(Generic[R]):
    """Rows of one or more querysets, each of which an index puts in order, and what is wanted of them besides."""

    sources: Sequence["QuerySet[Any]"]
    wanted: Q = field(default_factory=Q)
    network: Network | None = None

    @property
    def is_searched(self) -> bool:
        return bool(self.wanted) or self.network is not None

    def within(self, *conditions: Q, **bounds: Any) -> "Listing[R]":
        """Return the part that an index finds."""
        return replace(self, sources=[source.filter(*conditions, **bounds) for source in self.sources])

    def where(self, wanted: Q, network: Network | None = None) -> "Listing[R]":
        """Return the part that has to be searched for."""
        return replace(self, wanted=self.wanted & wanted, network=network or self.network)

    def find(self, pk: uuid.UUID | None) -> R | None:
        found = (source.filter(pk=pk).first() for source in self.sources) if pk else ()
        return next((row for row in found if row is not None), None)

    def page(self, size: int, *, before: R | None = None, after: R | None = None) -> Page[R]:
        """Return the newest rows, those below a row, or those above one."""
        if after is not None:
            return self._newer(size, after)
        rows, end = self._next(Place.of(before) if before else None, size, older=True)
        more = rows[size - 1].pk if len(rows) > size else end.pk if end else None
        searched_to = end.at if end and len(rows) <= size else None
        top = rows[0] if rows else before
        return Page(rows[:size], newer=top.pk if before and top else None, older=more, searched_to=searched_to)

    def _newer(self, size: int, after: R) -> Page[R]:
        rows, end = self._next(Place.of(after), size, older=False)
        if len(rows) <= size and end is None:
            return self.page(size)  # the newest are shown as a full page
        more = rows[size - 1].pk if len(rows) > size else end.pk if end else None
        rows = rows[:size]
        return Page(rows[::-1], newer=more, older=(rows[0] if rows else after).pk)

    def _next(self, place: Place | None, size: int, *, older: bool) -> tuple[list[R], Place | None]:
        """Return up to one row more than asked, and the place at which the search stopped, if it did."""
        rows: list[R] = []
        ends: list[Place] = []
        for source in self.sources:
            found, end = self._window(source, place, older=older)
            rows += found[: size + 1]
            ends += [end] if end else []
        if len(self.sources) > 1:
            rows.sort(key=Place.of, reverse=older)
        if not ends:
            return rows[: size + 1], None
        border = max(ends) if older else min(ends)
        inside = [row for row in rows if (Place.of(row) >= border if older else Place.of(row) <= border)]
        return inside[: size + 1], border

    def newest(self) -> tuple["QuerySet[Any]", Place | None]:
        """Return what a search of a single source finds first, and where it stopped if there is more."""
        return self._window(self.sources[0], None, older=True)

    def _window(
        self, source: "QuerySet[Any]", place: Place | None, *, older: bool
    ) -> tuple["QuerySet[Any]", Place | None]:
        """Return the wanted rows beside a place, and where the search ends if there is more to look through."""
        rows = beside(source, place, older=older)
        if not self.is_searched:
            return rows, None
        # The two at the border: there is more only if the second is there.
        border = list(rows.values_list("at", "id")[SEARCHED - 1 : SEARCHED + 1])
        end = Place(*border[0]) if len(border) == 2 else None
        return self._wanted(up_to(rows, end, older=older)), end

    def batches(self, columns: Sequence[str], size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Walk through all of it: tuples of the moment, the id and the columns, in lists of bounded length."""
        rows, place = self._batch(columns, None, size)
        while place is not None:
            yield rows
            rows, place = self._batch(columns, place, size)
        yield rows

    def _batch(
        self, columns: Sequence[str], place: "Place | None", size: int
    ) -> tuple[list[tuple[Any, ...]], "Place | None"]:
        found: list[tuple[Any, ...]] = []
        ends: list[Place] = []
        for source in self.sources:
            rows, border = self._window(source, place, older=True)
            part = list(rows.values_list("at", "id", *columns)[:size])
            if len(part) == size:
                ends.append(Place(*part[-1][:2]))
            elif border is not None:
                ends.append(border)
            found += part
        end = max(ends, default=None)
        if len(self.sources) > 1:
            found.sort(key=itemgetter(0, 1), reverse=True)
            found = [row for row in found if end is None or row[:2] >= end]
        return found, end

    def _wanted(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.network is None:
            return rows.filter(self.wanted)
        network = self.network
        if network.num_addresses == 1:
            return rows.filter(self.wanted, address=str(network.network_address))
        seen = rows.order_by().values_list("address", flat=True).distinct()
        inside = [address for address in seen if address and _is_in(address, network)]
        return rows.filter(self.wanted, address__in=inside)


def beside(rows: "QuerySet[Any]", place: Place | None, *, older: bool) -> "QuerySet[Any]":
    """Return the rows below the given one, newest first; or those above it, oldest first."""
    if not older:
        ordered = rows.order_by("at", "id")
        return (
            ordered
            if place is None
            else ordered.filter(Q(at__gte=place.at) & (Q(at__gt=place.at) | Q(id__gt=place.pk)))
        )
    ordered = rows.order_by("-at", "-id")
    if place is None:
        return ordered
    # The first condition is implied, but it is the one by which an index finds the place.
    return ordered.filter(Q(at__lte=place.at) & (Q(at__lt=place.at) | Q(id__lt=place.pk)))


def up_to(rows: "QuerySet[Any]", end: Place | None, *, older: bool) -> "QuerySet[Any]":
    """Return the rows as far as the given one, which is included."""
    if end is None:
        return rows
    if older:
        return rows.filter(Q(at__gte=end.at) & (Q(at__gt=end.at) | Q(id__gte=end.pk)))
    return rows.filter(Q(at__lte=end.at) & (Q(at__lt=end.at) | Q(id__lte=end.pk)))


def _is_in(address: str, network: Network) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:
        return False
