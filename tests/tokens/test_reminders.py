"""Reminders: what is due when, to whom, once; by a real mail server that refuses, is away, or hangs."""

import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import formats, timezone

from activity.models import Call
from profiles.events import Action, Event
from profiles.models import Notifications
from tests import cast
from tests.live import ROOT, environment, free_port
from tests.mail_server import Postbox, running_mail_server
from tokens import notifying, reminding, tasks
from tokens.models import DelegatedToken, Digest, Reminder
from tokens.models.digests import UNKNOWN_AFTER
from tokens.notifying import notices_given

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
WEEK, MONTH, DAY, HOUR = timedelta(days=7), timedelta(days=30), timedelta(days=1), timedelta(hours=1)
State, Stage = Reminder.State, Reminder.Stage


@pytest.fixture
def issued(alice, work):
    """A token of a week, issued so that it ends in 23 hours."""
    alice.time_zone = "Europe/Berlin"
    alice.save()
    return ending_in(timedelta(hours=23), alice, work)


def ending_in(span, owner, toolkit, name="n8n", life=WEEK):
    return cast.make_token(owner, toolkit, name, life, now=timezone.now() - life + span)


def people_with_tokens(count, toolkit, span=timedelta(hours=23), each=1):
    """Return that many members with due tokens."""
    people = [cast.make_user(f"P{number}") for number in range(count)]
    for person in people:
        toolkit.account.members.create(user=person, role="member")
        for number in range(each):
            ending_in(span, person, toolkit, f"service {number}")
    return people


