"""Row 57: one mail per stage and token, whatever crashes or bounces; none of dead tokens; links need a sign-in."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import cast
from tokens import keys, reminding
from tokens.models import DelegatedToken, Digest, Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
MANY, PEOPLE = 10_000, 100
WEEK = timedelta(days=7)


def many_tokens(work, count, people):
    """Make members with as many tokens each, all of which end in 20 hours."""
    now = timezone.now().replace(microsecond=0)
    owners = [cast.make_user(f"P{number}") for number in range(people)]
    rows = []
    for number in range(count):
        key = keys.make(keys.Kind.DELEGATED)
        rows.append(
            DelegatedToken(
                public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=owners[number % people],
                account=work.account, toolkit=work, name=f"service {number}", issued_at=now - WEEK,
                expires_at=now + timedelta(hours=20),
            )
        )  # fmt: skip
    DelegatedToken.objects.bulk_create(rows, batch_size=1000)


def short_of_half_a_day(alice, work, name="n8n"):
    return cast.make_token(alice, work, name, WEEK, now=timezone.now() - timedelta(days=6.5))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_due_tokens_are_told_of_once_in_a_mail_for_each_person(work):
    many_tokens(work, MANY, PEOPLE)
    with CaptureQueriesContext(connection) as queries:
        done = reminding.send_due(timezone.now())
    assert (done.reminders, done.mails_sent) == (MANY, PEOPLE)
    assert reminding.send_due(timezone.now()).reminders == 0
    assert len(mail.outbox) == len({message.to[0] for message in mail.outbox}) == PEOPLE
    assert Reminder.objects.filter(stage="24h", state="handed_over").count() == MANY
    assert len(queries) < 25 * PEOPLE


def test_dead_tokens_get_none(alice, work):
    issued = [short_of_half_a_day(alice, work, name).token for name in "abc"]
    issued[0].revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    DelegatedToken.objects.filter(pk=issued[1].pk).update(stage="overlapping", retires_at=timezone.now())
    reminding.send_due(timezone.now())
    assert "“c” ends" in mail.outbox[0].subject
    assert [each.token for each in Reminder.objects.filter(stage="24h")] == [issued[2]]


def test_a_crash_between_the_mail_and_its_mark_sends_no_second(alice, work):
    short_of_half_a_day(alice, work)
    now = timezone.now()
    reminding.claim_due(reminding.Done(), now)
    assert Digest.objects.take(now)  # and nothing is heard of whoever took it
    for minutes in (1, 9, 11, 60):
        reminding.send_due(now + timedelta(minutes=minutes))
    assert mail.outbox == []
    assert Reminder.objects.get(stage="24h").state == "unknown"


def test_every_link_of_the_mail_wants_a_sign_in_and_none_carries_a_secret(alice, work, settings):
    issued = short_of_half_a_day(alice, work)
    reminding.send_due(timezone.now())
    message = mail.outbox[0]
    found = set(re.findall(re.escape(settings.NEXUS_BASE_URL) + r"([^\s\"<]+)", message.body))
    assert len(found) == 2
    for path in found - {f"/tokens/{issued.token.public_id}/replace/"}:
        assert "/accounts/login/" in Client().get(path).url
    assert not re.search(r"nxs_[0-9A-Za-z]{12}_[0-9A-Za-z]", message.message().as_string())
