"""The tools of a toolkit, to tick those that a token is kept to."""

from collections.abc import Collection
from dataclasses import dataclass

from profiles.models import Toolkit


@dataclass(frozen=True, slots=True)
class Tick:
    name: str
    is_read_only: bool
    is_chosen: bool


def ticks(toolkit: Toolkit, chosen: Collection[str]) -> list[Tick]:
    entries = toolkit.allowed_entries().order_by("exposed_name").values_list("exposed_name", "is_marked_read_only")
    return [Tick(name, bool(is_read_only), name in chosen) for name, is_read_only in entries]
