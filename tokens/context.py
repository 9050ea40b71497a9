"""What every page says of the person's own tokens and management keys: which end soon, or just have."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest
from django.utils import timezone

from profiles.models import Notifications, ReminderStage, User
from tokens import expiry
from tokens.models import DelegatedToken, Dismissal, ManagementKey, Reminder, stages
from tokens.models.stages import Running

SHOWN = 3  # the others are on the Tokens page
AHEAD = stages.BEFORE_THE_END[ReminderStage.WEEK]


@dataclass(frozen=True, slots=True)
class Ending:
    """One token or key above the page, until it is dismissed or its next stage comes."""

    token: Running
    stage: ReminderStage
    words: str
    is_over: bool
    is_mail_unknown: bool

    @property
    def is_key(self) -> bool:
        return isinstance(self.token, ManagementKey)


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
    due = [(row, of_row[-1]) for row in _running_out(user, now) if (of_row := stages.due(row, now))]
    if not due:
        return Endings([], 0, has_over=False)
    dismissed = _noted(Dismissal.objects.all(), [row for row, _ in due])
    unknown = _noted(Reminder.objects.filter(state=Reminder.State.UNKNOWN), [row for row, _ in due])
    chosen = Notifications.objects.choices_of([user.pk])
    found = [
        Ending(row, stage, expiry.words(row.expires_at, now), row.expires_at <= now, (row, stage) in unknown)
        for row, stage in due
        if (row, stage) not in dismissed
        and (chosen.of(user.pk, row.account_id).shows(stage) or (row, stage) in unknown)
    ]
    return Endings(found[:SHOWN], max(0, len(found) - SHOWN), any(each.is_over for each in found[:SHOWN]))


def _running_out(user: User, now: datetime) -> list[Running]:
    """Return what ends within a week or ended just now, what ends first before the others."""
    ending = {"owner": user, "revoked_at": None, "expires_at__gt": now - stages.EXPIRED_FOR}
    ending["expires_at__lte"] = now + AHEAD
    tokens, keys = DelegatedToken.objects.filter(exchanges=0, **ending), ManagementKey.objects.filter(**ending)
    # Every page asks: mostly nothing ends, and one query says so.
    kinds = {kind for (kind,) in _of_kind(tokens, "token").union(_of_kind(keys, "key"))}
    rows = [*(tokens.select_related("toolkit") if "token" in kinds else ()), *(keys if "key" in kinds else ())]
    return sorted(rows, key=lambda row: row.expires_at)


def _of_kind(rows: QuerySet[Any], kind: str) -> QuerySet[Any]:
    return rows.order_by().annotate(kind=Value(kind)).values_list("kind")


def _noted(rows: Any, about: list[Running]) -> set[tuple[Running, str]]:
    """Return of which of these, at which stage, there is such a row; in one query."""
    found = {(type(row), row.pk): row for row in about}
    tokens = [row for row in about if isinstance(row, DelegatedToken)]
    keys = [row for row in about if isinstance(row, ManagementKey)]
    noted = rows.filter(Q(token__in=tokens) | Q(key__in=keys)).values_list("token_id", "key_id", "stage")
    return {
        (found[(DelegatedToken, token_id) if token_id else (ManagementKey, key_id)], stage)
        for token_id, key_id, stage in noted
    }
