"""Looks at tokens that were used since the last look: set by set, in bounded work, as often as anybody likes.

What was found once is found by its value, so looking twice at the same calls finds nothing more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from activity.models import Finding, Habit, HourRollup, Rule, TokenUse, Watch
from activity.models.findings import LOOKED_BACK, database
from activity.unexpected import telling
from activity.unexpected.histories import HOUR, OVERLAP, History, Use, read
from activity.unexpected.rules import BURST_AT_LEAST, BURST_DAYS, NEVER_QUIET, RULES, Sign
from tokens.models import DelegatedToken

TOKENS_AT_ONCE = 200
BATCHES = 20  # at most, in one run; what is left waits for the next, and comes first
QUIET = timedelta(days=1)  # of a token's life, and of our knowing it
MOST_HABITS = 200  # values of one rule: of a token that changes so much, one more says nothing
FRESH = timedelta(hours=12)  # how old what is noted of a habit's last time may be


@dataclass(frozen=True, slots=True)
class Looked:
    tokens: int
    findings: int
    told: int

    def __str__(self) -> str:
        return f"tokens looked at: {self.tokens}, unexpected: {self.findings}, notices: {self.told}"


def look(now: datetime) -> Looked:
    """Apply the rules to all that was used since the last time, and tell the owners."""
    tokens = findings = 0
    for _ in range(BATCHES):
        due = list(Watch.objects.due(now)[:TOKENS_AT_ONCE])
        if not due:
            break
        tokens, findings = tokens + len(due), findings + Batch.of(due, now).judge()
    telling.settle(now)
    return Looked(tokens, findings, telling.tell(now))


@dataclass
class Batch:
    """Some tokens, what is known of their families, and what is found."""

    due: Sequence[TokenUse]
    now: datetime
    tokens: dict[str, DelegatedToken]
    begun: dict[UUID, datetime]
    habits: dict[tuple[UUID, str], dict[str, Habit]]
    findings: dict[tuple[str, str], list[Finding]]
    learned: list[Habit] = field(default_factory=list)
    kept_up: list[Habit] = field(default_factory=list)
    changed: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, due: Sequence[TokenUse], now: datetime) -> "Batch":
        ids = [use.token_public_id for use in due]
        tokens = {token.public_id: token for token in DelegatedToken.objects.filter(public_id__in=ids)}
        families = {token.family for token in tokens.values()}
        return cls(due, now, tokens, Watch.objects.begun(families), _habits(families), _findings(ids))

    def judge(self) -> int:
        """Find and store; return how many findings are new or have grown."""
        calls = {use.token_public_id: self._read(use) for use in self.due if use.token_public_id in self.tokens}
        hours = self._hours(calls)
        for use in self.due:
            if token := self.tokens.get(use.token_public_id):
                history = self._history(token, use, calls[token.public_id], hours.get(token.family, {}))
                self._judge(token, history)
        self._store()
        return sum(finding.told_at is None for finding in self.changed)

    def _read(self, use: TokenUse) -> list[Use]:
        seen_to: datetime | None = use.seen_to  # type: ignore[attr-defined]  # annotated by Watch.objects.due
        return read(use.token_public_id, seen_to - OVERLAP if seen_to else self.now - LOOKED_BACK)

    def _hours(self, calls: dict[str, list[Use]]) -> dict[UUID, dict[datetime, int]]:
        """Return, of families that were busy within the hour, their calls by hour."""
        busy = {
            self.tokens[public_id].family
            for public_id, uses in calls.items()
            if len(uses) >= BURST_AT_LEAST and uses[-BURST_AT_LEAST].at > uses[-1].at - HOUR
        }
        family_of = dict(DelegatedToken.objects.filter(family__in=busy).values_list("public_id", "family"))
        since = HourRollup.floor(self.now) - timedelta(days=BURST_DAYS)
        rows = HourRollup.objects.filter(token_public_id__in=family_of, at__gte=since).order_by()
        found: dict[UUID, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
        for public_id, at, number in rows.values_list("token_public_id", "at").annotate(number=Sum("calls")):
            found[family_of[public_id]][at] += number
        return found

    def _history(self, token: DelegatedToken, use: TokenUse, calls: list[Use], hours: dict[datetime, int]) -> History:
        ended_at = min(token.revoked_at or token.ends_at, token.ends_at)
        return History(
            calls,
            {rule: frozenset(self.habits.get((token.family, rule), ())) for rule in Rule},
            hours,
            ended_at if ended_at <= self.now else None,
            use.last_accepted_at,
        )

    def _judge(self, token: DelegatedToken, history: History) -> None:
        is_quiet = self.now < max(token.issued_at, self.begun.get(token.family, self.now)) + QUIET
        for rule, see in RULES.items():
            habits = self.habits.setdefault((token.family, rule), {})
            unexpected = []
            for sign in see(history):
                if sign.value in habits:
                    self._keep_up(habits[sign.value], sign)
                elif len(habits) >= MOST_HABITS:
                    continue
                elif is_quiet and rule not in NEVER_QUIET:
                    habits[sign.value] = self._learn(token, rule, sign)
                else:
                    unexpected.append(sign)
            if unexpected:
                self._find(token, rule, unexpected)

    def _learn(self, token: DelegatedToken, rule: Rule, sign: Sign) -> Habit:
        habit = Habit(family=token.family, rule=rule, value=sign.value, first_at=sign.first_at, last_at=sign.last_at)
        self.learned.append(habit)
        return habit

    def _keep_up(self, habit: Habit, sign: Sign) -> None:
        if habit.pk and sign.last_at > habit.last_at + FRESH:
            habit.last_at = sign.last_at
            self.kept_up.append(habit)

    def _find(self, token: DelegatedToken, rule: Rule, signs: list[Sign]) -> None:
        """Add the signs to the open finding, or open one; those that an earlier finding names are no news."""
        findings = self.findings.setdefault((token.public_id, rule), [])
        finding = next((each for each in findings if not each.answer), None)
        if finding and any(finding.names(sign.value) and sign.last_at > finding.last_at for sign in signs):
            finding.last_at = max(sign.last_at for sign in signs)
            self.changed.append(finding)
        news = [sign for sign in signs if not any(each.names(sign.value) for each in findings)]
        if not news:
            return
        if finding is None:
            finding = self._opened(token, rule, news)
            findings.append(finding)
        finding.add(sign.as_evidence() for sign in news)
        finding.last_at, finding.told_at = max(finding.last_at, *(sign.last_at for sign in news)), None
        if finding not in self.changed:
            self.changed.append(finding)

    def _opened(self, token: DelegatedToken, rule: Rule, signs: list[Sign]) -> Finding:
        return Finding(
            rule=rule, account_id=token.account_id, owner_id=token.owner_id, toolkit_id=token.toolkit_id,
            family=token.family, token_public_id=token.public_id, token_name=token.name, found_at=self.now,
            first_at=min(sign.first_at for sign in signs), last_at=max(sign.last_at for sign in signs),
        )  # fmt: skip

    def _store(self) -> None:
        watches = [self._watch(use) for use in self.due]
        new = [finding for finding in self.changed if finding._state.adding]
        grown = [finding for finding in self.changed if not finding._state.adding]
        with transaction.atomic(using=database()):
            Habit.objects.bulk_create(self.learned, ignore_conflicts=True)
            Habit.objects.bulk_update(self.kept_up, ["last_at"])
            # Another run that found the same at the same moment was faster: this one's is left out.
            Finding.objects.bulk_create(new, ignore_conflicts=True)
            Finding.objects.bulk_update(grown, ["evidence", "more", "last_at", "told_at"])
            Watch.objects.bulk_create(
                watches, update_conflicts=True, unique_fields=["token_public_id"], update_fields=["seen_to", "calls"]
            )

    def _watch(self, use: TokenUse) -> Watch:
        token = self.tokens.get(use.token_public_id)
        return Watch(
            token_public_id=use.token_public_id, family=token.family if token else None, began_at=self.now,
            seen_to=use.last_at, calls=use.accepted + use.refused,
        )  # fmt: skip


def _habits(families: Iterable[UUID]) -> dict[tuple[UUID, str], dict[str, Habit]]:
    found: dict[tuple[UUID, str], dict[str, Habit]] = defaultdict(dict)
    for habit in Habit.objects.filter(family__in=families):
        found[habit.family, habit.rule][habit.value] = habit
    return found


def _findings(public_ids: Iterable[str]) -> dict[tuple[str, str], list[Finding]]:
    found: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in Finding.objects.filter(token_public_id__in=public_ids):
        found[finding.token_public_id, finding.rule].append(finding)
    return found
