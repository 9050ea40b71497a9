import base64
import hashlib
import hmac
import json
import re
import threading
import time
from datetime import timedelta
from html import unescape

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from profiles import encryption
from profiles.events import Action, Event
from profiles.models import Authorization, Grant, ReminderStage
from tests import cast
from tests.receivers import SAMPLE, running_receiver
from tokens import notifying, tasks, webhooks
from tokens.models import Webhook, WebhookDelivery
from tokens.models.webhooks import KEPT, MOST, RETRIES
from tokens.signals import notices_given

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
ALL = Webhook.Kind.values
State = WebhookDelivery.State


@pytest.fixture
def receiver():
    with running_receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """The tasks that were handed to the queue."""
    found = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: found.append((name, options)))
    return found


def add(account, url, kinds=ALL, **fields):
    return Webhook.objects.add(
        account, url=url, description=fields.pop("description", ""), kinds=list(kinds), by=cast.OPERATOR,
        now=timezone.now(), **fields,
    )  # fmt: skip


@pytest.fixture
def hook(acme, receiver):
    return add(acme, receiver.url)[0]


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


def revoke(token, now=None):
    token.revoke(by=cast.OPERATOR, reason="leaked", now=now or timezone.now())


def send(now=None):
    return webhooks.send_due(clock=(lambda: now) if now else timezone.now)


def text(answer):
    return answer.content.decode()


def wanted_signature(secret, headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


FORM = {"description": "Operations", "kinds": ["token.expiring", "token.revoked"]}


# What is told


def test_a_revocation_is_posted_signed_and_says_what_happened(acme, alice, work, receiver):
    _, secret = add(acme, receiver.url)
    issued = cast.make_token(alice, work)
    revoke(issued.token)
    assert send() == 1
    (headers, body), message = receiver.received[0], json.loads(receiver.received[0][1])
    assert headers["webhook-signature"] == wanted_signature(secret, headers, body)
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert message["type"] == "token.revoked"
    assert message["data"]["token"]["id"] == issued.token.public_id
    assert message["data"]["token"]["revoke_reason"] == "leaked"
    assert message["data"]["toolkit"]["alias"] == "work"
    assert message["data"]["links"]["token"].endswith(f"/tokens/{issued.token.public_id}/")
    assert issued.key.text[17:] not in body.decode()
    assert issued.token.digest not in body.decode()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.status) == (State.DELIVERED, 1, 204)
    assert send() == 0


def test_the_message_is_written_in_the_transaction_of_the_act(hook, token):
    with pytest.raises(RuntimeError), transaction.atomic():
        revoke(token)
        assert WebhookDelivery.objects.count() == 1
        raise RuntimeError("undone")
    assert not WebhookDelivery.objects.exists()


def test_a_webhook_hears_of_the_chosen_kinds_of_its_own_account_only(acme, hook, charlie, token):
    add(charlie.personal_account, "http://127.0.0.1:9/hook")
    hook.change(kinds=["token.expired"], by=cast.OPERATOR, now=timezone.now())
    revoke(token)
    assert not WebhookDelivery.objects.exists()


def test_a_webhook_that_is_off_hears_nothing(hook, token):
    hook.change(is_enabled=False, by=cast.OPERATOR, now=timezone.now())
    revoke(token)
    assert not WebhookDelivery.objects.exists()


def send_notice(token, stage):
    now = timezone.now()
    given = notifying.notice(token, stage, token.expires_at)
    notices_given.send(None, notices=[given], now=now)


def test_a_reminder_is_told_once_for_each_stage(hook, token):
    for stage in (ReminderStage.WEEK, ReminderStage.DAY, ReminderStage.DAY):
        send_notice(token, stage)
    told = [json.loads(delivery.body)["data"]["stage"] for delivery in WebhookDelivery.objects.order_by("id")]
    assert sorted(told) == ["24h", "7d"]


