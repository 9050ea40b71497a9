"""What stands above every page of tokens that end, the page on which mails are chosen, and the list of jobs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Notifications
from tests import cast
from tokens import reminding, tasks
from tokens.context import READ
from tokens.models import DelegatedToken, Dismissal, JobRun, Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
ABOVE = 'aria-label="Tokens that end"'


def ending_in(span, owner, toolkit, name="n8n"):
    return cast.make_token(owner, toolkit, name, WEEK, now=timezone.now() - WEEK + span).token


def page(browser, path="/tokens/") -> str:
    return browser.get(path).content.decode()


@pytest.mark.parametrize("path", ["/", "/tokens/", "/install/", "/activity/", "/settings/"])
def test_a_token_that_ends_soon_stands_above_every_page(as_alice, alice, work, path):
    token = ending_in(2 * HOUR, alice, work)
    shown = page(as_alice, path)
    assert ABOVE in shown
    assert f"/tokens/{token.public_id}/replace/" in shown


@pytest.mark.parametrize(
    ("span", "is_shown"),
    [(timedelta(days=4), False), (timedelta(days=2), True), (-timedelta(days=2), True), (-timedelta(days=4), False)],
    ids=["in four days", "in two days", "two days ago", "four days ago"],
)
def test_it_is_shown_from_three_days_before_to_three_days_after(as_alice, alice, work, span, is_shown):
    ending_in(span, alice, work)
    assert (ABOVE in page(as_alice)) is is_shown


@pytest.mark.parametrize(
    "changes", [{"exchanges": 1}, {"stage": "pending"}, {"stage": "overlapping"}, {"stage": "ended"}], ids=str
)
def test_what_nobody_needs_to_care_for_is_not_shown(as_alice, alice, work, changes):
    ending_in(2 * HOUR, alice, work)
    DelegatedToken.objects.update(**changes)
    assert ABOVE not in page(as_alice)


def test_a_dismissed_stage_stays_away_and_the_next_one_shows_again(as_alice, alice, work):
    token = ending_in(2 * HOUR, alice, work)
    path = f"/tokens/{token.public_id}/dismiss/"
    assert as_alice.post(path, {"stage": "24h", "next": "/activity/?token=x"}).url == "/activity/?token=x"
    assert as_alice.post(path, {"stage": "24h"}).url == "/tokens/"
    assert ABOVE not in page(as_alice)
    DelegatedToken.objects.update(expires_at=timezone.now() + timedelta(minutes=50))
    assert ABOVE in page(as_alice)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "tokens", "javascript:alert(1)", ""])
def test_dismissing_leads_nowhere_else(as_alice, alice, work, elsewhere):
    token = ending_in(2 * HOUR, alice, work)
    answer = as_alice.post(f"/tokens/{token.public_id}/dismiss/", {"stage": "24h", "next": elsewhere})
    assert (answer.status_code, answer.url) == (302, "/tokens/")


@pytest.mark.parametrize("stage", ["", "2d", "24h" * 99])
def test_an_unknown_stage_dismisses_nothing(as_alice, alice, work, stage):
    token = ending_in(2 * HOUR, alice, work)
    assert as_alice.post(f"/tokens/{token.public_id}/dismiss/", {"stage": stage}).status_code == 302
    assert not Dismissal.objects.exists()


def test_only_its_owner_dismisses_a_token_and_only_by_post(as_alice, as_bob, as_charlie, bob, work):
    token = ending_in(2 * HOUR, bob, work)
    path = f"/tokens/{token.public_id}/dismiss/"
    for browser in (as_alice, as_charlie):
        assert browser.post(path, {"stage": "24h"}).status_code == 404
        assert ABOVE not in page(browser)
    assert as_bob.get(path).status_code == 405
    assert Client(enforce_csrf_checks=True).post(path).status_code in (302, 403)


def test_of_many_tokens_three_are_named(as_alice, alice, work):
    for number in range(5):
        ending_in((number + 2) * HOUR, alice, work, f"service {number}")
    shown = page(as_alice, "/settings/")
    assert [f"service {number}" in shown for number in range(5)] == [True, True, True, False, False]
    assert "And 2 more" in shown


def test_of_very_many_the_first_are_read_and_those_behind_dismissed_ones_are_found(as_alice, alice, work):
    tokens = [
        ending_in(2 * HOUR + number * timedelta(minutes=1), alice, work, f"service {number}")
        for number in range(READ + 2)
    ]
    assert f"And {READ - 3}+ more" in page(as_alice, "/settings/")
    Dismissal.objects.bulk_create(Dismissal(token=token, stage="24h", at=timezone.now()) for token in tokens[:READ])
    shown = page(as_alice, "/settings/")
    assert [f"service {number}" in shown for number in (READ - 1, READ, READ + 1)] == [False, True, True]
    assert "more</a>" not in shown


def test_a_mail_of_which_nobody_knows_is_said_above_the_page_and_on_the_tokens_own(as_alice, alice, work):
    token = ending_in(2 * HOUR, alice, work)
    reminding.send_due(timezone.now())
    Reminder.objects.filter(stage="24h").update(state="unknown", handed_over_at=None)
    assert "it is not known whether the mail about it went out" in page(as_alice)
    assert "not known whether the mail went out" in page(as_alice, f"/tokens/{token.public_id}/")


def test_the_pages_ask_as_often_for_many_as_for_one(as_alice, alice, work, django_assert_num_queries):
    ending_in(2 * HOUR, alice, work)
    page(as_alice, "/settings/")
    with django_assert_num_queries(10):
        page(as_alice, "/settings/")
    for number in range(9):
        ending_in((number + 2) * HOUR, alice, work, f"service {number}")
    with django_assert_num_queries(10):
        page(as_alice, "/settings/")


def test_what_is_mailed_is_chosen_on_a_page_and_written_down(as_alice, alice):
    assert page(as_alice, "/settings/notifications/").count("checked") == 9
    answer = as_alice.post("/settings/notifications/", {"sends_mail": "on", "mail_stages": ["3d", "expired"]})
    assert answer.url == "/settings/notifications/"
    chosen = Notifications.objects.of(alice)
    assert (chosen.sends_mail, chosen.mail_stages) == (True, ["3d", "expired"])
    assert page(as_alice, "/settings/notifications/").count("checked") == 3
    event = Event.objects.get(action=Action.NOTIFICATIONS_CHANGED)
    assert event.before["mail_stages"] == ["7d", "24h", "expired", "unused"]
    as_alice.post("/settings/notifications/", {"sends_mail": "on", "mail_stages": ["expired", "3d"]})
    assert Event.objects.filter(action=Action.NOTIFICATIONS_CHANGED).count() == 1


def test_a_stage_that_is_not_there_cannot_be_chosen(as_alice, alice):
    answer = as_alice.post("/settings/notifications/", {"sends_mail": "on", "mail_stages": ["2d"]})
    assert answer.status_code == 422
    assert not Notifications.objects.exists()


def test_jobs_are_noted_whoever_starts_them(client):
    tasks.send_reminders()
    tasks.sweep_tokens()
    job = JobRun.objects.get(name="send-reminders")
    assert job.result.startswith("reminders: 0")
    assert (job.started_by, job.has_failed) == ("worker", False)
    assert timedelta(0) < job.next_run_at - job.started_at <= timedelta(seconds=61)
    client.force_login(cast.make_user("Sam", is_staff=True))
    shown = page(client, "/admin/tokens/jobrun/")
    assert "send-reminders" in shown
    assert "sweep-tokens" in shown
    JobRun.objects.update(next_run_at=timezone.now() - HOUR)
    assert "overdue since" in page(client, "/admin/tokens/jobrun/")


def test_a_job_that_fails_is_noted_by_the_name_of_its_failure_alone():
    def fail(now):
        raise ValueError("a secret")

    with pytest.raises(ValueError, match="a secret"):
        JobRun.objects.run("send-reminders", fail, by="worker")
    job = JobRun.objects.get(name="send-reminders")
    assert (job.result, job.has_failed) == ("failed: ValueError", True)
