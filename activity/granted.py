"""What a token, or a toolkit, may call beside what was called; and what less of it would have refused."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from activity.models import HourRollup
from activity.usage import PERIOD, ToolUse, tools_of
from profiles.events import Actor
from profiles.models import Toolkit, ToolkitTool
from profiles.models.entries import Choice
from tokens.models import DelegatedToken


@dataclass(frozen=True, slots=True)
class Grant:
    """A tool that may be called, or was: its use in the last 30 days."""

    name: str
    use: ToolUse
    is_granted: bool = True
    is_read_only: bool = False

    @property
    def is_used(self) -> bool:
        return self.use.accepted > 0


@dataclass(frozen=True)
class Granted:
    """The tools that may be called, the most called first; then those that were called and no longer may be."""

    grants: list[Grant]
    past: list[Grant]
    besides: list[ToolUse]  # of resources and prompts, which no tool names

    @classmethod
    def of_token(cls, token: DelegatedToken, tools: Sequence[ToolUse]) -> "Granted":
        marks = {
            name: mark
            for name, mark in _marks(token.toolkit).items()
            if (token.tools is None or name in token.tools) and (mark or not token.is_read_only)
        }
        return cls._of(marks, tools)

    @classmethod
    def of_toolkit(cls, toolkit: Toolkit, tools: Sequence[ToolUse]) -> "Granted":
        return cls._of(_marks(toolkit), tools)

    @classmethod
    def _of(cls, marks: dict[str, bool], tools: Sequence[ToolUse]) -> "Granted":
        used = {use.name: use for use in tools if use.server and use.name}
        grants = [Grant(name, used.get(name) or ToolUse("", name), True, mark) for name, mark in marks.items()]
        past = [Grant(name, use, False) for name, use in used.items() if name not in marks and use.accepted]
        besides = [use for use in tools if use.server and not use.name and use.accepted]
        return cls(sorted(grants, key=lambda grant: (-grant.use.accepted, grant.name)), past, besides)

    @property
    def names(self) -> list[str]:
        return [grant.name for grant in self.grants]

    @property
    def used(self) -> list[str]:
        return [grant.name for grant in self.grants if grant.is_used]

    @property
    def unused(self) -> int:
        return len(self.grants) - len(self.used)

    @property
    def may_be_tightened(self) -> bool:
        return bool(self.used and self.unused)


@dataclass(frozen=True)
class Tightening:
    """Fewer tools, and what they would have refused of the calls of the last 30 days."""

    granted: Granted
    kept: Sequence[str]
    refused: list[ToolUse]

    @classmethod
    def to(cls, granted: Granted, kept: Collection[str], *, ends_the_rest: bool) -> "Tightening":
        """Keep these tools; `ends_the_rest` where a list of tools also ends resources and prompts (ADR 19)."""
        dropped = [grant.use for grant in granted.grants if grant.name not in kept and grant.is_used]
        besides = granted.besides if ends_the_rest else []
        return cls(granted, [name for name in granted.names if name in kept], [*dropped, *besides])

    @property
    def dropped(self) -> list[str]:
        return [name for name in self.granted.names if name not in self.kept]

    @property
    def total(self) -> int:
        return sum(use.accepted for use in self.refused)


def tools_used(token: DelegatedToken, now: datetime) -> list[ToolUse]:
    ids = list(token.generations().values_list("public_id", flat=True))
    counted = HourRollup.objects.filter(token_public_id__in=ids, at__gte=HourRollup.floor(now - PERIOD))
    return tools_of(counted)


def tools_used_of(toolkit: Toolkit, now: datetime) -> list[ToolUse]:
    counted = HourRollup.objects.filter(toolkit_id=toolkit.pk, at__gte=HourRollup.floor(now - PERIOD))
    return tools_of(counted)


def tighten_toolkit(toolkit: Toolkit, dropped: Collection[str], *, by: Actor, now: datetime) -> bool:
    """Allow these tools (exposed names) no longer, server by server; return False if nothing changed."""
    has_changed = False
    with transaction.atomic():
        for place in toolkit.places.select_related("server"):
            allowed = dict(place.entries.filter(is_allowed=True).values_list("exposed_name", "tool_id"))
            kept = frozenset(tool for name, tool in allowed.items() if name not in dropped)
            if len(kept) == len(allowed):
                continue
            # To drop some is not to decide about those that nobody has looked at yet.
            undecided = list(place.entries.filter(is_new=True).values_list("pk", flat=True))
            choice = Choice(kept, offers_resources=place.offers_resources, offers_prompts=place.offers_prompts)
            has_changed |= toolkit.choose(place.server, choice, by=by, now=now)
            ToolkitTool.objects.filter(pk__in=undecided).update(is_new=True)
    return has_changed


def _marks(toolkit: Toolkit) -> dict[str, bool]:
    """Return the names of the tools that clients get, and whether each is marked as only reading."""
    entries = toolkit.allowed_entries().order_by("exposed_name")
    return {name: bool(mark) for name, mark in entries.values_list("exposed_name", "is_marked_read_only")}
