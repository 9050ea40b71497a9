"""What every page says of the person's own tokens: which end soon, or just have."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from profiles.models import Notifications, ReminderStage, User
from tokens import expiry
from tokens.models import DelegatedToken, Dismissal, Reminder, stages

SHOWN = 3  # the others are on the Tokens page
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
    has_over: bool


def portal(request: HttpRequest) -> dict[str, Any]:
    """Offer the list to the templates; it costs nothing where none asks for it."""
    user = request.user
    return {"endings": partial(endings, user, timezone.now())} if isinstance(user, User) else {}


def endings(user: User, now: datetime) -> Endings:
    tokens = DelegatedToken.objects.filter(
        owner=user, exchanges=0, revoked_at=None, expires_at__gt=now - stages.EXPIRED_FOR, expires_at__lte=now + AHEAD
    )
    due = [
        (token, of_token[-1])
        for token in tokens.select_related("toolkit").order_by("expires_at")
        if (of_token := stages.due(token, now))
    ]
    if not due:
        return Endings([], 0, has_over=False)
    ids = [token.pk for token, _ in due]
    dismissed = set(Dismissal.objects.filter(token__in=ids).values_list("token_id", "stage"))
    unknown = set(Reminder.objects.filter(token__in=ids, state=Reminder.State.UNKNOWN).values_list("token_id", "stage"))
    chosen = Notifications.objects.choices_of([user.pk])
    found = [
        Ending(token, stage, expiry.words(token.expires_at, now), token.expires_at <= now, (token.pk, stage) in unknown)
        for token, stage in due
        if (token.pk, stage) not in dismissed
        and (chosen.of(user.pk, token.account_id).shows(stage) or (token.pk, stage) in unknown)
    ]
    return Endings(found[:SHOWN], max(0, len(found) - SHOWN), any(each.is_over for each in found[:SHOWN]))
