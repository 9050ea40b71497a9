"""Tells owners of what was found, at most once an hour of each token, and closes what they acted on."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import Max

from activity.models import Finding, Rule
from activity.models.findings import database
from profiles.events import Action, Actor, ActorKind, Event
from tokens.models import DelegatedToken

TOLD_EVERY = timedelta(hours=1)  # of one token
AT_ONCE = 1_000  # findings


def settle(now: datetime) -> int:
    """Close the open findings of tokens that were revoked, or replaced, since."""
    open_ones = list(Finding.objects.unanswered().recent(now).newest_first()[:AT_ONCE])
    acts = acts_on(open_ones)
    for finding in open_ones:
        if answer := acts.get(finding.pk):
            Finding.objects.unanswered().filter(pk=finding.pk).update(answer=answer, answered_at=now)
    return len(acts)


def acts_on(findings: Iterable[Finding]) -> dict[UUID, Finding.Answer]:
    """Return by what each of these was answered, of those whose token was revoked or replaced since."""
    findings = list(findings)
    ids, families = {each.token_public_id for each in findings}, {each.family for each in findings}
    if not findings:
        return {}
    revoked = dict(
        DelegatedToken.objects.filter(public_id__in=ids).exclude(revoked_at=None).values_list("public_id", "revoked_at")
    )
    newest = dict(
        DelegatedToken.objects.filter(family__in=families).order_by().values_list("family").annotate(Max("issued_at"))
    )
    found = {}
    for each in findings:
        if (at := revoked.get(each.token_public_id)) and at > each.found_at:
            found[each.pk] = Finding.Answer.REVOKED
        elif (at := newest.get(each.family)) and at > each.found_at:
            found[each.pk] = Finding.Answer.REPLACED
    return found


def tell(now: datetime) -> int:
    """Tell of what nobody was told of, one notice for each token; the rest waits until the hour is over."""
    waiting = Finding.objects.unanswered().filter(told_at=None).order_by("found_at")[:AT_ONCE]
    by_token = {
        public_id: list(found)
        for public_id, found in groupby(
            sorted(waiting, key=lambda each: each.token_public_id), key=lambda each: each.token_public_id
        )
    }
    tokens = DelegatedToken.objects.filter(public_id__in=by_token).select_related("account")
    told = _told_lately(tokens, now)
    return sum(_tell(token, by_token[token.public_id], now, told.get(str(token.pk), set())) for token in tokens)


def _told_lately(tokens: Iterable[DelegatedToken], now: datetime) -> dict[str, set[str]]:
    """Return of which tokens (by primary key) what was told within the hour."""
    events = Event.objects.filter(
        action__in=[Action.TOKEN_UNEXPECTED, Action.TOKEN_REUSED], subject_kind="delegatedtoken",
        subject_id__in=[str(token.pk) for token in tokens], at__gt=now - TOLD_EVERY,
    )  # fmt: skip
    told: dict[str, set[str]] = {}
    for subject_id, action in events.values_list("subject_id", "action"):
        told.setdefault(subject_id, set()).add(action)
    return told


def _tell(token: DelegatedToken, findings: list[Finding], now: datetime, told: set[str]) -> bool:
    """Write the event, from which webhooks and the mail come; return whether it was written."""
    if Action.TOKEN_REUSED in told:  # the hub told of its use after the end, at once
        _claim([each for each in findings if each.rule == Rule.ENDED], now)
    if told:
        return False
    address = next((each.address for each in findings if each.address), "")
    by = Actor(ActorKind.SYSTEM, label="unexpected use", address=address)
    with transaction.atomic(using=database()), transaction.atomic():
        if not _claim(findings, now):
            return False
        Event.record(
            Action.TOKEN_UNEXPECTED, by=by, now=now, account=token.account, subject=token,
            reason=" ".join(each.said for each in findings)[:500],
            after={"rules": [each.rule for each in findings]},
        )  # fmt: skip
        transaction.on_commit(
            lambda: current_app.send_task("tokens.tasks.mail_unexpected", args=[token.pk]), robust=True
        )
    return True


def _claim(findings: list[Finding], now: datetime) -> int:
    ids = [each.pk for each in findings]
    return Finding.objects.unanswered().filter(pk__in=ids, told_at=None).update(told_at=now)
