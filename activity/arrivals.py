"""What has arrived at the hub since somebody began to install a toolkit: how far a client came, and near misses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.utils.translation import gettext as _

from activity.misses import Miss
from activity.models import Call, CallQuerySet

PORTAL_TEST = "nexus-portal-test"  # the page's own test, which is nobody's first call
LOOKED_AT = 200  # calls
MISSES_FOR = timedelta(minutes=10)
MISSES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One step on a client's way, and the call that took it."""

    title: str
    waiting: str
    call: Call | None


@dataclass(frozen=True, slots=True)
class Arrived:
    steps: list[Step]
    misses: list[Miss]
    reached_at: datetime | None

    @classmethod
    def of(cls, calls: Sequence[Call], misses: list[Miss]) -> Self:
        """Return how far the calls came, oldest first."""
        let_in = [call for call in calls if call.outcome != Call.Outcome.REFUSED]
        steps = [
            Step(_("Reached the hub"), _("Waiting for a first request …"), _first(calls)),
            Step(_("Signed in"), _("Not signed in yet"), _first(let_in)),
            Step(_("Listed the tools"), _("Tools not listed yet"), _first(let_in, "tools/list")),
            Step(_("Called a tool"), _("No tool called yet"), _first(let_in, "tools/call")),
        ]
        reached = steps[0].call.at if steps[0].call else next((miss.at for miss in misses), None)
        return cls(steps, misses, reached)

    @property
    def reached(self) -> int:
        return sum(step.call is not None for step in self.steps)

    @property
    def words(self) -> str:
        """Return the last step taken, for screen readers; empty while nothing has come."""
        taken = [step.title for step in self.steps if step.call]
        missed = f" {self.misses[0].text}" if self.misses else ""
        return (taken[-1] if taken else "") + missed


def _first(calls: Sequence[Call], method: str = "") -> Call | None:
    return next((call for call in calls if not method or call.method == method), None)


def calls_since(owner_id: int, toolkit_id: UUID, since: datetime, token: str = "") -> list[Call]:
    """Return the first calls of a person's clients since then, oldest first."""
    calls = of_clients().filter(toolkit_id=toolkit_id, owner_id=owner_id, at__gte=since)
    if token:
        calls = calls.filter(token_public_id=token)
    return list(calls.order_by("at", "id")[:LOOKED_AT])


def misses_since(owner_id: int, account_id: UUID, since: datetime) -> list[Miss]:
    """Return what was refused of the person's own clients of this account, the newest of each kind first."""
    calls = of_clients().filter(account_id=account_id, owner_id=owner_id, at__gte=since)
    refused = calls.filter(outcome__in=[Call.Outcome.REFUSED, Call.Outcome.FAILED]).newest_first()[:LOOKED_AT]
    newest: dict[str, Miss] = {}
    for call in refused:
        miss = Miss.of_call(call)
        newest.setdefault(miss.text, miss)
    return list(newest.values())[:MISSES_SHOWN]


def of_clients() -> CallQuerySet:
    calls: CallQuerySet = Call.objects.exclude(client_name=PORTAL_TEST)
    return calls
