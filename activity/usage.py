"""How a token, or a toolkit, was used in the last 30 days.

What is counted answers; addresses and clients are not, and come from the newest calls, as far as they are looked
through.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Sum
from django.utils.translation import gettext as _

from activity.heat import HeatMap
from activity.models import Call, CallQuerySet, Habit, HourRollup, RollupQuerySet, Rule, TokenUse
from activity.unexpected.histories import network_of
from profiles.models import Toolkit, User
from tokens.models import DelegatedToken

PERIOD = timedelta(days=30)
LOOKED_THROUGH = 10_000  # calls, of each generation or of the toolkit
GENERATIONS = 5  # of a token, the newest, whose calls are looked through
SEEN = 500  # addresses and clients in pairs
SHOWN = 20


@dataclass(slots=True)
class ToolUse:
    """How often one tool was called; without a name, what was asked of a server besides tools."""

    server: str
    name: str
    accepted: int = 0
    refused: int = 0
    last_at: datetime | None = None  # the hour in which it was called last

    @property
    def label(self) -> str:
        return self.name or _("resources and prompts of %(server)s") % {"server": self.server}


@dataclass(slots=True)
class Seen:
    """An address, or a client, and the calls that came from there."""

    name: str
    calls: int = 0
    refused: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    is_expected: bool = True

    def add(self, calls: int, first_at: datetime, last_at: datetime, *, is_refused: bool) -> None:
        self.calls += calls
        self.refused += calls if is_refused else 0
        self.first_at = min(self.first_at or first_at, first_at)
        self.last_at = max(self.last_at or last_at, last_at)


@dataclass
class Places:
    """From where, and by what, calls were made, the most used first; how far back was looked, where not at all."""

    addresses: list[Seen] = field(default_factory=list)
    clients: list[Seen] = field(default_factory=list)
    looked_to: datetime | None = None


@dataclass(frozen=True)
class Usage:
    since: datetime
    first_at: datetime | None
    last_at: datetime | None
    tools: list[ToolUse]
    heat: HeatMap
    places: Places

    @property
    def accepted(self) -> int:
        return sum(tool.accepted for tool in self.tools)

    @property
    def refused(self) -> int:
        return sum(tool.refused for tool in self.tools)


def of_token(token: DelegatedToken, now: datetime) -> Usage:
    """Return the use of a token and of its other generations."""
    ids = list(token.generations().values_list("public_id", flat=True))
    uses = TokenUse.objects.filter(token_public_id__in=ids)
    ends = uses.aggregate(first=Min("first_at"), last=Max("last_at"))
    newest = list(uses.order_by("-last_at").values_list("token_public_id", flat=True)[:GENERATIONS])
    calls = [Call.objects.filter(token_public_id=public_id) for public_id in newest]
    counted = HourRollup.objects.filter(token_public_id__in=ids)
    usage = _usage(counted, calls, ends["first"], ends["last"], now)
    _mark(usage.places.addresses, token)
    return usage


def of_toolkit(toolkit: Toolkit, user: User, now: datetime) -> Usage:
    """Return its use as far as the person may see it: all, or that by their own tokens."""
    calls = Call.objects.of_account(toolkit.account, user).filter(toolkit_id=toolkit.pk)
    counted = HourRollup.objects.of_account(toolkit.account, user).filter(toolkit_id=toolkit.pk)
    first = calls.order_by("at").values_list("at", flat=True).first()
    last = calls.order_by("-at").values_list("at", flat=True).first()
    return _usage(counted, [calls], first, last, now)


def _usage(
    counted: RollupQuerySet, calls: Sequence[CallQuerySet], first: datetime | None, last: datetime | None, now: datetime
) -> Usage:
    since = HourRollup.floor(now - PERIOD)
    recent = counted.filter(at__gte=since).order_by()
    heat = HeatMap.of(recent.values_list("at").annotate(number=Sum("calls")))
    return Usage(since, first, last, tools_of(recent), heat, _places([each.filter(at__gte=since) for each in calls]))


def tools_of(counted: RollupQuerySet) -> list[ToolUse]:
    """Return the use of each tool, the most called first."""
    found: dict[tuple[str, str], ToolUse] = {}
    rows = counted.order_by().values_list("server", "tool", "outcome").annotate(number=Sum("calls"), last=Max("at"))
    for server, name, outcome, number, last in rows:
        use = found.setdefault((server, name), ToolUse(server, name))
        if outcome == Call.Outcome.REFUSED:
            use.refused += number
        else:
            use.accepted += number
            use.last_at = max(use.last_at or last, last)
    return sorted(found.values(), key=lambda use: (-use.accepted, -use.refused, use.server, use.name))


def _places(calls: Sequence[CallQuerySet]) -> Places:
    addresses: dict[str, Seen] = {}
    clients: dict[str, Seen] = {}
    looked_to = None
    for each in calls:
        end = each.newest_first().values_list("at", flat=True)[LOOKED_THROUGH - 1 : LOOKED_THROUGH].first()
        looked_to = max(filter(None, [looked_to, end]), default=None)
        for address, name, version, outcome, number, first, last in _pairs(each.filter(at__gte=end) if end else each):
            is_refused = outcome == Call.Outcome.REFUSED
            client = f"{name} {version}".strip() or _("not said")
            addresses.setdefault(address, Seen(address)).add(number, first, last, is_refused=is_refused)
            clients.setdefault(client, Seen(client)).add(number, first, last, is_refused=is_refused)
    return Places(_most_used(addresses), _most_used(clients), looked_to)


def _pairs(calls: CallQuerySet) -> Any:
    columns = ("address", "client_name", "client_version", "outcome")
    counted = calls.order_by().values_list(*columns).annotate(number=Count("*"), first=Min("at"), last=Max("at"))
    return counted.order_by("-number")[:SEEN]


def _most_used(found: dict[str, Seen]) -> list[Seen]:
    return sorted(found.values(), key=lambda seen: (-seen.calls, seen.name))


def _mark(addresses: list[Seen], token: DelegatedToken) -> None:
    """Mark the addresses in networks that are new to the token."""
    expected = set(Habit.objects.filter(family=token.family, rule=Rule.NETWORK).values_list("value", flat=True))
    for seen in addresses:
        network = network_of(seen.name)
        seen.is_expected = not expected or not network or network in expected
