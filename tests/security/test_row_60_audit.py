"""Row 60: every act in a token's life is one event, with who, from where, with what, and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Actor, ActorKind, Event
from tests import cast
from tests.security.pages import browser, install
from tokens.models import DelegatedToken, Policy, unused
from tokens.models.reminders import Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
AGENT, ADDRESS = "Firefox/140", "203.0.113.7"


@pytest.fixture
def alices(alice, acme):
    person = browser(alice, HTTP_USER_AGENT=AGENT, REMOTE_ADDR=ADDRESS)
    person.post("/settings/account/", {"account": str(acme.pk)})
    return person


def only_event(act, action):
    """Do it, and return the one event that it wrote."""
    before = set(Event.objects.values_list("pk", flat=True))
    act()
    new = Event.objects.exclude(pk__in=before)
    assert [each.action for each in new] == [action]
    return new[0]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


def test_making_one_is_one_event(alices, alice, work):
    event = only_event(lambda: install(alices, work), Action.TOKEN_ISSUED)
    assert (event.actor_label, event.address, event.agent) == (alice.email, ADDRESS, AGENT)
    assert event.request_id
    assert event.after["toolkit"] == "work"


@pytest.mark.parametrize(
    ("path", "form", "action", "reason"),
    [
        ("pause/", {}, Action.TOKEN_PAUSED, ""),
        ("revoke/", {"reason": "leaked", "note": "in a log"}, Action.TOKEN_REVOKED, "Leaked: in a log"),
    ],
)
def test_what_an_admin_does_to_it_is_one_event_in_their_name(alices, alice, token, path, form, action, reason):
    event = only_event(lambda: alices.post(f"/tokens/{token.public_id}/{path}", form), action)
    assert (event.actor_kind, event.actor_id, event.actor_label) == (ActorKind.USER, str(alice.pk), alice.email)
    assert (event.address, event.agent, event.reason) == (ADDRESS, AGENT, reason)
    assert (event.subject_kind, event.subject_id, event.account_id) == (
        "delegatedtoken", str(token.pk), token.account_id,
    )  # fmt: skip


def test_resuming_is_one_event(alices, token):
    token.pause(by=cast.OPERATOR, now=timezone.now())
    event = only_event(lambda: alices.post(f"/tokens/{token.public_id}/resume/"), Action.TOKEN_RESUMED)
    assert event.address == ADDRESS


def test_its_first_use_its_successor_and_its_taking_over_are_one_event_each(token):
    now = timezone.now()
    used = only_event(lambda: DelegatedToken.objects.all().touch({token.pk: now}), Action.TOKEN_FIRST_USED)
    assert (used.actor_kind, used.actor_id) == (ActorKind.TOKEN, token.public_id)
    successors = []
    replaced = only_event(
        lambda: successors.append(token.replace(by=cast.OPERATOR, now=now).token), Action.TOKEN_REPLACED
    )
    assert replaced.before == {"token": token.public_id}
    only_event(lambda: DelegatedToken.objects.activate(successors[0].pk, now=now), Action.TOKEN_ACTIVATED)


def test_its_end_by_the_clock_is_one_event_of_the_sweep(token):
    event = only_event(lambda: DelegatedToken.objects.all().sweep(token.expires_at), Action.TOKEN_EXPIRED)
    assert (event.actor_kind, event.actor_label) == (ActorKind.SYSTEM, "sweep")
    assert DelegatedToken.objects.all().sweep(token.expires_at + timedelta(days=1)) == 0


def test_its_pause_because_nothing_uses_it_is_one_event_with_the_reason(acme, bob, work):
    token = cast.make_token(bob, work, "idle", life=timedelta(days=30)).token
    Policy.objects.create(account=acme, pause_unused_days=14)
    told = token.issued_at + timedelta(days=12)
    Reminder.objects.create(token=token, stage="unused", claimed_at=told, state="shown")
    event = only_event(lambda: unused.pause_unused(told + timedelta(days=3)), Action.TOKEN_PAUSED)
    assert (event.reason, list(event.after)) == ("Unused", ["unused_since"])


def test_a_leak_and_a_use_after_the_end_are_written(bob, work, token):
    by = Actor(ActorKind.TOKEN, "x", "x", ADDRESS, AGENT)
    successor = token.replace(by=cast.OPERATOR, now=timezone.now(), overlap=timedelta()).token
    DelegatedToken.objects.activate(successor.pk, now=timezone.now())
    event = only_event(
        lambda: DelegatedToken.objects.note_reuse(token.pk, by=by, now=timezone.now()), Action.TOKEN_REUSED
    )
    assert (event.address, event.agent) == (ADDRESS, AGENT)
    assert not DelegatedToken.objects.note_reuse(token.pk, by=by, now=timezone.now())


def test_a_policy_says_what_it_was_and_what_it_is(acme):
    rules = {"max_life_days": 7, "max_tokens": None, "pause_unused_days": None, "ends_reused_families": False}
    event = only_event(
        lambda: Policy.objects.change(acme, None, rules, by=cast.OPERATOR, now=timezone.now()), Action.POLICY_CHANGED
    )
    assert (event.before["max_life_days"], event.after["max_life_days"]) == (None, 7)


def test_a_failed_sign_in_is_written(alice):
    def fail():
        browser(HTTP_USER_AGENT=AGENT, REMOTE_ADDR=ADDRESS).post(
            "/accounts/login/", {"login": alice.email, "password": "wrong"}
        )

    event = only_event(fail, Action.SIGN_IN_FAILED)
    assert (event.address, event.agent) == (ADDRESS, AGENT)


def test_an_act_that_fails_writes_nothing(bob, work, token):
    before = Event.objects.count()
    token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    assert not token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    assert not token.pause(by=cast.OPERATOR, now=timezone.now())
    assert Event.objects.count() == before + 1


def test_no_code_of_ours_changes_or_deletes_one(token):
    event = Event.objects.first()
    for act in (
        event.save,
        event.delete,
        lambda: Event.objects.update(reason="x"),
        lambda: Event.objects.all().delete(),
    ):
        with pytest.raises(TypeError):
            act()


def test_events_outlive_what_they_tell_of(bob, token):
    pk = token.pk
    bob.delete()
    assert Event.objects.filter(subject_kind="delegatedtoken", subject_id=str(pk)).exists()