def test_what_is_an_event_and_a_notice_is_told_once(hook, token):
    now = timezone.now()
    for _ in range(2):
        send_notice(token, ReminderStage.EXPIRED)
    Event.record(Action.TOKEN_EXPIRED, by=cast.OPERATOR, now=now, account=token.account, subject=token)
    assert WebhookDelivery.objects.count() == 1


def test_what_happens_twice_is_told_twice(hook, token):
    for minute in (0, 0, 1):
        at = token.issued_at + timedelta(minutes=minute)
        Event.record(Action.TOKEN_REUSED, by=cast.OPERATOR, now=at, account=token.account, subject=token)
    assert WebhookDelivery.objects.count() == 2


def test_the_sweep_tells_that_a_token_has_expired(hook, alice, work):
    cast.make_token(alice, work, now=timezone.now() - timedelta(days=8))
    tasks.sweep_tokens()
    assert WebhookDelivery.objects.get().kind == "token.expired"


def test_an_authorization_that_died_is_told_without_its_reason(hook, acme, alice, work):
    server = work.servers.get()
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    now = timezone.now()
    dead = Authorization.objects.connect(server, acme, alice, Grant("s3cret"), by=cast.OPERATOR, now=now)
    dead.die("it said s3cret", by=cast.OPERATOR, now=now)
    data = json.loads(WebhookDelivery.objects.get().body)["data"]
    assert data["server"]["slug"] == "echo"
    assert "s3cret" not in str(data)


def test_an_event_costs_one_query_where_nobody_listens(token, django_assert_num_queries):
    with django_assert_num_queries(2):
        Event.record(Action.TOKEN_EXPIRED, by=cast.OPERATOR, now=timezone.now(), account=token.account, subject=token)


# Attempts


@pytest.mark.parametrize("status", [300, 307, 400, 404, 429, 500, 503])
def test_what_is_not_taken_is_tried_again_on_the_schedule_and_then_given_up(hook, token, receiver, status):
    receiver.statuses = [status]
    now = timezone.now()
    revoke(token, now)
    for number, wait in enumerate(RETRIES, 1):
        assert send(now) == 1
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.attempts, delivery.status) == (State.WAITING, number, status)
        assert delivery.next_try_at == now + wait
        assert send(now + wait - timedelta(seconds=1)) == 0
        now += wait
    assert send(now) == 1
    assert WebhookDelivery.objects.get().state == State.GIVEN_UP
    assert send(now + timedelta(days=30)) == 0
    assert len(set(receiver.ids)) == 1
    assert len(receiver.ids) == 10
    hook.refresh_from_db()
    assert hook.state == Webhook.State.FAILING
    assert not receiver.statuses[1:]


def test_a_success_after_failures_makes_it_healthy(hook, token, receiver):
    receiver.statuses = [500, 204]
    now = timezone.now()
    revoke(token, now)
    send(now)
    send(now + timedelta(seconds=5))
    hook.refresh_from_db()
    assert (hook.state, WebhookDelivery.objects.get().state) == (Webhook.State.ON, State.DELIVERED)


def test_after_five_days_of_failures_it_is_switched_off_with_an_event_and_mail(
    hook, alice, bob, work, receiver, sent, django_capture_on_commit_callbacks
):
    receiver.statuses = [500]
    now = timezone.now()
    revoke(cast.make_token(alice, work, "first").token, now)
    send(now)
    later = now + timedelta(days=5)
    revoke(cast.make_token(alice, work, "second").token, later)
    with django_capture_on_commit_callbacks(execute=True):
        send(later)
    hook.refresh_from_db()
    assert hook.state == Webhook.State.OFF
    assert not WebhookDelivery.objects.filter(state=State.WAITING).exists()
    event = Event.objects.filter(action=Action.WEBHOOK_CHANGED).get()
    assert "5 days" in event.reason
    assert ("tokens.tasks.mail_webhook_off", {"args": [str(hook.pk)]}) in sent
    tasks.mail_webhook_off(str(hook.pk))
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    assert hook.url in mail.outbox[0].body


