"""Revoking chosen tokens together: all or none, and each owner is told once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from celery import current_app
from django.db import transaction
from django.db.models import Q

from profiles.after_commit import after_commit
from profiles.events import Actor, ActorKind
from tokens.models.credentials import Credentials
from tokens.models.delegated import DelegatedToken


def came_of(tokens: Sequence[DelegatedToken], now: datetime) -> int:
    """Return how many living tokens were exchanged for these, and end with them."""
    pks = [token.pk for token in tokens]
    found = DelegatedToken.objects.living(now).filter(Q(parent__in=pks) | Q(parent__parent__in=pks)).exclude(pk__in=pks)
    return int(found.count())


def revoke_all(
    tokens: Sequence[DelegatedToken], *, by: Actor, reason: str, note: str = "", now: datetime
) -> list[DelegatedToken]:
    """End these tokens with all their generations, all or none; return those that had not ended before.

    Each hub is waited for once, when all have ended, and each owner but the one who does it gets one mail.
    """
    chosen = DelegatedToken.objects.filter(pk__in=[token.pk for token in tokens])
    of_owner: dict[int, list[int]] = defaultdict(list)
    with transaction.atomic():
        ended = chosen.end_families(by=by, reason=reason, note=note, now=now)
        for token in ended:
            of_owner[token.owner_id].append(token.pk)
        for owner, pks in of_owner.items():
            if not (by.kind == ActorKind.USER and by.id == str(owner)):
                after_commit(_tell, owner, pks, by.label)
    return ended


def _tell(owner: int, tokens: list[int], by: str) -> None:
    if len(tokens) == 1:
        current_app.send_task("tokens.tasks.mail_revoked", args=[tokens[0], by])
    else:
        args = [owner, tokens[: Credentials.MAILED], len(tokens), 0, by]
        current_app.send_task("tokens.tasks.mail_revoked_together", args=args)
