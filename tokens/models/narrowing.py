"""A token that may do less than its toolkit: fewer tools, from fewer addresses, a number of calls in all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Max
from django.utils.formats import number_format
from django.utils.translation import gettext

from profiles.models import Toolkit
from tokens import networks
from tokens.models.policies import LEAST_UNUSED_DAYS

MAX_NETWORKS = 20
MAX_CALLS = 1_000_000_000
TOOLS_NAMED = 5  # in the message about those that the toolkit does not offer


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a token is kept to. Nothing said leaves it all that its toolkit offers."""

    tools: Sequence[str] | None = None  # exposed names
    is_read_only: bool = False
    networks: Sequence[str] = ()  # CIDR
    call_cap: int | None = None
    pause_unused_after: timedelta | None = None

    def checked(self, toolkit: Toolkit) -> "Narrowing":
        """Return it in canonical form; raise ValidationError, by field."""
        errors: dict[str, list[str]] = {}
        tools = self._tools(toolkit, errors)
        ranges = self._networks(errors)
        if self.call_cap is not None and not 1 <= self.call_cap <= MAX_CALLS:
            text = gettext("Choose a number of calls from 1 to %(most)s, or leave it empty.")
            errors["call_cap"] = [text % {"most": number_format(MAX_CALLS, force_grouping=True)}]
        if self.pause_unused_after is not None and self.pause_unused_after < timedelta(days=LEAST_UNUSED_DAYS):
            text = gettext("A token is paused after %(days)d unused days at the earliest.")
            errors["pause_unused_after"] = [text % {"days": LEAST_UNUSED_DAYS}]
        if errors:
            raise ValidationError(errors)
        return replace(self, tools=tools, networks=ranges)

    def as_fields(self) -> dict[str, Any]:
        return {
            "tools": None if self.tools is None else list(self.tools), "is_read_only": self.is_read_only,
            "networks": list(self.networks), "call_cap": self.call_cap, "pause_unused_after": self.pause_unused_after,
        }  # fmt: skip

    def as_recorded(self) -> dict[str, Any]:
        """Return what an event says of it: only what it was narrowed by."""
        said = {name: value for name, value in self.as_fields().items() if value not in (None, False, [])}
        if self.pause_unused_after:
            said["pause_unused_after"] = f"{self.pause_unused_after.days} days"
        return said

    def _tools(self, toolkit: Toolkit, errors: dict[str, list[str]]) -> list[str] | None:
        if self.tools is None and not self.is_read_only:
            return None
        visible = dict(toolkit.allowed_entries().values_list("exposed_name", "is_marked_read_only"))
        if self.tools is None:
            chosen = list(visible)
        else:
            chosen = sorted(set(self.tools))
            if unknown := [name for name in chosen if name not in visible]:
                named = ", ".join(name[:60] for name in unknown[:TOOLS_NAMED])
                text = gettext("The toolkit “%(toolkit)s” does not offer %(tools)s. Choose from the tools that it has.")
                errors["tools"] = [text % {"toolkit": toolkit, "tools": named}]
            elif not chosen:
                errors["tools"] = [gettext("Choose at least one tool, or all of them.")]
        if self.is_read_only and "tools" not in errors and not any(visible[name] for name in chosen):
            errors["is_read_only"] = [self._nothing_to_read(toolkit)]
        return None if self.tools is None else chosen

    def _nothing_to_read(self, toolkit: Toolkit) -> str:
        if self.tools is not None:
            return gettext("None of the chosen tools is marked as only reading, so the token could call nothing.")
        text = gettext("None of the tools of “%(toolkit)s” is marked as only reading, so the token could call nothing.")
        return text % {"toolkit": toolkit}

    def _networks(self, errors: dict[str, list[str]]) -> list[str]:
        found: list[str] = []
        for text in self.networks:
            try:
                found.append(str(networks.parse(text)))
            except ValueError as error:
                errors.setdefault("networks", []).append(str(error))
        found = list(dict.fromkeys(found))
        if len(found) > MAX_NETWORKS:
            text = gettext("At most %(most)d ranges; these are %(number)d.")
            errors.setdefault("networks", []).append(text % {"most": MAX_NETWORKS, "number": len(found)})
        return found


NOT_NARROWED = Narrowing()


def refuse_offering_nothing(toolkit: Toolkit) -> None:
    """Raise ValidationError where a token would be of no use: clients report an error for a list without tools."""
    if not toolkit.allowed_entries().exists():
        text = gettext(
            "“%(toolkit)s” allows no tool, so every client would report an error. Allow at least one tool first."
        )
        raise ValidationError({"toolkit": text % {"toolkit": toolkit}})


class Caps(models.Manager[Any]):
    """Counts calls against the cap of a token. The generations of a family share what is left."""

    def reserve_calls(self, family: UUID, at_most: int) -> int:
        """Take up to so many calls from what the family has left, and return how many; 0 when there are none.

        Of much a block is taken and of little one call, so that no process sits on the last ones.
        """
        with transaction.atomic():
            rows = list(self._living(family).values_list("call_cap", "calls_taken"))
            caps = [cap for cap, _ in rows if cap is not None]
            if not caps:
                return 0
            taken = max(taken for _, taken in rows)
            left = max(min(caps) - taken, 0)
            granted = min(at_most, max(1, left // 10), left)
            if granted:
                self._unlocked(family).update(calls_taken=taken + granted)
        return granted

    def return_calls(self, family: UUID, unused: int) -> None:
        """Give back what was reserved and not used."""
        with transaction.atomic():
            list(self._living(family).values_list("pk"))
            self._unlocked(family).filter(calls_taken__gte=unused).update(calls_taken=F("calls_taken") - unused)

    def take_over_calls(self, family: UUID, pk: int) -> None:
        """Have a successor begin where its family stands; its row is locked."""
        taken = self.filter(family=family).aggregate(Max("calls_taken"))["calls_taken__max"]
        self.filter(pk=pk).exclude(call_cap=None).update(calls_taken=taken)

    def _living(self, family: UUID) -> Any:
        return self._unlocked(family).select_for_update().order_by("pk")

    def _unlocked(self, family: UUID) -> Any:
        return self.filter(family=family).exclude(stage=self.model.Stage.ENDED)