def test_a_receiver_that_is_gone_is_switched_off_at_once(hook, token, receiver):
    receiver.statuses = [410]
    revoke(token)
    send()
    hook.refresh_from_db()
    assert hook.state == Webhook.State.OFF


def test_a_redirect_is_not_followed(hook, token, receiver):
    with running_receiver() as other:
        receiver.statuses, receiver.more = [307], {"Location": other.url}
        revoke(token)
        send()
        assert other.received == []
    assert "sends elsewhere" in WebhookDelivery.objects.get().error


def test_an_answer_is_read_to_a_bound_and_shown_inertly(hook, token, receiver, as_alice):
    receiver.answer = b"<script>alert(1)</script>\x00\x1b[31m" + "\u202e".encode() + b"x" * 3_000_000
    revoke(token)
    send()
    delivery = WebhookDelivery.objects.get()
    assert delivery.state == State.DELIVERED
    assert len(delivery.response) < 2100
    page = text(as_alice.get(f"/settings/webhooks/{hook.pk}/deliveries/{delivery.pk}/"))
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_one_that_hangs_delays_no_other(acme, alice, work, receiver, monkeypatch):
    monkeypatch.setattr("profiles.upstream.fetch.TIMEOUT", 1.5)
    with running_receiver(hangs=True) as stuck:
        add(acme, stuck.url)
        add(acme, receiver.url)
        tokens = [cast.make_token(alice, work, f"service {number}").token for number in range(3)]
        for token in tokens:
            revoke(token)
        begun, arrived = time.monotonic(), []
        monkeypatch.setattr(WebhookDelivery, "settle", noting(arrived, WebhookDelivery.settle, begun), raising=True)
        send()
    healthy = [after for url, after in arrived if url == receiver.url]
    assert len(receiver.received) == 3
    assert len(healthy) == 3
    assert max(healthy) < 1.4  # before the hanging one was given up
    assert len(stuck.received) == 1  # one at a time, and after a failure not again in this run


def noting(arrived, settle, begun):
    def noted(delivery, outcome, *, now):
        arrived.append((delivery.webhook.url, time.monotonic() - begun))
        settle(delivery, outcome, now=now)

    return noted


def test_a_worker_that_died_in_the_middle_keeps_its_message_for_a_minute(hook, token, receiver):
    now = timezone.now()
    revoke(token, now)
    assert hook.claim(now=now)
    assert WebhookDelivery.objects.get().claim(now=now)
    assert send(now + timedelta(seconds=59)) == 0
    assert send(now + timedelta(seconds=61)) == 1
    assert WebhookDelivery.objects.get().state == State.DELIVERED


def test_a_message_is_claimed_once(hook, token):
    revoke(token)
    first, second = WebhookDelivery.objects.get(), WebhookDelivery.objects.get()
    now = timezone.now()
    assert (first.claim(now=now), second.claim(now=now)) == (True, False)


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_five_workers_at_once_send_each_message_once(hook, alice, work, receiver, monkeypatch):
    for number in range(5):
        revoke(cast.make_token(alice, work, f"service {number}").token)
    monkeypatch.setattr(webhooks, "_running", AlwaysFree())  # as if each were a process of its own
    started = threading.Barrier(5)

    def work_on():
        try:
            started.wait()
            send()
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work_on) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    send()
    assert len(receiver.ids) == len(set(receiver.ids)) == 5


class AlwaysFree:
    def acquire(self, blocking):
        return True

    def release(self):
        pass


def test_old_messages_are_forgotten_and_waiting_ones_kept(hook, alice, work):
    long_ago = timezone.now() - KEPT - timedelta(minutes=1)
    for name in ("sent", "waiting"):
        revoke(cast.make_token(alice, work, name).token, long_ago)
    first = WebhookDelivery.objects.first()
    WebhookDelivery.objects.filter(pk=first.pk).update(state=State.DELIVERED)
    assert tasks.forget_old_deliveries() == "webhook messages forgotten: 1"
    assert WebhookDelivery.objects.get().state == State.WAITING


