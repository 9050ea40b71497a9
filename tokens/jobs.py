"""The periodic jobs, as the worker and the commands run them."""

from dataclasses import dataclass
from datetime import datetime

from tokens import reminding
from tokens.models import Authority, DelegatedToken, unused


@dataclass(frozen=True, slots=True)
class Swept:
    ended: int
    paused: int

    def __str__(self) -> str:
        return f"tokens ended: {self.ended}, paused because unused: {self.paused}"


def sweep(now: datetime) -> Swept:
    """End what is over, pause what nothing uses, and forget changes that every hub has heard of."""
    Authority.objects.forget_old_changes(now)
    return Swept(ended=DelegatedToken.objects.all().sweep(now), paused=unused.pause_unused(now))


def remind(now: datetime) -> reminding.Done:
    return reminding.send_due(now)
