"""What owners of management keys are told: before the end, when it has come, and what became of a key."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Notifications
from tests import cast
from tokens import reminding
from tokens.models import Dismissal, ManagementKey, Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
DAY, HOUR, MONTH = timedelta(days=1), timedelta(hours=1), timedelta(days=30)
ABOVE = 'aria-label="Tokens that end"'
SECOND = timedelta(seconds=1)


def ending_in(span, owner, account, name="Terraform"):
    return cast.make_key(owner, account, name=name, life=MONTH, now=timezone.now() - MONTH + span)[0]


def states() -> dict[str, str]:
    return dict(Reminder.objects.exclude(key=None).values_list("stage", "state"))


def test_a_key_of_a_month_is_told_of_at_every_stage_and_mailed_at_three(alice, acme):
    key = cast.make_key(alice, acme, life=MONTH)[0]
    for stage, before, mails in [
        ("7d", 7 * DAY, 1), ("3d", 3 * DAY, 1), ("24h", DAY, 2), ("1h", HOUR, 2), ("expired", 0 * DAY, 3)
    ]:  # fmt: skip
        reminding.send_due(key.expires_at - before - SECOND)
        assert stage not in states()
        for _ in range(2):
            reminding.send_due(key.expires_at - before + SECOND)
        assert (states()[stage], len(mail.outbox)) == (
            "handed_over" if stage in ("7d", "24h", "expired") else "shown",
            mails,
        )
    assert "The management key “Terraform” ends" in mail.outbox[0].subject
    assert f"/settings/keys/{key.public_id}/replace/" in mail.outbox[0].body
    assert mail.outbox[2].subject == "The management key “Terraform” has expired"
    assert "/settings/keys/new/" in mail.outbox[2].body
    for message in mail.outbox:
        assert (key.masked in message.body, key.digest in message.body, acme.name in message.body) == (
            True,
            False,
            True,
        )
    key.refresh_from_db()
    assert key.next_look_at is None


def test_a_token_and_a_key_that_end_come_in_one_mail(alice, acme, work):
    ending_in(20 * HOUR, alice, acme)
    cast.make_token(alice, work, "n8n", 7 * DAY, now=timezone.now() - 7 * DAY + 21 * HOUR)
    assert reminding.send_due(timezone.now()).mails_sent == 1
    assert mail.outbox[0].subject == "2 tokens and keys need you: “Terraform”, “n8n”"
    html = mail.outbox[0].alternatives[0][0]
    assert "Management key" in html
    assert "/settings/keys/" in html


def test_what_its_owner_need_not_care_for_is_not_told(alice, acme):
    revoked, replaced = ending_in(20 * HOUR, alice, acme, "a"), ending_in(20 * HOUR, alice, acme, "b")
    revoked.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    successor, _ = ManagementKey.objects.replace(replaced, by=cast.OPERATOR, now=timezone.now())
    successor.note_use(address="127.0.0.1", now=timezone.now())
    reminding.send_due(timezone.now())
    assert states() == {}


def test_a_key_that_is_revoked_before_its_mail_goes_is_not_mailed(alice, acme):
    key = ending_in(20 * HOUR, alice, acme)
    reminding.claim_due(reminding.Done(), timezone.now())
    key.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    assert reminding.send_due(timezone.now()).mails_sent == 0
    assert set(states().values()) == {"skipped"}


def test_what_was_chosen_for_tokens_holds_for_keys(as_alice, alice, acme):
    Notifications.objects.create(user=alice, sends_mail=False, portal_stages=[])
    ending_in(20 * HOUR, alice, acme)
    assert reminding.send_due(timezone.now()).mails_sent == 0
    assert ABOVE not in as_alice.get("/tokens/").content.decode()


def test_a_reminder_is_written_down_as_an_event_and_stored_once(alice, acme):
    key = ending_in(20 * HOUR, alice, acme)
    reminding.send_due(timezone.now())
    event = Event.objects.get(action=Action.TOKEN_REMINDED)
    assert (event.subject_kind, event.subject_id, event.after) == (
        "managementkey", str(key.pk), {"stage": "24h", "by_mail": True}
    )  # fmt: skip
    for about in ({"key": key}, {}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Reminder.objects.create(stage="24h", claimed_at=timezone.now(), **about)


def test_a_key_that_ends_stands_above_every_page_until_it_is_dismissed(as_alice, as_bob, alice, acme):
    key = ending_in(20 * HOUR, alice, acme)
    page = as_alice.get("/tokens/").content.decode()
    assert ABOVE in page
    assert f'href="/settings/keys/{key.public_id}/replace/"' in page
    path = f"/settings/keys/{key.public_id}/dismiss/"
    assert as_bob.post(path, {"stage": "24h"}).status_code == 404
    assert as_alice.get(path).status_code == 405
    assert as_alice.post(path, {"stage": "2d"}).url == "/settings/keys/"
    assert not Dismissal.objects.exists()
    assert as_alice.post(path, {"stage": "24h", "next": "//evil.example"}).url == "/settings/keys/"
    assert as_alice.post(path, {"stage": "24h", "next": "/activity/"}).url == "/activity/"
    assert ABOVE not in as_alice.get("/tokens/").content.decode()
    ManagementKey.objects.update(expires_at=timezone.now() - SECOND)
    assert 'href="/settings/keys/new/"' in as_alice.get("/tokens/").content.decode()


def test_its_owner_is_mailed_when_a_key_is_made_replaced_or_ended_by_somebody_else(
    alice, acme, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        key, secret = cast.make_key(alice, acme)
        successor, new = ManagementKey.objects.replace(key, by=cast.OPERATOR, now=timezone.now())
        successor.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    subjects = [message.subject for message in mail.outbox]
    assert subjects == [
        f"A management key of yours was made for “Acme”: {key}",
        f"A management key of yours was replaced in “Acme”: the new one is {successor}",
        f"{cast.OPERATOR.label.capitalize()} has revoked a management key of yours in “Acme”: {successor}",
    ]
    for message in mail.outbox:
        assert message.to == ["alice@example.com"]
        assert "/settings/security/" in message.body
        assert not any(part in message.body for part in (secret[20:40], new.text[20:40]))


def test_who_ends_their_own_key_gets_no_mail(as_alice, alice, acme, django_capture_on_commit_callbacks):
    key = cast.make_key(alice, acme)[0]
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(f"/settings/keys/{key.public_id}/revoke/", {"reason": "unneeded"})
    assert (mail.outbox, key.generations().living(timezone.now()).exists()) == ([], False)