# Secrets


def test_the_secret_is_encrypted_at_rest_and_bound_to_its_row(hook, acme):
    stored = Webhook.objects.values("encrypted_secret").get()["encrypted_secret"]
    assert hook.secret.startswith("whsec_")
    assert len(base64.b64decode(hook.secret[6:])) == 32
    assert hook.secret[6:] not in stored
    other = add(acme, "http://127.0.0.1:9/other")[0]
    other.encrypted_secret = stored
    with pytest.raises(encryption.Unreadable):
        _ = other.secret


def test_webhook_secrets_are_rewritten_with_a_newer_key(hook, settings):
    secret = hook.secret
    settings.NEXUS_FIELD_KEYS = ["a-newer-key-of-fifty-characters", *settings.NEXUS_FIELD_KEYS]
    encryption.rewrite_with_newest_key()
    settings.NEXUS_FIELD_KEYS = settings.NEXUS_FIELD_KEYS[:1]
    assert Webhook.objects.get().secret == secret


def test_a_secret_that_no_key_opens_is_a_failure_that_says_so(hook, token, settings):
    revoke(token)
    settings.NEXUS_FIELD_KEYS = ["another-key"]
    assert send() == 1
    assert "cannot be read" in WebhookDelivery.objects.get().error


def test_while_a_secret_is_replaced_both_sign(hook, alice, work, receiver):
    old, now = hook.secret, timezone.now()
    new = hook.replace_secret(overlap=timedelta(hours=1), by=cast.OPERATOR, now=now)
    revoke(cast.make_token(alice, work, "first").token, now)
    send(now)
    revoke(cast.make_token(alice, work, "second").token, now)
    send(now + timedelta(hours=1))
    (headers, body), (later, later_body) = receiver.received
    both = [wanted_signature(secret, headers, body) for secret in (new, old)]
    assert headers["webhook-signature"] == " ".join(both)
    assert later["webhook-signature"] == wanted_signature(new, later, later_body)


def test_a_secret_replaced_at_once_signs_nothing_more(hook, token, receiver):
    new = hook.replace_secret(overlap=timedelta(0), by=cast.OPERATOR, now=timezone.now())
    revoke(token)
    send()
    headers, body = receiver.received[0]
    assert headers["webhook-signature"] == wanted_signature(new, headers, body)


# Pages


def test_a_webhook_is_made_and_its_secret_shown_once(as_alice, acme, receiver):
    answer = as_alice.post("/settings/webhooks/new/", {**FORM, "url": receiver.url})
    hook = Webhook.objects.get()
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert hook.secret in text(answer).replace("&#x27;", "'")
    assert hook.account == acme
    for path in ("", f"{hook.pk}/", f"{hook.pk}/edit/", f"{hook.pk}/secret/"):
        assert hook.secret[6:30] not in text(as_alice.get(f"/settings/webhooks/{path}"))
    event = Event.objects.get(action=Action.WEBHOOK_ADDED)
    assert hook.secret[6:30] not in str(vars(event))


def test_making_one_or_its_secret_asks_who_one_is(stale_alice, hook, receiver):
    secret = hook.secret
    for path, data in (("new/", {**FORM, "url": receiver.url + "/2"}), (f"{hook.pk}/secret/", {"overlap": "24"})):
        answer = stale_alice.post(f"/settings/webhooks/{path}", data)
        assert answer.status_code == 303
        assert answer["Location"].startswith("/accounts/confirm/?next=")
    assert Webhook.objects.get().secret == secret
    stale_alice.post("/accounts/confirm/", {"password": cast.PASSWORD})
    page = text(stale_alice.get("/settings/webhooks/new/"))
    assert receiver.url + "/2" in page
    assert "Press once more" in page
    assert page.count(" checked") == 2


