"""The periodic pass: claim what is due, in batches, then hand over the mails, one after the other."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DurationField, F, Value
from django.db.models.functions import Coalesce

from profiles.models import ReminderStage, User
from tokens import emails, notifying
from tokens.courier import Courier, Outcome, ServerAway
from tokens.models import DelegatedToken, Digest, ManagementKey, Reminder, stages, unused
from tokens.models.stages import Running
from tokens.notifying import Notice

LOOKED_AT = 500  # tokens, and as many keys, to find the people of one batch
PEOPLE = 10  # in one batch: their rows are locked for well under a second
LOOK_AGAIN = timedelta(days=1)  # at what is paused or pending: others decide when it runs
PATIENCE = timedelta(minutes=3)  # for the mails of one pass; the rest goes with the next
SETTLED = {
    Outcome.TAKEN: Digest.State.HANDED_OVER,
    Outcome.REFUSED: Digest.State.FAILED,
    Outcome.UNKNOWN: Digest.State.UNKNOWN,
}


@dataclass(slots=True)
class Done:
    """What one pass did."""

    reminders: int = 0
    skipped: int = 0
    mails_sent: int = 0
    mails_failed: int = 0
    mails_unknown: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{field.name.replace('_', ' ')}: {getattr(self, field.name)}" for field in fields(self))


def send_due(now: datetime) -> Done:
    """Remind of everything that is due, each stage of each token once, however many do this at once."""
    done = Done()
    claim_due(done, now)
    done.mails_unknown += Digest.objects.give_up_lost(now)
    _hand_over(done, now)
    return done


def claim_due(done: Done, now: datetime) -> None:
    """Claim what is due, and show it in the portal; the mails are made, and wait."""
    while _claim_batch(done, now):
        pass


def _claim_batch(done: Done, now: datetime) -> bool:
    """Claim all that is due of some people; return False when there is nobody left whom no other worker has."""
    with transaction.atomic():
        # People are locked, not tokens: who got half of somebody's tokens would send a second mail.
        people = User.objects.filter(pk__in=_owners(now)).select_for_update(skip_locked=True, of=("self",), no_key=True)
        found = {person.pk: person for person in people[:PEOPLE]}
        if not found:
            return False
        due = DelegatedToken.objects.to_look_at(now).filter(owner__in=found)
        tokens = list(due.select_related("account", "toolkit").order_by("expires_at"))
        keys = list(ManagementKey.objects.to_look_at(now).filter(owner__in=found).select_related("account"))
        for each in (*tokens, *keys):
            each.owner = found[each.owner_id]
        _remind_of(tokens, keys, done, now)
    return bool(tokens or keys)


def _owners(now: datetime) -> set[int]:
    """Return people of whose tokens or keys something may be due, those that wait longest."""
    tokens, keys = DelegatedToken.objects.to_look_at(now), ManagementKey.objects.to_look_at(now)
    return {
        owner
        for due in (tokens, keys)
        for owner in due.order_by("next_look_at").values_list("owner", flat=True)[:LOOKED_AT]
    }


def _remind_of(tokens: Sequence[DelegatedToken], keys: Sequence[ManagementKey], done: Done, now: datetime) -> None:
    pauses = unused.pause_moments(token for token in tokens if token.expires_at > now)
    told, keys_told = _told(tokens), _keys_told(keys)
    notices = [
        *_of_the_end(tokens, told, now), *_of_pausing(tokens, told, pauses, now), *_of_the_end(keys, keys_told, now)
    ]  # fmt: skip
    overtaken = [*_overtaken(tokens, told, now), *_overtaken(keys, keys_told, now)]
    if notices:
        notifying.tell_all(notices, now=now)
    if overtaken:
        Reminder.objects.bulk_create(overtaken, batch_size=notifying.ROWS, ignore_conflicts=True)
    _look_again(DelegatedToken, tokens, pauses, now)
    _look_again(ManagementKey, keys, {}, now)
    done.reminders += len(notices)
    done.skipped += len(overtaken)


def _told(tokens: Iterable[DelegatedToken]) -> set[tuple[int, str]]:
    """Return the (token, stage) that are told already; what was said of a pause is over when the token was used."""
    ids = [token.pk for token in tokens]
    last_used = {token.pk: token.last_used_at for token in tokens if token.last_used_at}
    rows = Reminder.objects.filter(token__in=ids).values_list("pk", "token_id", "stage", "claimed_at")
    stale = [
        pk
        for pk, token_id, stage, claimed_at in rows
        if stage == ReminderStage.UNUSED and token_id and claimed_at < last_used.get(token_id, claimed_at)
    ]
    if stale:
        Reminder.objects.filter(pk__in=stale).delete()
    return {(token_id, stage) for pk, token_id, stage, _ in rows if token_id and pk not in stale}


def _keys_told(keys: Sequence[ManagementKey]) -> set[tuple[int, str]]:
    if not keys:
        return set()
    rows = Reminder.objects.filter(key__in=[key.pk for key in keys]).values_list("key_id", "stage")
    return {(key_id, stage) for key_id, stage in rows if key_id}


def _of_the_end(tokens: Iterable[Running], told: set[tuple[int, str]], now: datetime) -> list[Notice]:
    latest = [(token, due[-1]) for token in tokens if (due := stages.due(token, now))]
    return [
        notifying.notice(token, stage, token.expires_at) for token, stage in latest if (token.pk, stage) not in told
    ]


def _of_pausing(
    tokens: Iterable[DelegatedToken], told: set[tuple[int, str]], pauses: dict[int, datetime], now: datetime
) -> list[Notice]:
    """Return what is said 48 hours before the pause; where that is late, the pause waits."""
    stage = ReminderStage.UNUSED
    return [
        notifying.notice(token, stage, max(pauses[token.pk], now + unused.NOTICE))
        for token in tokens
        if token.pk in pauses and pauses[token.pk] - unused.NOTICE <= now and (token.pk, stage) not in told
        and pauses[token.pk] < token.expires_at
    ]  # fmt: skip


def _overtaken(tokens: Iterable[Running], told: set[tuple[int, str]], now: datetime) -> list[Reminder]:
    """Return rows for the stages that passed while nobody looked: the latest says it all."""
    rows = [
        notifying.notice(token, stage, token.expires_at).reminder
        for token in tokens
        for stage in stages.due(token, now)[:-1]
        if (token.pk, stage) not in told
    ]
    for row in rows:
        row.claimed_at, row.state = now, Reminder.State.SKIPPED
    return rows


def _look_again(
    model: type[DelegatedToken] | type[ManagementKey], tokens: Sequence[Running], pauses: dict[int, datetime],
    now: datetime,
) -> None:  # fmt: skip
    """Note when each is to be looked at next; those that are as far from their end then, in one statement."""
    groups: dict[timedelta | None, list[int]] = {}
    for token in tokens:
        look = _next_look(token, pauses.get(token.pk), now)
        groups.setdefault(token.expires_at - look if look else None, []).append(token.pk)
    for before, pks in groups.items():
        moment = F("expires_at") - Value(before, DurationField()) if before is not None else None
        model.objects.filter(pk__in=pks).update(next_look_at=moment)


def _next_look(token: Running, pause: datetime | None, now: datetime) -> datetime | None:
    if not stages.may_matter(token) or token.expires_at <= now:
        return None
    looks = [stages.next_moment(token, now)]
    is_paused = isinstance(token, DelegatedToken) and token.paused_at
    if is_paused or token.stage == token.Stage.PENDING:
        looks.append(now + LOOK_AGAIN)
    elif pause:
        before = pause - unused.NOTICE
        looks.append(before if before > now else now + LOOK_AGAIN)
    return min((look for look in looks if look), default=None)


def _hand_over(done: Done, now: datetime) -> None:
    until = time.monotonic() + PATIENCE.total_seconds()
    with Courier() as courier:
        while time.monotonic() < until and (digest := Digest.objects.take(now)):
            if not _hand_over_one(courier, digest, done, now):
                return


def _hand_over_one(courier: Courier, digest: Digest, done: Done, now: datetime) -> bool:
    """Hand the mail over and mark it; return False where the server is away, so that nobody waits for it in vain."""
    reminders = _still_right(digest, done, now)
    if not reminders:
        digest.settle(Digest.State.SKIPPED, now=now)
        return True
    try:
        outcome = courier.hand_over(emails.reminders(digest, reminders, now))
    except ServerAway:
        done.mails_failed += 1
        digest.settle(Digest.State.FAILED, now=now)
        return False
    done.mails_sent += outcome is Outcome.TAKEN
    done.mails_failed += outcome is Outcome.REFUSED
    done.mails_unknown += outcome is Outcome.UNKNOWN
    digest.settle(SETTLED[outcome], now=now)
    return True


def _still_right(digest: Digest, done: Done, now: datetime) -> list[Reminder]:
    """Return what still holds now; mark the rest, as what was revoked, replaced or overtaken since, skipped."""
    rows = digest.reminders.exclude(state=Reminder.State.SKIPPED).select_related(
        "token__toolkit", "token__owner", "key__account", "key__owner"
    )
    right: list[Reminder] = []
    wrong: list[Reminder] = []
    for reminder in rows.order_by(Coalesce("token__expires_at", "key__expires_at")):
        (right if _holds(reminder, now) else wrong).append(reminder)
    if wrong:
        done.skipped += digest.reminders.filter(pk__in=[each.pk for each in wrong]).update(state=Reminder.State.SKIPPED)
    return right


def _holds(reminder: Reminder, now: datetime) -> bool:
    token = reminder.subject
    if isinstance(token, DelegatedToken) and reminder.stage == ReminderStage.UNUSED:
        is_running = token.stage == token.Stage.CURRENT and not token.paused_at and token.expires_at > now
        return is_running and not (token.last_used_at and token.last_used_at > reminder.claimed_at)
    return reminder.stage in stages.due(token, now)[-1:]
