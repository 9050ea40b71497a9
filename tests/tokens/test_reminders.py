import smtplib
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections
from django.utils import timezone

from tests import cast
from tokens import tasks
from tokens.models import Reminder

pytestmark = pytest.mark.django_db(databases="__all__")
WEEK = timedelta(days=7)


class DownBackend(EmailBackend):
    """A mail server that does not take anything."""

    def send_messages(self, messages):
        raise smtplib.SMTPServerDisconnected("down")


@pytest.fixture
def issued(alice, work):
    """A token of a week, issued so that it ends in 23 hours."""
    alice.time_zone = "Europe/Berlin"
    alice.save()
    return cast.make_token(alice, work, now=timezone.now() - WEEK + timedelta(hours=23))


def test_one_reminder_goes_out_a_day_before_the_end_and_no_second(issued):
    now = timezone.now()
    assert [Reminder.objects.send_due(now=now) for _ in range(3)] == [1, 0, 0]
    assert len(mail.outbox) == 1
    message = mail.outbox[0]
    assert message.to == ["alice@example.com"]
    assert "“n8n”" in message.subject
    assert "Europe/Berlin" in message.body
    assert f"/tokens/{issued.token.public_id}/" in message.body
    assert Reminder.objects.get().state == Reminder.State.HANDED_OVER


def test_no_mail_carries_a_secret(issued):
    Reminder.objects.send_due(now=timezone.now())
    issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    tasks.mail_revoked(issued.token.pk, "operator")
    assert len(mail.outbox) == 2
    for message in mail.outbox:
        whole = message.message().as_string()
        assert not any(issued.key.text[start : start + 20] in whole for start in range(17, 47))


def test_nothing_is_sent_before_the_last_day(alice, work):
    cast.make_token(alice, work, life=WEEK)
    assert Reminder.objects.send_due(now=timezone.now() + timedelta(days=5, hours=23)) == 0
    assert Reminder.objects.send_due(now=timezone.now() + timedelta(days=6, minutes=1)) == 1


def test_a_token_that_lives_a_day_or_less_is_not_reminded_of(alice, work):
    cast.make_token(alice, work, "day", timedelta(days=1))
    cast.make_token(alice, work, "hour", timedelta(hours=1))
    assert Reminder.objects.send_due(now=timezone.now()) == 0


def test_neither_a_revoked_nor_an_expired_token_is_reminded_of(issued, alice, work):
    issued.token.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    cast.make_token(alice, work, "over", now=timezone.now() - WEEK - timedelta(minutes=1))
    assert Reminder.objects.send_due(now=timezone.now()) == 0


def test_what_the_mail_server_refused_is_sent_when_it_is_back(issued, settings):
    settings.EMAIL_BACKEND = "tests.tokens.test_reminders.DownBackend"
    assert Reminder.objects.send_due(now=timezone.now()) == 0
    assert Reminder.objects.get().state == Reminder.State.FAILED
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert Reminder.objects.send_due(now=timezone.now()) == 1
    assert Reminder.objects.send_due(now=timezone.now()) == 0
    assert len(mail.outbox) == 1


def test_a_reminder_of_which_it_is_not_known_whether_it_went_out_is_not_sent_again(issued):
    Reminder.objects.claim(issued.token, Reminder.Stage.DAY, now=timezone.now())
    assert Reminder.objects.send_due(now=timezone.now()) == 0


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_several_workers_at_once_send_one_reminder(issued):
    started, now = threading.Barrier(5), timezone.now()

    def work():
        try:
            started.wait()
            Reminder.objects.send_due(now=now)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(mail.outbox) == 1


def test_the_owner_is_told_who_revoked_a_token_and_why(issued):
    issued.token.revoke(by=cast.OPERATOR, reason="leaked", note="seen in a log", now=timezone.now())
    tasks.mail_revoked(issued.token.pk, "Carol")
    message = mail.outbox[0]
    assert "Carol has revoked" in message.body
    assert "Leaked" in message.body
    assert "seen in a log" in message.body


def test_hostile_names_are_inert(alice, work):
    name = "<img src=x onerror=alert(1)> {{7*7}}"
    token = cast.make_token(alice, work, name, now=timezone.now() - WEEK + timedelta(hours=23)).token
    Reminder.objects.send_due(now=timezone.now())
    html = mail.outbox[0].alternatives[0][0]
    assert "<img" not in html
    assert "49" not in mail.outbox[0].subject
    assert "\n" not in mail.outbox[0].subject
    assert token.name in mail.outbox[0].body
