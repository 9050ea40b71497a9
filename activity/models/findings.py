"""What is known of how each token is used, and what of it nobody expected.

Tokens are named by their public ids and families, without foreign keys: embedded, they lie in another database.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import models, router, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from activity.models.uses import TokenUse
from activity.unexpected import sentences
from profiles.events import Action, Actor, Event
from profiles.models import Account, User
from profiles.permissions import Act
from tokens.models import DelegatedToken

MOST_EVIDENCE = 20  # values that one finding names
VALUE_LENGTH = 150
LOOKED_BACK = timedelta(days=1)  # a token that nothing used for longer has nothing new
SHOWN_FOR = timedelta(days=7)
OPEN = "open"  # of a finding: nobody has answered it


def database() -> str:
    return router.db_for_write(Finding) or "default"


class Rule(models.TextChoices):
    """What can be unexpected; docs/unexpected-use.md has the numbers."""

    NETWORK = "network", _("New network")
    CLIENT = "client", _("New client")
    BURST = "burst", _("More calls than ever")
    REFUSALS = "refusals", _("Refused again and again")
    SHARED = "shared", _("Used by two at once")
    ENDED = "ended", _("Used after its end")


class WatchQuerySet(models.QuerySet["Watch"]):
    def due(self, now: datetime) -> models.QuerySet[TokenUse]:
        """Return the tokens that made calls since they were looked at, those that wait longest first."""
        mine = self.filter(token_public_id=OuterRef("token_public_id"))
        is_known = Exists(mine.filter(calls=OuterRef("accepted") + OuterRef("refused")))
        recent = TokenUse.objects.filter(~is_known, last_at__gte=now - LOOKED_BACK)
        return recent.annotate(seen_to=Subquery(mine.values("seen_to"))).order_by(
            F("seen_to").asc(nulls_first=True), "token_public_id"
        )

    def begun(self, families: Iterable[uuid.UUID]) -> dict[uuid.UUID, datetime]:
        """Return since when each family is watched."""
        rows = self.filter(family__in=families).values_list("family")
        return dict(rows.annotate(first=models.Min("began_at")))


class Watch(models.Model):
    """How far the use of a token has been looked at: the number of its calls then, and the newest of them."""

    token_public_id = models.CharField(max_length=12, primary_key=True)
    family = models.UUIDField(null=True, db_index=True, help_text="None for what is no delegated token.")
    began_at = models.DateTimeField()
    seen_to = models.DateTimeField(db_index=True)
    calls = models.BigIntegerField()

    objects = WatchQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.token_public_id} up to {self.seen_to:%Y-%m-%d %H:%M}"


class HabitQuerySet(models.QuerySet["Habit"]):
    def learn(self, family: uuid.UUID, rule: str, values: Iterable[str], now: datetime) -> None:
        self.bulk_create(
            [Habit(family=family, rule=rule, value=value, first_at=now, last_at=now) for value in values],
            ignore_conflicts=True,
        )


class Habit(models.Model):
    """Something that the generations of a token are expected to do: learned in the first day, or by an answer."""

    family = models.UUIDField()
    rule = models.CharField(max_length=10, choices=Rule.choices)
    value = models.CharField(max_length=VALUE_LENGTH)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)

    objects: ClassVar = HabitQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["family", "rule", "value"], name="habit_once")]

    def __str__(self) -> str:
        return f"{self.rule} {self.value}"


class FindingQuerySet(models.QuerySet["Finding"]):
    def unanswered(self) -> Self:
        return self.filter(answer="")

    def in_state(self, state: str) -> Self:
        return self.filter(answer="" if state == OPEN else state)

    def recent(self, now: datetime) -> Self:
        return self.filter(last_at__gte=now - SHOWN_FOR)

    def of_account(self, account: Account, user: User, *, sees_all: bool) -> Self:
        """Return what the person may see of the account: all, or what concerns their own tokens."""
        found = self.filter(account_id=account.pk)
        return found if sees_all else found.filter(owner_id=user.pk)

    def visible_to(self, user: User) -> Self:
        """Return findings of tokens that the person may see; those of an account that they have left are not."""
        # Ids, not a subquery: embedded, accounts lie in another database file.
        everything = list(Account.objects.where(user, Act.SEE_ACTIVITY).values_list("pk", flat=True))
        accounts = list(Account.objects.of(user).values_list("pk", flat=True))
        return self.filter(Q(account_id__in=everything) | Q(account_id__in=accounts, owner_id=user.pk))

    def newest_first(self) -> Self:
        return self.order_by("-last_at", "-id")

    def with_tokens(self) -> "list[Finding]":
        """Return these with the token of each: embedded, tokens lie in another database file."""
        rows = list(self)
        tokens = DelegatedToken.objects.filter(public_id__in={row.token_public_id for row in rows})
        by_id = {token.public_id: token for token in tokens.select_related("owner", "account")}
        for row in rows:
            row.token = by_id.get(row.token_public_id)
        return rows


class Finding(models.Model):
    """Unexpected use of a token by one rule, with its evidence; more of it is added while nobody has answered."""

    class Answer(models.TextChoices):
        FINE = "fine", _("Fine for this token")
        REPLACED = "replaced", _("Replaced")
        REVOKED = "revoked", _("Revoked")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.CharField(max_length=10, choices=Rule.choices)
    account_id = models.UUIDField()
    owner_id = models.BigIntegerField()
    toolkit_id = models.UUIDField()
    family = models.UUIDField()
    token_public_id = models.CharField(max_length=12)
    token_name = models.CharField(max_length=80)
    evidence = models.JSONField(default=list, help_text="Signs: value, what is said of it, address, when.")
    more = models.PositiveIntegerField(default=0, help_text="How many further values there were.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    found_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=200, blank=True)

    objects: ClassVar = FindingQuerySet.as_manager()
    token: DelegatedToken | None  # only after with_tokens()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["token_public_id", "rule"], condition=Q(answer=""), name="finding_open_once"
            ),
            models.CheckConstraint(
                condition=Q(answer="", answered_at=None) | (~Q(answer="") & Q(answered_at__isnull=False)),
                name="finding_answered_at_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "-last_at"], condition=Q(answer=""), name="finding_of_account"),
            models.Index(fields=["family", "-last_at"], name="finding_of_family"),
            models.Index(fields=["found_at"], condition=Q(answer="", told_at=None), name="finding_to_tell"),
            models.Index(fields=["last_at"], name="finding_last_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()}: {self.token_name}"

    @property
    def state(self) -> str:
        return self.answer or OPEN

    @property
    def address(self) -> str:
        return next((sign["address"] for sign in self.evidence if sign["address"]), "")

    @property
    def said(self) -> str:
        """Return in one sentence what happened, by its first evidence."""
        return str(self.evidence[0]["said"]) if self.evidence else ""

    @property
    def signs(self) -> list[dict[str, Any]]:
        """Return its evidence, told in the language of the page."""
        return [{**sign, "said": sentences.told(sign)} for sign in self.evidence]

    @property
    def others(self) -> int:
        """Return how many values there are beside the first."""
        return max(len(self.evidence) - 1, 0) + self.more

    @property
    def values(self) -> list[str]:
        return [str(sign["value"]) for sign in self.evidence]

    def names(self, value: str) -> bool:
        """Return whether it is of this value too; of a finding with too many to name, every one is."""
        return bool(self.more) or value in self.values

    def add(self, signs: Iterable[dict[str, Any]]) -> None:
        """Take more of the same in, without saving; what does not fit is counted."""
        new = [sign for sign in signs if sign["value"] not in self.values]
        room = MOST_EVIDENCE - len(self.evidence)
        self.evidence, self.more = [*self.evidence, *new[:room]], self.more + len(new[room:])

    def accept(self, token: DelegatedToken, *, by: Actor, now: datetime) -> bool:
        """Learn that this is how the token is used; return False if it was answered already."""
        answered = {"answer": self.Answer.FINE, "answered_at": now, "answered_by": by.label[:200]}
        # Embedded, the event lies in another file: it is committed last, so that none tells of what did not happen.
        with transaction.atomic(), transaction.atomic(using=database()):
            if not Finding.objects.unanswered().filter(pk=self.pk).update(**answered):
                return False
            Habit.objects.learn(self.family, self.rule, self.values, now)
            Event.record(
                Action.TOKEN_USE_ACCEPTED, by=by, now=now, account=token.account, subject=token,
                after={"rule": self.rule, "values": self.values},
            )  # fmt: skip
        return True