def test_replacing_shows_the_new_secret_once_and_writes_the_event(as_alice, hook):
    answer = as_alice.post(f"/settings/webhooks/{hook.pk}/secret/", {"overlap": "24"})
    hook.refresh_from_db()
    assert re.search(r"whsec_[A-Za-z0-9+/]{43}=", text(answer))[0] == hook.secret
    assert "the secret before it signs too" in text(answer)
    assert Event.objects.get(action=Action.WEBHOOK_CHANGED).reason == "secret replaced"
    assert as_alice.post(f"/settings/webhooks/{hook.pk}/secret/", {"overlap": "9999"}).status_code == 422


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kinds", [], "at least one"),
        ("kinds", ["token.x"], "token.x"),
        ("description", "a\r\nBcc: x", "plain characters"),
        ("url", "", "required"),
        ("url", "http://example.com/hook", "begin with https"),
        ("url", "https://127.0.0.1:9/#a", "Leave out"),
        ("url", "https://" + "a" * 600, "500"),
    ],
    ids=["no kinds", "unknown kind", "line break", "no address", "plain http", "fragment", "long"],
)
def test_bad_input_is_told_and_makes_nothing(as_alice, receiver, field, value, said):
    answer = as_alice.post("/settings/webhooks/new/", {**FORM, "url": receiver.url, field: value})
    assert answer.status_code == 422
    assert said in text(answer)
    assert not Webhook.objects.exists()


def test_one_address_has_one_webhook_and_an_account_a_bounded_number(as_alice, hook, acme):
    again = as_alice.post("/settings/webhooks/new/", {**FORM, "url": hook.url})
    assert again.status_code == 422
    assert "already" in text(again)
    for number in range(MOST - 1):
        add(acme, f"http://127.0.0.1:9/{number}")
    over = as_alice.post("/settings/webhooks/new/", {**FORM, "url": "http://127.0.0.1:9/over"})
    assert over.status_code == 422
    assert f"at most {MOST}" in text(over)


def test_an_edit_is_saved_with_its_event_and_switching_on_forgives(as_alice, hook):
    hook.switch_off("Nothing could be delivered for 5 days.", now=timezone.now())
    assert "Nothing could be delivered" in text(as_alice.get(f"/settings/webhooks/{hook.pk}/"))
    data = {"url": hook.url, "description": "Ops", "kinds": ["token.reused"], "is_enabled": "on"}
    assert as_alice.post(f"/settings/webhooks/{hook.pk}/edit/", data).status_code == 302
    hook.refresh_from_db()
    assert (hook.kinds, hook.description, hook.state) == (["token.reused"], "Ops", Webhook.State.ON)
    assert hook.switched_off_because == ""
    event = Event.objects.filter(action=Action.WEBHOOK_CHANGED, actor_kind="user").get()
    assert event.after["is_enabled"] is True
    as_alice.post(f"/settings/webhooks/{hook.pk}/edit/", data)
    assert Event.objects.filter(action=Action.WEBHOOK_CHANGED, actor_kind="user").count() == 1


def test_removing_ends_it_with_an_event(as_alice, hook, token):
    revoke(token)
    assert "Remove the webhook" in text(as_alice.get(f"/settings/webhooks/{hook.pk}/remove/"))
    as_alice.post(f"/settings/webhooks/{hook.pk}/remove/")
    assert not Webhook.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert Event.objects.get(action=Action.WEBHOOK_REMOVED).before == {"url": hook.url}


def test_a_test_is_sent_and_its_request_and_answer_shown(as_alice, hook, receiver):
    receiver.answer, receiver.statuses = b"thanks", [200]
    answer = as_alice.post(f"/settings/webhooks/{hook.pk}/test/")
    assert answer.status_code == 302
    send()
    page = text(as_alice.get(answer["Location"]))
    assert "thanks" in page
    assert "HTTP 200" in page
    assert json.loads(receiver.received[0][1])["type"] == "webhook.test"
    assert receiver.ids[0] in page


