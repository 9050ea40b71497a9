"""What every page says of the person's own tokens: which end soon, or just have."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from profiles.models import Notifications, ReminderStage, User
from tokens import expiry
from tokens.models import DelegatedToken, Dismissal, Reminder, stages

SHOWN = 3  # the others are on the Tokens page
READ = 50  # at once
AHEAD = stages.BEFORE_THE_END[ReminderStage.WEEK]


@dataclass(frozen=True, slots=True)
class Ending:
    """One token above the page, until it is dismissed or its next stage comes."""

    token: DelegatedToken
    stage: ReminderStage
    words: str
    is_over: bool
    is_mail_unknown: bool


@dataclass(frozen=True, slots=True)
class Endings:
    shown: list[Ending]
    more: int
    is_all: bool  # False where there are still more than that
    has_over: bool


def portal(request: HttpRequest) -> dict[str, Any]:
    """Offer the list to the templates; it costs nothing where none asks for it."""
    user = request.user
    return {"endings": partial(endings, user, timezone.now())} if isinstance(user, User) else {}


def endings(user: User, now: datetime) -> Endings:
    """Return the first that end; of somebody's thousands only so many are read as it takes to find some to show."""
    tokens = DelegatedToken.objects.filter(
        owner=user, exchanges=0, revoked_at=None, expires_at__gt=now - stages.EXPIRED_FOR, expires_at__lte=now + AHEAD
    )
    ordered = tokens.select_related("toolkit").order_by("expires_at", "pk")
    found: list[Ending] = []
    is_all = False
    for start in count(0, READ):
        read = list(ordered[start : start + READ])
        found += _to_show(read, user, now)
        is_all = len(read) < READ
        if is_all or len(found) > SHOWN:
            break
    return Endings(
        found[:SHOWN], max(0, len(found) - SHOWN), is_all=is_all, has_over=any(each.is_over for each in found[:SHOWN])
    )


def _to_show(tokens: list[DelegatedToken], user: User, now: datetime) -> list[Ending]:
    """Return what is not dismissed, in the stages that the person wants to see above the pages."""
    due = [(token, of_token[-1]) for token in tokens if (of_token := stages.due(token, now))]
    if not due:
        return []
    ids = [token.pk for token, _ in due]
    dismissed = set(Dismissal.objects.filter(token__in=ids).values_list("token_id", "stage"))
    unknown = set(Reminder.objects.filter(token__in=ids, state=Reminder.State.UNKNOWN).values_list("token_id", "stage"))
    chosen = Notifications.objects.choices_of([user.pk])
    return [
        Ending(token, stage, expiry.words(token.expires_at, now), token.expires_at <= now, (token.pk, stage) in unknown)
        for token, stage in due
        if (token.pk, stage) not in dismissed
        and (chosen.of(user.pk, token.account_id).shows(stage) or (token.pk, stage) in unknown)
    ]
