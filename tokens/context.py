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
READ = 20
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
    is_all: bool  # False where there are still more than that
    has_over: bool


def portal(request: HttpRequest) -> dict[str, Any]:
    """Offer the list to the templates; it costs nothing where none asks for it."""
    user = request.user
    return {"endings": partial(endings, user, timezone.now())} if isinstance(user, User) else {}


def endings(user: User, now: datetime) -> Endings:
    """Return the first that end; of somebody's thousands no more are read."""
    read = list(_running_out(user, now)[:READ])
    found = _to_show(_rows(read), user, now)
    shown, more = found[:SHOWN], max(0, len(found) - SHOWN)
    return Endings(shown, more, is_all=len(read) < READ, has_over=any(each.is_over for each in shown))


def _running_out(user: User, now: datetime) -> QuerySet[Any, tuple[datetime, str, str]]:
    """Return what ends within a week or ended just now, with its kind and public id, what ends first before the others.

    Every page asks: mostly nothing ends, and this one query says so.
    """
    ending = {"owner": user, "revoked_at": None, "expires_at__gt": now - stages.EXPIRED_FOR}
    ending["expires_at__lte"] = now + AHEAD
    tokens, keys = DelegatedToken.objects.filter(exchanges=0, **ending), ManagementKey.objects.filter(**ending)
    both = _of_kind(tokens, "token").union(_of_kind(keys, "key"), all=True)
    return both.order_by("expires_at", "kind", "public_id")


def _of_kind(rows: QuerySet[Any], kind: str) -> QuerySet[Any, tuple[datetime, str, str]]:
    return rows.order_by().annotate(kind=Value(kind)).values_list("expires_at", "kind", "public_id")


def _rows(read: list[tuple[datetime, str, str]]) -> list[Running]:
    """Return the tokens and keys themselves, in this order; what is gone meanwhile is left out."""
    found: dict[tuple[str, str], Running] = {}
    if tokens := [public_id for _, kind, public_id in read if kind == "token"]:
        rows = DelegatedToken.objects.filter(public_id__in=tokens).select_related("toolkit")
        found |= {("token", row.public_id): row for row in rows}
    if keys := [public_id for _, kind, public_id in read if kind == "key"]:
        found |= {("key", row.public_id): row for row in ManagementKey.objects.filter(public_id__in=keys)}
    return [found[kind, public_id] for _, kind, public_id in read if (kind, public_id) in found]


def _to_show(rows: list[Running], user: User, now: datetime) -> list[Ending]:
    """Return what is not dismissed, in the stages that the person wants to see above the pages."""
    due = [(row, of_row[-1]) for row in rows if (of_row := stages.due(row, now))]
    if not due:
        return []
    dismissed = _noted(Dismissal.objects.all(), [row for row, _ in due])
    unknown = _noted(Reminder.objects.filter(state=Reminder.State.UNKNOWN), [row for row, _ in due])
    chosen = Notifications.objects.choices_of([user.pk])
    return [
        Ending(row, stage, expiry.words(row.expires_at, now), row.expires_at <= now, (row, stage) in unknown)
        for row, stage in due
        if (row, stage) not in dismissed
        and (chosen.of(user.pk, row.account_id).shows(stage) or (row, stage) in unknown)
    ]


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
