"""Tells profiles what the members of an account can call with."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.dispatch import receiver

from profiles.holdings import Holding
from profiles.models import Account
from profiles.signals import holdings_wanted
from tokens.models import Connection, DelegatedToken


@receiver(holdings_wanted)
def holdings(account: Account, users: Collection[int] | None, now: datetime, **kwargs: Any) -> dict[int, Holding]:
    """Return of each of the people how much they have that still calls, in two queries however many they are."""
    tokens = _by_owner(DelegatedToken.objects.living(now), account, users)
    connections = _by_owner(Connection.objects.living(), account, users)
    nothing = (0, None)
    return {
        owner: Holding(tokens.get(owner, nothing)[0], 0, tokens.get(owner, nothing)[1])
        + Holding(0, connections.get(owner, nothing)[0], connections.get(owner, nothing)[1])
        for owner in {*tokens, *connections}
    }


def _by_owner(
    living: QuerySet[Any], account: Account, users: Collection[int] | None
) -> dict[int, tuple[int, datetime | None]]:
    found = living.filter(account=account)
    if users is not None:
        found = found.filter(owner__in=users)
    grouped = found.order_by().values_list("owner").annotate(Count("pk"), Max("last_used_at"))
    return {owner: (number, last_used_at) for owner, number, last_used_at in grouped}
