"""What members can call the hub with. The apps above know it; they are asked by a signal."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from profiles.models import Account
from profiles.signals import holdings_wanted


@dataclass(frozen=True, slots=True)
class Holding:
    """Living tokens and connected applications, and when one of them was last used."""

    tokens: int = 0
    applications: int = 0
    last_used_at: datetime | None = None

    def __add__(self, other: "Holding") -> "Holding":
        used = [each.last_used_at for each in (self, other) if each.last_used_at]
        return Holding(
            self.tokens + other.tokens, self.applications + other.applications, max(used, default=None)
        )  # fmt: skip

    @property
    def total(self) -> int:
        return self.tokens + self.applications


def of_members(account: Account, users: Collection[int] | None, *, now: datetime) -> dict[int, Holding]:
    """Return what each of these people has in the account; of all who have anything, if none are named."""
    found: defaultdict[int, Holding] = defaultdict(Holding)
    answers: list[tuple[Any, Any]] = holdings_wanted.send(Account, account=account, users=users, now=now)
    for _, answer in answers:
        for user, holding in answer.items():
            found[user] += holding
    return found


def of_account(account: Account, *, now: datetime) -> Holding:
    return sum(of_members(account, None, now=now).values(), Holding())
