"""Telling owners about their tokens and keys. Every channel joins here: portal and mail below, others by a signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction

from profiles.events import Action, Actor, Event
from profiles.models import Account, Notifications, ReminderStage, User
from tokens.models import DelegatedToken, Digest, ManagementKey, Reminder
from tokens.models.stages import Running
from tokens.signals import notices_given

ROWS = 1000  # in one INSERT


class NoticeKind(models.TextChoices):
    EXPIRING = "token.expiring", "ends soon"
    EXPIRED = "token.expired", "has expired"
    UNUSED = "token.unused", "will be paused, because unused"


@dataclass(frozen=True, slots=True)
class Notice:
    """What an owner is told of a token or management key, once for each stage."""

    kind: NoticeKind
    token: Running
    stage: ReminderStage
    moment: datetime  # when it ends, ended, or will be paused

    @property
    def reminder(self) -> Reminder:
        """Return the row that says it was told, not stored yet."""
        about = {"key": self.token} if isinstance(self.token, ManagementKey) else {"token": self.token}
        return Reminder(**about, stage=self.stage)


def notice(token: Running, stage: ReminderStage, moment: datetime) -> Notice:
    kinds = {ReminderStage.EXPIRED: NoticeKind.EXPIRED, ReminderStage.UNUSED: NoticeKind.UNUSED}
    return Notice(kinds.get(stage, NoticeKind.EXPIRING), token, stage, moment)


def tell(owner: User, account: Account, notice: Notice, *, now: datetime) -> None:
    """Tell the owner in the portal and, if they want it, by mail."""
    assert (owner.pk, account.pk) == (notice.token.owner_id, notice.token.account_id)
    tell_all([notice], now=now)


def tell_all(notices: Sequence[Notice], *, now: datetime) -> int:
    """Claim what is to be told, with one mail for each person, in one transaction; return how many mails that makes.

    Needs the tokens' owner, account and toolkit. Webhooks hear of tokens alone.
    """
    with transaction.atomic():
        digests = _digests(notices, now)
        mailed = Reminder.State.CLAIMED
        rows = [each.reminder for each in notices]
        for row, digest in zip(rows, map(digests.get, map(id, notices)), strict=True):
            row.claimed_at, row.digest, row.state = now, digest, mailed if digest else Reminder.State.SHOWN
        Reminder.objects.bulk_create(rows, batch_size=ROWS, ignore_conflicts=True)
        by = Actor.system("reminders")
        Event.objects.bulk_create(
            (
                Event.unwritten(Action.TOKEN_REMINDED, by=by, now=now, account=each.token.account, subject=each.token,
                                after={"stage": each.stage.value, "by_mail": id(each) in digests})
                for each in notices
            ),
            batch_size=ROWS,
        )  # fmt: skip
        notices_given.send(Notice, notices=notices, now=now)
    return len({digest.pk for digest in digests.values()})


def _digests(notices: Sequence[Notice], now: datetime) -> dict[int, Digest]:
    """Return the mail that each notice goes into, by the notice's id(); of those that the owner wants mailed."""
    owners = {each.token.owner_id for each in notices}
    chosen = Notifications.objects.choices_of(owners)
    mailed = [
        each
        for each in notices
        if _can_get_mail(each.token.owner) and chosen.of(each.token.owner_id, each.token.account_id).mails(each.stage)
    ]
    people = {each.token.owner_id: each.token.owner for each in mailed}
    rows = {pk: Digest(owner=person, made_at=now, next_try_at=now) for pk, person in people.items()}
    Digest.objects.bulk_create(rows.values(), batch_size=ROWS)
    return {id(each): rows[each.token.owner_id] for each in mailed}


def _can_get_mail(person: User) -> bool:
    return person.is_active and not person.is_machine and bool(person.email)


def is_mailed(token: DelegatedToken) -> bool:
    """Return True if the owner wants mail about what happens to this token when nothing uses it."""
    chosen = Notifications.objects.choices_of([token.owner_id]).of(token.owner_id, token.account_id)
    return _can_get_mail(token.owner) and chosen.mails(ReminderStage.UNUSED)
