"""The inactivity rule: a token that nothing uses is paused, and its owner is told 48 hours before.

Policies of the account and of the toolkit and the token itself may each say after how long; the shortest holds.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from celery import current_app
from django.db import transaction
from django.db.models import Max

from profiles.after_commit import after_commit
from profiles.events import Action, Actor, Event
from profiles.models import ReminderStage
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.delegated import DelegatedToken
from tokens.models.policies import Policy
from tokens.models.reminders import Reminder

NOTICE = timedelta(hours=48)
NEVER_BEFORE = timedelta(days=7)  # of a token's life
REASON = DelegatedToken.Reason.UNUSED
BATCH = 500


def pause_moments(tokens: Iterable[DelegatedToken]) -> dict[int, datetime]:
    """Return when each of the running tokens is to be paused if nothing uses it; those that never are, are left out."""
    running = [token for token in tokens if _can_be_paused(token)]
    spans = _spans(running)
    resumed = _resumed([token for token in running if token.pk in spans])
    return {
        token.pk: max(_since(token, resumed) + spans[token.pk], token.issued_at + NEVER_BEFORE)
        for token in running
        if token.pk in spans
    }


def pause_unused(now: datetime) -> int:
    """Pause the tokens whose owners were told 48 hours ago, and that nothing has used since; return how many."""
    paused, after = 0, 0
    while told := _told(now, after):
        after = told[-1][0].pk
        paused += _pause(told, now)
    return paused


def _told(now: datetime, after: int) -> list[tuple[Reminder, DelegatedToken]]:
    told = Reminder.objects.filter(pk__gt=after, stage=ReminderStage.UNUSED, claimed_at__lte=now - NOTICE)
    running = told.filter(token__stage=DelegatedToken.Stage.CURRENT, token__paused_at=None, token__expires_at__gt=now)
    rows = running.select_related("token__account", "token__toolkit").order_by("pk")[:BATCH]
    return [(reminder, reminder.token) for reminder in rows if reminder.token]


def _pause(told: list[tuple[Reminder, DelegatedToken]], now: datetime) -> int:
    """Pause those of which it still holds; a call that comes meanwhile wins."""
    moments = pause_moments(token for _, token in told)
    by, paused = Actor.system("sweep"), []
    with transaction.atomic():
        for reminder, token in told:
            if (
                moments.get(token.pk, now + NOTICE) > now
                or (token.last_used_at or token.issued_at) > reminder.claimed_at
            ):
                continue
            running = DelegatedToken.objects.filter(pk=token.pk, paused_at=None, last_used_at=token.last_used_at)
            if running.exclude(stage=DelegatedToken.Stage.ENDED).update(paused_at=now, pause_reason=REASON):
                paused.append(token)
        if paused:
            Event.record_all(
                Event.unwritten(Action.TOKEN_PAUSED, by=by, now=now, account=token.account, subject=token,
                                reason=REASON.written, after={"unused_since": _last_sign(token).isoformat()})
                for token in paused
            )  # fmt: skip
            Authority.objects.advance(AuthorityChange.Scope.TOKEN, [token.pk for token in paused])
            _tell_owners(paused)
    return len(paused)


def _tell_owners(paused: list[DelegatedToken]) -> None:
    of_owner: dict[int, list[int]] = defaultdict(list)
    for token in paused:
        of_owner[token.owner_id].append(token.pk)
    for tokens in of_owner.values():
        after_commit(current_app.send_task, "tokens.tasks.mail_paused", args=[tokens])


def _can_be_paused(token: DelegatedToken) -> bool:
    return token.stage == token.Stage.CURRENT and not (token.paused_at or token.revoked_at or token.exchanges)


def _spans(tokens: list[DelegatedToken]) -> dict[int, timedelta]:
    accounts = {token.account_id for token in tokens}
    policies = list(Policy.objects.filter(account__in=accounts).exclude(pause_unused_days=None)) if accounts else []
    spans = {}
    for token in tokens:
        own = [token.pause_unused_after] if token.pause_unused_after else []
        of_policies = [
            timedelta(days=policy.pause_unused_days or 0)
            for policy in policies
            if policy.account_id == token.account_id and policy.toolkit_id in (None, token.toolkit_id)
        ]
        if own or of_policies:
            spans[token.pk] = min([*own, *of_policies])
    return spans


def _resumed(tokens: list[DelegatedToken]) -> dict[str, datetime]:
    """Return when tokens were last resumed, by the text of their id."""
    if not tokens:
        return {}
    ids = [str(token.pk) for token in tokens]
    events = Event.objects.filter(subject_kind="delegatedtoken", subject_id__in=ids, action=Action.TOKEN_RESUMED)
    return dict(events.order_by().values_list("subject_id").annotate(Max("at")))


def _last_sign(token: DelegatedToken) -> datetime:
    return token.last_used_at or token.activated_at or token.issued_at


def _since(token: DelegatedToken, resumed: dict[str, datetime]) -> datetime:
    return max([_last_sign(token), *([resumed[str(token.pk)]] if str(token.pk) in resumed else [])])
