"""What of a token's use its owner would not expect, as pages show it: with what can be done about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from activity.models import Finding, Rule
from activity.trail import events_in, exposed
from activity.unexpected import telling
from profiles.events import Action, Event
from profiles.models import Account, User
from tokens.models import DelegatedToken

SHOWN = 5
READ = 20  # some of these were acted on meanwhile
SINCE = timedelta(days=7)
WORDS = {
    Action.TOKEN_REUSED: _("Was used after it had ended."),
    Action.TOKEN_IN_URL: _("Was sent in a URL, which logs and proxies keep: treat it as leaked."),
    Action.TOKEN_LEAK_REPORTED: _("Was reported as leaked."),
    Action.CODE_REUSED: _("Had its authorization code used twice."),
    Action.REFRESH_REUSED: _("Had its refresh token used twice."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing to look at: what it is about, what happened, when, from where, and where its evidence is."""

    name: str
    text: str
    at: datetime
    address: str
    path: str
    rule: str = ""
    others: int = 0
    finding: Finding | None = None
    public_id: str = ""
    may_replace: bool = False
    may_revoke: bool = False


def open_findings(account: Account, user: User, *, sees_all: bool, now: datetime) -> list[Shown]:
    """Return the newest that the person may see (Act.SEE_ACTIVITY): what was found, and what the hub wrote at once."""
    unanswered = Finding.objects.of_account(account, user, sees_all=sees_all).unanswered().recent(now).newest_first()
    found = shown(unanswered[:READ], user, now)
    recent = events_in(account, user).within(at__gte=now - SINCE)
    events = recent.where(Q(action__in=list(WORDS))).page(SHOWN).rows
    both = [*found, *_of_events(_without_found(events, account, now), user, now)]
    return sorted(both, key=lambda each: each.at, reverse=True)[:SHOWN]


def _without_found(events: list[Event], account: Account, now: datetime) -> list[Event]:
    """Leave out what the hub wrote down at once, and a rule found with its evidence, and somebody may have answered."""
    if not any(event.action == Action.TOKEN_REUSED for event in events):
        return events
    ended = Finding.objects.filter(account_id=account.pk, rule=Rule.ENDED).recent(now)
    public_ids = list(ended.newest_first().values_list("token_public_id", flat=True)[:READ])
    return [
        event
        for event in events
        if event.action != Action.TOKEN_REUSED or not any(each in event.subject_label for each in public_ids)
    ]


def findings_of(token: DelegatedToken, user: User, *, now: datetime) -> list[Shown]:
    """Return what is open of a token and its other generations."""
    return shown(Finding.objects.unanswered().filter(family=token.family).newest_first()[:READ], user, now)


def shown(findings: Iterable[Finding], user: User, now: datetime) -> list[Shown]:
    """Return them with what can be done; those whose token was replaced or revoked since are done with."""
    findings = list(findings)
    if not findings:
        return []
    acts, living = telling.acts_on(findings), _living(findings, now)
    return [_of_finding(each, user, living.get(each.family, [])) for each in findings if each.pk not in acts]


def _living(findings: list[Finding], now: datetime) -> dict[UUID, list[DelegatedToken]]:
    tokens = DelegatedToken.objects.filter(family__in={each.family for each in findings}).living(now)
    found: dict[UUID, list[DelegatedToken]] = {}
    for token in tokens:
        found.setdefault(token.family, []).append(token)
    return found


def _of_finding(finding: Finding, user: User, living: list[DelegatedToken]) -> Shown:
    may_replace = any(_may_replace(token, user) for token in living)
    return Shown(
        finding.token_name, "".join(sign["said"] for sign in finding.signs[:1]), finding.last_at, finding.address,
        f"/tokens/{finding.token_public_id}/activity/", finding.get_rule_display(), finding.others, finding,
        finding.token_public_id, may_replace, bool(living),
    )  # fmt: skip


def _may_replace(token: DelegatedToken, user: User) -> bool:
    return token.owner_id == user.pk and not token.exchanges and token.stage == token.Stage.CURRENT


def _of_events(events: list[Event], user: User, now: datetime) -> list[Shown]:
    """Return them as shown; of a token that was sent in a URL and has ended since, there is nothing left to do."""
    in_urls = exposed(events, user, now)
    return [
        _of_event(event, in_urls.get(event.subject_id), user)
        for event in events
        if event.action != Action.TOKEN_IN_URL or event.subject_id in in_urls
    ]


def _of_event(event: Event, token: DelegatedToken | None, user: User) -> Shown:
    subject = f"{event.subject_kind}:{event.subject_id}"
    path = f"/activity/events/?range=30d&subject={subject}"
    text = str(WORDS[Action(event.action)])
    if event.action != Action.TOKEN_IN_URL or token is None:
        return Shown(event.subject_label, text, event.at, event.address, path)
    return Shown(
        event.subject_label, text, event.at, event.address, path, public_id=token.public_id,
        may_replace=_may_replace(token, user), may_revoke=True,
    )  # fmt: skip
