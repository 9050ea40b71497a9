"""Keys, policies, webhooks and jobs in the Django admin."""

from datetime import timedelta

import pytest
from celery import current_app
from django.core.management import call_command
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.tokens.conftest import browser_of
from tokens.models import DelegatedToken, JobRun, ManagementKey, Policy, Webhook

pytestmark = pytest.mark.django_db(databases="__all__")
KEYS, POLICIES, WEBHOOKS, JOBS = (
    f"/admin/tokens/{name}/" for name in ("managementkey", "policy", "webhook", "jobrun")
)  # fmt: skip


@pytest.fixture
def staff(db):
    return browser_of(cast.make_user("Sam", is_staff=True))


def act(browser, path, name, *pks, **given):
    return browser.post(path, {"action": name, "_selected_action": [str(pk) for pk in pks], **given})


def test_a_key_is_found_by_what_is_known_of_it_and_ends_with_what_it_issued(staff, alice, acme, work):
    key, _ = cast.make_key(alice, acme, ["tokens:issue"])
    now = timezone.now()
    DelegatedToken.objects.issue(
        owner=alice, toolkit=work, name="n8n", expires_at=now + timedelta(days=1), by=cast.OPERATOR, now=now,
        issued_by_key=key,
    )  # fmt: skip
    for words in ("Terra", "alice@", key.public_id, key.masked, key.last_four, "Acme"):
        assert [row.pk for row in staff.get(KEYS, {"q": words}).context["cl"].result_list] == [key.pk]
    for state, number in (("living", 1), ("unused", 1), ("ended", 0), ("revoked", 0)):
        assert staff.get(KEYS, {"state": state}).context["cl"].result_count == number
    assert "1 delegated token that it issued" in act(staff, KEYS, "revoke", key.pk).content.decode()
    act(staff, KEYS, "revoke", key.pk, confirmed="1")
    assert not ManagementKey.objects.living(now).exists()
    assert not DelegatedToken.objects.living(now).exists()
    assert Event.objects.get(action=Action.KEY_REVOKED).actor_label == "sam@example.com"


def test_a_policy_is_set_and_changed_as_on_its_own_page(staff, acme, work):
    rules = {"max_life_days": "7", "max_tokens": "", "pause_unused_days": ""}
    assert staff.post(f"{POLICIES}add/", {**rules, "of_account": "Acme", "of_toolkit": "work"}).status_code == 302
    policy = Policy.objects.get()
    assert (policy.account, policy.toolkit, policy.max_life_days) == (acme, work, 7)
    assert staff.post(f"{POLICIES}{policy.pk}/change/", {**rules, "max_life_days": "3"}).status_code == 302
    assert Policy.objects.get().max_life_days == 3
    assert Event.objects.filter(action=Action.POLICY_CHANGED, actor_label="sam@example.com").count() == 2


@pytest.mark.parametrize(
    "given",
    [{"of_account": "Nowhere"}, {"of_account": "Acme", "of_toolkit": "none"}, {"of_account": "Acme", "max_life_days": "31"}],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused(staff, acme, given):
    assert staff.post(f"{POLICIES}add/", given).status_code == 200
    assert not Policy.objects.exists()


def test_a_webhook_shows_no_secret_is_switched_off_and_removed(staff, acme):
    hook, secret = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="", kinds=["token.revoked"], by=cast.OPERATOR, now=timezone.now()
    )
    page = staff.get(f"{WEBHOOKS}{hook.pk}/change/").content.decode()
    assert ("127.0.0.1:9" in page, hook.encrypted_secret in page, secret in page) == (True, False, False)
    act(staff, WEBHOOKS, "switch_off", hook.pk, confirmed="1")
    assert not Webhook.objects.get().is_enabled
    act(staff, WEBHOOKS, "remove", hook.pk, confirmed="1")
    assert not Webhook.objects.exists()
    assert {event.actor_label for event in Event.objects.filter(action__in=("webhook.changed", "webhook.removed"))} == {
        "sam@example.com"
    }


def test_a_job_that_never_ran_is_there_with_its_schedule_and_is_run_now(staff, monkeypatch):
    sent = []
    monkeypatch.setattr(current_app._get_current_object(), "send_task", lambda name, **how: sent.append(name))
    JobRun.objects.run("sweep-tokens", lambda now: "ended: 0", by="worker")
    JobRun.objects.plan()
    page = staff.get(JOBS).content.decode()
    assert JobRun.objects.get(name="sweep-tokens").result == "ended: 0"
    for words in (
        "send-webhooks",
        "every 10 seconds",
        "every minute",
        "daily at 03:10 UTC",
        "every hour, 17 minutes past",
    ):
        assert words in page
    assert page.count("Never ran") == len(current_app.conf.beat_schedule) - 1
    assert staff.get(f"{JOBS}forget-calls/change/").status_code == 200
    act(staff, JOBS, "run_now", "forget-calls")
    assert sent == ["activity.tasks.forget_calls"]


def test_every_migration_plans_the_jobs_that_have_a_schedule():
    JobRun.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert set(JobRun.objects.values_list("name", flat=True)) == set(current_app.conf.beat_schedule)


def test_a_job_is_run_now_by_a_worker(staff, monkeypatch):
    sent = []
    monkeypatch.setattr(current_app._get_current_object(), "send_task", lambda name, **how: sent.append(name))
    JobRun.objects.run("sweep-tokens", lambda now: "ended: 0", by="worker")
    JobRun.objects.run("forgotten", lambda now: "", by="worker")
    page = act(staff, JOBS, "run_now", "sweep-tokens", "forgotten").status_code
    assert (page, sent) == (302, ["tokens.tasks.sweep_tokens"])
    assert "is on its way to a worker" in staff.get(JOBS).content.decode()
