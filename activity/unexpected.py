"""What of a token's use its owner would not expect."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from activity.trail import events_in
from profiles.events import Action, Event
from profiles.models import Account, User

SHOWN = 5
SINCE = timedelta(days=7)
WORDS = {
    Action.TOKEN_REUSED: "was used after it had ended",
    Action.TOKEN_IN_URL: "was sent in a URL",
    Action.TOKEN_LEAK_REPORTED: "was reported as leaked",
    Action.CODE_REUSED: "had its authorization code used twice",
    Action.REFRESH_REUSED: "had its refresh token used twice",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: what it is about, what happened, when, from where, and where its evidence is."""

    name: str
    text: str
    at: datetime
    address: str
    path: str


def open_findings(account: Account, user: User, *, now: datetime) -> list[Finding]:
    """Return the newest findings that the person may see."""
    recent = events_in(account, user).within(at__gte=now - SINCE)
    return [_finding(event) for event in recent.where(Q(action__in=list(WORDS))).page(SHOWN).rows]


def _finding(event: Event) -> Finding:
    subject = f"{event.subject_kind}:{event.subject_id}"
    path = f"/activity/events/?range=30d&subject={subject}"
    return Finding(event.subject_label, WORDS[Action(event.action)], event.at, event.address, path)
