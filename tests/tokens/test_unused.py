"""The inactivity rule: told 48 hours before, then paused; never in a token's first week, never what is used."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from profiles.events import Action, Actor, Event
from tests import cast
from tokens import jobs, reminding, tasks
from tokens.models import Authority, DelegatedToken, Policy, Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, life=30 * DAY).token


@pytest.fixture
def two_weeks(acme):
    return Policy.objects.create(account=acme, pause_unused_days=14)


def days(token, number):
    """Run both jobs that many days after the issue, and return the token."""
    now = token.issued_at + number * DAY + SECOND
    reminding.send_due(now)
    jobs.sweep(now)
    token.refresh_from_db()
    return token


def test_nothing_is_paused_where_no_policy_says_so(token):
    assert days(token, 22).paused_at is None


def test_an_unused_token_is_paused_48_hours_after_its_owner_was_told(token, two_weeks):
    assert days(token, 11.9).reminders.count() == 0
    days(token, 12)
    assert mail.outbox[0].subject.startswith("The token “n8n” is unused and will be paused ")
    epoch = Authority.objects.get().epoch
    assert days(token, 13.9).paused_at is None
    days(token, 14.1)
    assert (token.paused_at, token.pause_reason) == (token.issued_at + 14.1 * DAY + SECOND, "unused")
    assert Authority.objects.get().epoch == epoch + 1
    event = Event.objects.get(action=Action.TOKEN_PAUSED)
    assert (event.actor_label, event.reason, event.subject_id) == ("sweep", "Unused", str(token.pk))
    days(token, 15)
    assert Event.objects.filter(action=Action.TOKEN_PAUSED).count() == len(mail.outbox) == 1


def test_the_owner_is_told_at_the_moment_of_the_pause_too(
    token, two_weeks, django_capture_on_commit_callbacks, monkeypatch
):
    sent = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args: sent.append((name, args)))
    days(token, 12)
    with django_capture_on_commit_callbacks(execute=True):
        days(token, 14.1)
    assert sent == [("tokens.tasks.mail_paused", [[token.pk]])]
    tasks.mail_paused([token.pk])
    assert [message.subject for message in mail.outbox[1:]] == ["The token “n8n” is paused: nothing used it"]


def test_a_call_between_the_reminder_and_the_pause_keeps_it_running(token, two_weeks):
    days(token, 12)
    DelegatedToken.objects.all().touch({token.pk: token.issued_at + 13 * DAY})
    assert days(token, 14.1).paused_at is None
    assert days(token, 24).paused_at is None
    days(token, 25.1)
    assert Reminder.objects.get(stage="unused").claimed_at == token.issued_at + 25.1 * DAY + SECOND
    assert days(token, 27.2).paused_at


def test_what_a_late_worker_tells_late_is_paused_48_hours_after_that(token, two_weeks):
    days(token, 16)
    assert token.paused_at is None
    assert days(token, 17.9).paused_at is None
    assert days(token, 18.1).paused_at


def test_it_is_never_paused_in_its_first_week(token):
    DelegatedToken.objects.update(pause_unused_after=DAY)
    assert days(token, 4.9).reminders.count() == 0
    days(token, 5.1)
    assert Reminder.objects.filter(stage="unused").exists()
    assert days(token, 7.05).paused_at is None
    assert days(token, 7.2).paused_at


@pytest.mark.parametrize(
    ("own", "of_toolkit", "expected"), [(None, 20, 14), (20, None, 14), (None, None, 14), (10, 20, 10)]
)
def test_the_shortest_of_all_rules_holds(token, two_weeks, work, own, of_toolkit, expected):
    if of_toolkit:
        Policy.objects.create(account=work.account, toolkit=work, pause_unused_days=of_toolkit)
    DelegatedToken.objects.update(pause_unused_after=own and own * DAY)
    days(token, expected - 2)
    assert days(token, expected - 0.1).paused_at is None
    assert days(token, expected + 0.1).paused_at


def test_a_policy_of_another_toolkit_says_nothing(token, acme):
    other = cast.make_toolkit(acme, "other")
    Policy.objects.create(account=acme, toolkit=other, pause_unused_days=14)
    days(token, 12)
    assert days(token, 14.1).paused_at is None


def test_a_policy_that_comes_later_is_looked_at_at_once(token, acme):
    days(token, 1)
    Policy.objects.create(account=acme, pause_unused_days=14)
    days(token, 12)
    assert Reminder.objects.filter(stage="unused").exists()


def test_a_policy_that_went_meanwhile_pauses_nothing(token, two_weeks):
    days(token, 12)
    two_weeks.delete()
    assert days(token, 14.1).paused_at is None


def test_a_resumed_token_has_its_whole_time_again(token, two_weeks):
    days(token, 12)
    days(token, 14.1)
    at = token.issued_at + 15 * DAY
    DelegatedToken.objects.update(paused_at=None, pause_reason="")
    by = Actor.operator("test")
    Event.record(Action.TOKEN_RESUMED, by=by, now=at, account=token.account, subject=token)
    for number in (15.1, 16.2, 20, 26):
        assert days(token, number).paused_at is None


@pytest.mark.parametrize("changes", [{"exchanges": 1}, {"stage": "pending"}, {"stage": "overlapping"}], ids=str)
def test_only_a_current_token_of_a_person_is_paused(token, two_weeks, changes):
    DelegatedToken.objects.update(**changes)
    days(token, 12)
    assert days(token, 14.1).paused_at is None
    assert mail.outbox == []


def test_pausing_costs_as_many_queries_for_many_tokens_as_for_one(
    alice, work, two_weeks, django_assert_max_num_queries
):
    start = timezone.now()
    for number in range(30):
        cast.make_token(alice, work, f"service {number}", 30 * DAY, now=start)
    reminding.send_due(start + 12 * DAY)
    with django_assert_max_num_queries(60):
        assert jobs.sweep(start + 15 * DAY).paused == 30