@pytest.fixture
def by_smtp(settings):
    """Return a function that sends mails to a server at this port."""

    def use(port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5

    return use


def states() -> dict[str, str]:
    return dict(Reminder.objects.values_list("stage", "state"))


def test_one_reminder_goes_out_a_day_before_the_end_and_no_second(issued):
    now = timezone.now()
    assert [reminding.send_due(now).mails_sent for _ in range(3)] == [1, 0, 0]
    message = mail.outbox[0]
    assert message.to == ["alice@example.com"]
    assert "“n8n” ends" in message.subject
    assert "Europe/Berlin" in message.body
    utc = formats.date_format(issued.token.expires_at, "WEEKDAY_DATETIME_FORMAT")
    assert f"{utc} UTC" in message.body
    assert f"{issued.token.expires_at:%H:%M} UTC" in message.alternatives[0].content
    assert f"/tokens/{issued.token.public_id}/replace/" in message.body
    assert states() == {"24h": State.HANDED_OVER, "3d": State.SKIPPED}
    assert Event.objects.filter(action=Action.TOKEN_REMINDED).count() == 1


def test_a_token_of_a_month_is_told_of_at_every_stage_and_mailed_at_three(alice, work):
    start = timezone.now()
    token = cast.make_token(alice, work, life=MONTH, now=start).token
    for stage, before, mails in [
        ("7d", WEEK, 1), ("3d", 3 * DAY, 1), ("24h", DAY, 2), ("1h", HOUR, 2), ("expired", timedelta(0), 3)
    ]:  # fmt: skip
        reminding.send_due(token.expires_at - before - timedelta(seconds=1))
        assert stage not in states()
        reminding.send_due(token.expires_at - before + timedelta(seconds=1))
        assert stage in states()
        assert len(mail.outbox) == mails
    assert [message.subject.split()[3] for message in mail.outbox] == ["ends", "ends", "has"]
    assert (states()["3d"], states()["1h"]) == (State.SHOWN, State.SHOWN)
    token.refresh_from_db()
    assert token.next_look_at is None


@pytest.mark.parametrize(
    ("life", "stages"),
    [
        (timedelta(minutes=1), ["expired"]),
        (HOUR, ["expired"]),
        (DAY, ["1h", "expired"]),
        (3 * DAY, ["24h", "1h", "expired"]),
        (WEEK, ["3d", "24h", "1h", "expired"]),
        (MONTH, ["7d", "3d", "24h", "1h", "expired"]),
    ],
    ids=["a minute", "an hour", "a day", "three days", "a week", "a month"],
)
def test_no_stage_is_as_long_as_the_life(alice, work, life, stages):
    token = cast.make_token(alice, work, life=life).token
    reminding.send_due(timezone.now())
    assert states() == {}
    for before in (3 * WEEK, WEEK, 3 * DAY, DAY, HOUR, timedelta(0)):
        if before < life:
            reminding.send_due(token.expires_at - before + timedelta(seconds=1))
    assert set(states()) == set(stages)
    assert State.SKIPPED not in states().values()


def test_after_days_of_silence_only_the_latest_stage_is_told(alice, work):
    token = cast.make_token(alice, work, life=MONTH).token
    done = reminding.send_due(token.expires_at - HOUR * 2)
    assert (done.reminders, done.skipped, done.mails_sent) == (1, 2, 1)
    assert states() == {"7d": State.SKIPPED, "3d": State.SKIPPED, "24h": State.HANDED_OVER}


def test_a_token_that_ended_long_ago_is_not_spoken_of(alice, work):
    token = cast.make_token(alice, work).token
    assert reminding.send_due(token.expires_at + 3 * DAY).reminders == 0
    assert not DelegatedToken.objects.to_look_at(token.expires_at + 4 * DAY).exists()


def test_a_token_that_the_sweep_has_ended_is_still_told_of(alice, work):
    token = cast.make_token(alice, work).token
    DelegatedToken.objects.all().sweep(token.expires_at)
    assert reminding.send_due(token.expires_at).mails_sent == 1
    assert "has expired" in mail.outbox[0].subject


@pytest.mark.parametrize(
    "changes",
    [
        {"exchanges": 1},
        {"stage": "pending"},
        {"stage": "overlapping"},
        {"stage": "ended", "retires_at": timezone.now()},
        {"stage": "ended"},
        {"stage": "ended", "revoked_at": timezone.now()},
    ],
    ids=["exchanged", "pending", "overlapping", "replaced and over", "ended before its time", "revoked"],
)
def test_nobody_is_reminded_of_a_token_that_is(issued, changes):
    DelegatedToken.objects.update(**changes)
    assert reminding.send_due(timezone.now()).reminders == 0


def test_a_paused_token_is_reminded_of_and_the_mail_says_that_it_is_paused(issued):
    DelegatedToken.objects.update(paused_at=timezone.now())
    assert reminding.send_due(timezone.now()).mails_sent == 1
    assert "It is paused now" in mail.outbox[0].body


def test_a_successor_that_takes_over_is_reminded_of_from_then_on(issued):
    now = timezone.now()
    DelegatedToken.objects.update(stage="pending")
    reminding.send_due(now)
    DelegatedToken.objects.update(stage="current")
    assert reminding.send_due(now + timedelta(hours=22, minutes=30)).reminders == 1
    assert states()["1h"] == State.SHOWN


def test_all_that_is_due_for_a_person_comes_in_one_mail(alice, work):
    for number in range(4):
        ending_in(timedelta(hours=20 + number), alice, work, f"service {number}")
    ending_in(timedelta(minutes=-5), alice, work, "over")
    assert reminding.send_due(timezone.now()).mails_sent == 1
    body = mail.outbox[0].body
    assert mail.outbox[0].subject == "5 tokens need you: “over”, “service 0” and 3 more"
    assert body.index("ENDS SOON") < body.index("service 3") < body.index("HAS EXPIRED") < body.index("over")
    assert Digest.objects.count() == 1


def test_a_mail_names_twenty_tokens_and_says_how_many_more(alice, work):
    for number in range(23):
        ending_in(timedelta(hours=20), alice, work, f"service {number}")
    reminding.send_due(timezone.now())
    assert mail.outbox[0].body.count("Service ") == 20
    assert "And 3 more" in mail.outbox[0].body


def test_the_mail_says_which_client_was_seen_last(issued, alice, work):
    now = timezone.now()
    DelegatedToken.objects.update(last_used_at=now)
    for minutes, client in ((5, "old-client"), (1, "n8n-mcp")):
        Call.objects.create(
            at=now - timedelta(minutes=minutes), account_id=work.account_id, owner_id=alice.pk, owner_email=alice.email,
            toolkit_id=work.pk, toolkit_alias="work", token_public_id=issued.token.public_id, token_name="n8n",
            client_name=client, client_version="2.0", outcome="ok", hub_ms=1, bytes_in=1, bytes_out=1, request_id="1",
        )  # fmt: skip
    reminding.send_due(now)
    assert "by n8n-mcp 2.0" in mail.outbox[0].body
    assert "n8n-mcp 2.0" in mail.outbox[0].alternatives[0][0]


def test_whoever_chose_so_gets_other_stages_by_mail(alice, work):
    token = cast.make_token(alice, work).token
    Notifications.objects.of(alice).change(sends_mail=True, mail_stages=["3d"], by=cast.OPERATOR, now=timezone.now())
    assert reminding.send_due(token.expires_at - 2 * DAY).mails_sent == 1
    assert reminding.send_due(token.expires_at - HOUR * 2).mails_sent == 0
    assert states()["24h"] == State.SHOWN


def test_whoever_turned_mail_off_is_told_in_the_portal_only(issued, alice):
    Notifications.objects.of(alice).change(sends_mail=False, mail_stages=["24h"], by=cast.OPERATOR, now=timezone.now())
    assert reminding.send_due(timezone.now()).mails_sent == 0
    assert states()["24h"] == State.SHOWN
    assert mail.outbox == []


def test_other_channels_hear_of_each_notice_once_in_the_transaction_of_the_claim(issued, alice):
    heard = []

    def hear(notices, now, **kwargs):
        for notice in notices:
            heard.append((notice.token.owner, notice.kind, notice.stage, notice.moment, connection.in_atomic_block))

    notices_given.connect(hear)
    try:
        for _ in range(2):
            reminding.send_due(timezone.now())
    finally:
        notices_given.disconnect(hear)
    expected = notifying.NoticeKind.EXPIRING
    assert heard == [(alice, expected, Stage.DAY, issued.token.expires_at, True)]


def test_a_bouncing_mailbox_delays_nobody_and_is_tried_again_later(work, by_smtp):
    people, now = people_with_tokens(3, work), timezone.now()
    postbox = Postbox()
    postbox.bouncing = {people[0].email}
    with running_mail_server(postbox) as port:
        by_smtp(port)
        done = reminding.send_due(now)
        assert (done.mails_sent, done.mails_failed) == (2, 1)
        assert reminding.send_due(now + timedelta(seconds=30)).mails_failed == 0
        assert reminding.send_due(now + timedelta(minutes=1)).mails_failed == 1
        postbox.bouncing = set()
        assert reminding.send_due(now + timedelta(minutes=2)).mails_sent == 0
        assert reminding.send_due(now + timedelta(minutes=3)).mails_sent == 1
    assert postbox.people == sorted(person.email for person in people)
    failed = Digest.objects.get(owner=people[0])
    assert (failed.attempts, failed.state) == (3, Digest.State.HANDED_OVER)


def test_after_an_hour_without_a_mail_server_all_goes_out_once(work, by_smtp):
    people, now, port = people_with_tokens(3, work), timezone.now(), free_port()
    by_smtp(port)
    for minute in range(60):
        assert reminding.send_due(now + timedelta(minutes=minute)).mails_sent == 0
    assert Reminder.objects.filter(state=State.FAILED).exists()
    postbox = Postbox()
    with running_mail_server(postbox, port):
        sent = sum(reminding.send_due(now + timedelta(minutes=minute)).mails_sent for minute in range(60, 90))
    assert sent == 3
    assert postbox.people == sorted(person.email for person in people)
    assert len({mail["Message-ID"] for mail in postbox.taken}) == 3


def test_while_the_mail_server_is_away_the_portal_tells_and_one_connection_a_pass_is_tried(work, by_smtp):
    people_with_tokens(5, work)
    by_smtp(free_port())
    done = reminding.send_due(timezone.now())
    assert (done.reminders, done.mails_failed) == (5, 1)


def test_what_was_overtaken_or_revoked_while_the_mail_server_was_away_is_not_mailed(alice, bob, work, by_smtp):
    first = ending_in(timedelta(hours=23), alice, work).token
    second = ending_in(timedelta(hours=23), bob, work).token
    now = timezone.now()
    by_smtp(free_port())
    reminding.send_due(now)
    second.revoke(by=cast.OPERATOR, reason="unneeded", now=now)
    postbox = Postbox()
    with running_mail_server(postbox) as port:
        by_smtp(port)
        reminding.send_due(first.expires_at - timedelta(minutes=30))  # its stage 1h is told in the portal
    assert postbox.taken == []
    assert set(Reminder.objects.filter(stage="24h").values_list("state", flat=True)) == {State.SKIPPED}


def test_every_attempt_has_the_same_message_id(issued, by_smtp):
    digest_ids = set()
    now = timezone.now()
    by_smtp(free_port())
    reminding.send_due(now)
    digest_ids.add(Digest.objects.get().message_id)
    postbox = Postbox()
    with running_mail_server(postbox) as port:
        by_smtp(port)
        reminding.send_due(now + timedelta(minutes=1))
    digest_ids.add(postbox.taken[0]["Message-ID"])
    assert len(digest_ids) == 1


def test_a_server_that_falls_silent_with_the_mail_leaves_it_unknown_and_it_is_never_sent_again(
    issued, by_smtp, settings
):
    postbox, now = Postbox(), timezone.now()
    postbox.hangs = True
    with running_mail_server(postbox) as port:
        by_smtp(port)
        settings.EMAIL_TIMEOUT = 0.5
        assert reminding.send_due(now).mails_unknown == 1
        postbox.hangs = False
        assert reminding.send_due(now + HOUR).mails_sent == 0
    assert len(postbox.taken) == 1
    assert states()["24h"] == State.UNKNOWN


def worker(folder, port, *more):
    folder.mkdir()
    told = environment(folder, free_port(), EMAIL_URL=f"smtp://127.0.0.1:{port}")
    return subprocess.Popen(
        [sys.executable, "manage.py", "send_reminders", *more], cwd=ROOT, env=told,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_kill_in_the_middle_of_a_hand_over_leaves_one_unknown_and_doubles_none(work, tmp_path, by_smtp):
    people, postbox = people_with_tokens(4, work), Postbox()
    postbox.hangs = True
    with running_mail_server(postbox) as port:
        killed = worker(tmp_path / "killed", port)
        assert postbox.has_text.wait(30), killed.stderr.read() if killed.poll() else ""
        killed.kill()
        killed.communicate()
        postbox.hangs = False
        by_smtp(port)
        now = timezone.now()
        assert reminding.send_due(now).mails_sent == 3
        assert reminding.send_due(now + UNKNOWN_AFTER + timedelta(minutes=1)).mails_unknown == 1
        assert reminding.send_due(now + HOUR).mails_sent == 0
    assert postbox.people == sorted(person.email for person in people)
    assert Reminder.objects.filter(stage="24h", state=State.UNKNOWN).count() == 1
    assert Reminder.objects.filter(stage="24h", state=State.HANDED_OVER).count() == 3


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_five_processes_at_once_double_nothing_and_miss_nothing(work, tmp_path):
    people, postbox = people_with_tokens(12, work, each=3), Postbox()
    with running_mail_server(postbox) as port:
        workers = [worker(tmp_path / str(number), port) for number in range(5)]
        for each in workers:
            said, trouble = each.communicate(timeout=60)
            assert each.returncode == 0, trouble
    assert postbox.people == sorted(person.email for person in people)
    assert Reminder.objects.filter(stage="24h", state=State.HANDED_OVER).count() == 36


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_five_threads_at_once_double_nothing(work):
    people_with_tokens(10, work)
    started, now, trouble = threading.Barrier(5), timezone.now(), []

    def pass_once():
        try:
            started.wait()
            reminding.send_due(now)
        except Exception as error:  # noqa: BLE001
            trouble.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=pass_once) for _ in range(5)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert trouble == []
    assert len(mail.outbox) == 10


def test_claiming_costs_as_many_queries_for_two_hundred_tokens_as_for_ten(alice, work):
    Notifications(user=alice, sends_mail=False).save()
    counts = []
    for number, count in enumerate((10, 200)):
        for each in range(count):
            ending_in(timedelta(hours=20), alice, work, f"service {number} {each}")
        with CaptureQueriesContext(connection) as queries:
            assert reminding.send_due(timezone.now()).reminders == count
        counts.append(len(queries))
    more = 0 if connection.vendor == "postgresql" else 8  # SQLite takes fewer rows in one INSERT
    assert counts[1] <= counts[0] + more <= 34


def test_the_look_for_what_is_due_scans_no_tokens(issued):
    if connection.vendor != "postgresql":
        pytest.skip("plans of PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = DelegatedToken.objects.to_look_at(timezone.now()).order_by("next_look_at")[:500].explain()
    assert "delegated_token_to_look_at" in plan


def test_no_mail_carries_a_secret(issued):
    reminding.send_due(timezone.now())
    issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    tasks.mail_revoked(issued.token.pk, "operator")
    assert len(mail.outbox) == 2
    for message in mail.outbox:
        whole = message.message().as_string()
        assert not any(issued.key.text[start : start + 20] in whole for start in range(17, 47))


def test_the_owner_is_told_who_revoked_a_token_and_why(issued):
    issued.token.revoke(by=cast.OPERATOR, reason="leaked", note="seen in a log", now=timezone.now())
    tasks.mail_revoked(issued.token.pk, "Carol")
    message = mail.outbox[0]
    assert "Carol has revoked" in message.body
    assert "Leaked" in message.body
    assert "seen in a log" in message.body


def test_hostile_names_are_inert(alice, work):
    name = "<img src=x onerror=alert(1)> {{7*7}}"
    token = ending_in(timedelta(hours=23), alice, work, name).token
    reminding.send_due(timezone.now())
    html = mail.outbox[0].alternatives[0][0]
    assert "<img" not in html
    assert "49" not in mail.outbox[0].subject
    assert "\n" not in mail.outbox[0].subject
    assert token.name in mail.outbox[0].body
