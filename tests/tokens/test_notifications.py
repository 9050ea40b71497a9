"""What a person is told, and how: for everywhere and for one account, by mail, above the pages, to webhooks."""

import json
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Notifications
from tests import cast
from tests.tokens.conftest import browser_of
from tokens import notifying, reminding, tasks
from tokens.models import DelegatedToken, Webhook, WebhookDelivery

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def own(alice):
    """Alice's own account, with a toolkit."""
    return cast.make_toolkit(alice.personal_account, "own", cast.make_server("own"), allowed=["echo"]).account


def ending(person, toolkit, name="n8n", before=2 * HOUR):
    now = timezone.now()
    return cast.make_token(person, toolkit, name, life=8 * DAY, now=now + before - 8 * DAY).token


def choose(browser, account, **fields):
    return browser.post(f"/settings/notifications/{account.pk}/", fields)


def test_one_account_is_chosen_for_and_the_others_are_as_everywhere(as_alice, alice, acme, own, work):
    ending(alice, work, "at acme")
    ending(alice, own.toolkits.get(alias="own"), "at home")
    assert choose(as_alice, acme, mail_stages=["24h"]).url == "/settings/notifications/"  # by mail: no
    reminding.send_due(timezone.now())
    assert len(mail.outbox) == 1
    assert "at home" in mail.outbox[0].body
    assert "at acme" not in mail.outbox[0].body
    assert Event.objects.get(action=Action.NOTIFICATIONS_CHANGED).account_id == acme.pk


def test_what_is_shown_above_the_pages_is_chosen_too(as_alice, alice, acme, own, work):
    ending(alice, work, "at acme")
    ending(alice, own.toolkits.get(alias="own"), "at home")
    assert "<strong>at acme</strong>" in as_alice.get("/guide/").content.decode()
    choose(as_alice, acme, sends_mail="on", portal_stages=["expired"])
    page = as_alice.get("/guide/").content.decode()
    assert tuple(f"<strong>{name}</strong>" in page for name in ("at acme", "at home")) == (False, True)


def test_an_account_follows_what_holds_everywhere_again(as_alice, alice, acme):
    assert "Chosen on its own" not in as_alice.get("/settings/notifications/").content.decode()
    choose(as_alice, acme, sends_mail="on", mail_stages=["1h"])
    assert "Chosen on its own" in as_alice.get("/settings/notifications/").content.decode()
    as_alice.post("/settings/notifications/", {"sends_mail": "on", "mail_stages": ["3d"]})
    assert Notifications.objects.of(alice, acme).mail_stages == ["1h"]
    path = f"/settings/notifications/{acme.pk}/follow/"
    assert as_alice.get(path).status_code == 405
    as_alice.post(path)
    assert Notifications.objects.of(alice, acme).mail_stages == ["3d"]
    as_alice.post(path)
    assert Event.objects.filter(action=Action.NOTIFICATIONS_CHANGED).count() == 3


def test_the_same_choice_as_everywhere_is_kept_for_the_account(as_alice, alice, acme):
    chosen = Notifications.objects.of(alice)
    choose(as_alice, acme, sends_mail="on", mail_stages=chosen.mail_stages, portal_stages=["3d", "24h"])
    assert Notifications.objects.of(alice, acme).pk
    assert choose(as_alice, acme, mail_stages=["2d"]).status_code == 422


def test_an_account_of_others_is_not_there(as_charlie, acme):
    for path in (f"/settings/notifications/{acme.pk}/", f"/settings/notifications/{acme.pk}/follow/"):
        assert as_charlie.post(path, {"sends_mail": "on"}).status_code == 404


def test_choices_of_many_people_cost_one_query(alice, bob, acme, django_assert_num_queries):
    Notifications.objects.create(user=alice, account=acme, sends_mail=False)
    with django_assert_num_queries(1):
        chosen = Notifications.objects.choices_of([alice.pk, bob.pk])
        assert not chosen.of(alice.pk, acme.pk).mails("24h")
        assert chosen.of(alice.pk, uuid.uuid4()).mails("24h")
        assert chosen.of(bob.pk, acme.pk).mails("24h")


def test_a_webhook_is_told_at_the_chosen_times_only(acme, alice, work, as_alice):
    kinds = ["token.expiring", "token.unused"]
    hook, _ = Webhook.objects.add(
        acme,
        url="http://127.0.0.1:9/x",
        description="",
        kinds=kinds,
        stages=["24h"],
        by=cast.OPERATOR,
        now=timezone.now(),
    )
    token = ending(alice, work)
    for stage in notifying.ReminderStage:
        notifying.tell(alice, acme, notifying.notice(token, stage, token.expires_at), now=timezone.now())
    told = [json.loads(delivery.body)["data"]["stage"] for delivery in WebhookDelivery.objects.order_by("pk")]
    assert told == ["24h", "unused"]
    as_alice.post(f"/settings/webhooks/{hook.pk}/edit/", {"url": hook.url, "kinds": kinds, "is_enabled": "on"})
    hook.refresh_from_db()
    assert (hook.stages, hook.wants("token.expiring", "7d")) == ([], True)


def test_the_owner_is_told_by_one_mail_when_unused_tokens_are_paused(alice, bob, work):
    tokens = [ending(person, work, name) for person, name in ((alice, "one"), (alice, "two"), (bob, "three"))]
    DelegatedToken.objects.update(paused_at=timezone.now(), pause_reason="unused")
    Notifications.objects.of(bob).change(sends_mail=True, mail_stages=["7d"], by=cast.OPERATOR, now=timezone.now())
    tasks.mail_paused([token.pk for token in tokens[:2]])
    tasks.mail_paused([tokens[2].pk])
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("2 tokens are paused: nothing used them", [alice.email])
    assert all(text in message.body for text in ("one", "two", f"/tokens/{tokens[0].public_id}/"))
    tokens[0].resume(by=cast.OPERATOR, now=timezone.now())
    tasks.mail_paused([token.pk for token in tokens[:2]])
    assert mail.outbox[1].subject == "The token “two” is paused: nothing used it"


def test_the_choice_has_a_page_for_the_account(acme, alice):
    page = browser_of(alice, acme).get(f"/settings/notifications/{acme.pk}/").content.decode()
    assert "What you are told of your tokens in this account" in page
    assert "As everywhere again" not in page