def test_a_replay_goes_out_under_the_same_id(as_alice, hook, token, receiver):
    revoke(token)
    send()
    delivery = WebhookDelivery.objects.get()
    path = f"/settings/webhooks/{hook.pk}/deliveries/{delivery.pk}/replay/"
    assert as_alice.get(path).status_code == 405
    as_alice.post(path)
    send()
    assert receiver.ids == [str(delivery.pk)] * 2
    assert receiver.received[0][1] == receiver.received[1][1]


def test_tests_and_replays_are_bounded_and_a_webhook_that_is_off_sends_none(as_alice, hook):
    for _ in range(31):
        as_alice.post(f"/settings/webhooks/{hook.pk}/test/")
    assert WebhookDelivery.objects.count() == 30
    hook.switch_off("test", now=timezone.now())
    delivery = WebhookDelivery.objects.first()
    as_alice.post(f"/settings/webhooks/{hook.pk}/test/")
    as_alice.post(f"/settings/webhooks/{hook.pk}/deliveries/{delivery.pk}/replay/")
    assert not WebhookDelivery.objects.filter(state=State.WAITING).exists()


def test_the_log_is_in_pages_and_costs_the_same_for_many(as_alice, hook, django_assert_max_num_queries):
    now = timezone.now()
    rows = [WebhookDelivery.of(hook, "webhook.test", f"test:{number}", {}, now) for number in range(120)]
    WebhookDelivery.objects.bulk_create(rows)
    with django_assert_max_num_queries(10):
        first = text(as_alice.get(f"/settings/webhooks/{hook.pk}/"))
    older = re.search(r'href="(\?before=[^"]+)"', first)[1]
    second = text(as_alice.get(f"/settings/webhooks/{hook.pk}/{older}"))
    links = [set(re.findall(r"deliveries/([0-9a-f-]{36})/", page)) for page in (first, second)]
    assert [len(found) for found in links] == [50, 50]
    assert not links[0] & links[1]
    assert as_alice.get(f"/settings/webhooks/{hook.pk}/?before=x").status_code == 200


PATHS = ["", "edit/", "secret/", "remove/", "test/", "deliveries/{0}/", "deliveries/{0}/replay/"]


@pytest.mark.parametrize("path", PATHS)
def test_only_who_manages_the_account_gets_anywhere(as_bob, as_charlie, hook, token, path):
    revoke(token)
    address = f"/settings/webhooks/{hook.pk}/{path.format(WebhookDelivery.objects.get().pk)}"
    for browser in (as_bob, as_charlie):
        assert browser.get(address).status_code in (404, 405)
        assert browser.post(address, {"overlap": "0"}).status_code in (404, 405)
    assert Webhook.objects.get().encrypted_secret == hook.encrypted_secret
    assert as_bob.get("/settings/webhooks/").status_code == 404
    assert as_bob.post("/settings/webhooks/new/", {**FORM, "url": "http://127.0.0.1:9/"}).status_code == 404


def test_a_message_of_another_webhook_is_not_there(as_alice, hook, acme, token):
    revoke(token)
    other = add(acme, "http://127.0.0.1:9/other")[0]
    delivery = hook.deliveries.get()
    assert as_alice.get(f"/settings/webhooks/{other.pk}/deliveries/{delivery.pk}/").status_code == 404


def test_the_guide_shows_the_receiver_as_it_is_tested(as_alice):
    assert SAMPLE.read_text().strip() in unescape(text(as_alice.get("/guide/webhooks/")))


def test_an_act_has_a_worker_look_at_once_and_a_sweep_waits_for_the_schedule(
    hook, alice, work, token, sent, django_capture_on_commit_callbacks
):
    cast.make_token(alice, work, "over", now=timezone.now() - timedelta(days=8))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep_tokens()
    assert sent == []
    with django_capture_on_commit_callbacks(execute=True):
        revoke(token)
    assert ("tokens.tasks.send_webhooks", {}) in sent


def test_the_command_sends_what_is_due(hook, token, receiver, capsys):
    revoke(token)
    call_command("send_webhooks")
    assert capsys.readouterr().out == "1 message sent or tried.\n"
    assert len(receiver.received) == 1
