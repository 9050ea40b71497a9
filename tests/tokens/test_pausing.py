"""Pausing a token, a toolkit, an account: at once, and back again for somebody who has confirmed who they are."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.conftest import browser_of
from tokens.models import Authority, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


def actions():
    return list(Event.objects.filter(action__contains="pause").order_by("at").values_list("action", flat=True)) + list(
        Event.objects.filter(action__contains="resume").order_by("at").values_list("action", flat=True)
    )


@pytest.mark.parametrize("person", ["alice", "bob"])
def test_the_owner_and_who_may_revoke_pause_and_resume_it(request, acme, token, person):
    browser = browser_of(request.getfixturevalue(person), acme)
    browser.post(f"/tokens/{token.public_id}/pause/")
    token.refresh_from_db()
    assert token.state(timezone.now()) == DelegatedToken.State.PAUSED
    page = browser.get(f"/tokens/{token.public_id}/").content.decode()
    assert "Its calls get a 403 until it is resumed" in page
    assert "Resume" in page
    DelegatedToken.objects.update(next_look_at=None)
    browser.post(f"/tokens/{token.public_id}/resume/")
    token.refresh_from_db()
    assert (token.paused_at, token.pause_reason) == (None, "")
    assert token.next_look_at is not None
    events = Event.objects.filter(subject_kind="delegatedtoken", subject_id=str(token.pk))
    events = events.filter(actor_label=f"{person}@example.com")
    assert set(events.values_list("action", flat=True)) == {"token.paused", "token.resumed"}


def test_who_signed_in_too_long_ago_pauses_and_does_not_resume(bob, acme, token):
    browser = browser_of(bob, acme, confirmed=False)
    browser.post(f"/tokens/{token.public_id}/pause/")
    answer = browser.post(f"/tokens/{token.public_id}/resume/")
    assert (answer.status_code, "/accounts/confirm/" in answer["Location"]) == (303, True)
    token.refresh_from_db()
    assert token.paused_at is not None


def test_a_stranger_and_a_get_change_nothing(as_charlie, as_bob, token):
    for act in ("pause", "resume"):
        assert as_charlie.post(f"/tokens/{token.public_id}/{act}/").status_code == 404
        assert as_bob.get(f"/tokens/{token.public_id}/{act}/").status_code == 405
    token.refresh_from_db()
    assert token.paused_at is None


def test_a_pause_holds_for_all_generations_and_for_what_came_of_them(bob, work, token):
    now = timezone.now()
    successor = token.replace(by=cast.OPERATOR, now=now).token
    narrowed = cast.make_token(bob, work, "narrowed").token
    DelegatedToken.objects.filter(pk=narrowed.pk).update(parent=token, exchanges=1)
    by_hand = cast.make_token(bob, work, "by hand").token
    before = Authority.objects.get().epoch
    assert token.pause(by=cast.OPERATOR, now=now)
    assert Authority.objects.get().epoch == before + 1
    paused = DelegatedToken.objects.exclude(paused_at=None)
    assert set(paused.values_list("pk", "pause_reason")) == {
        (token.pk, ""), (successor.pk, ""), (narrowed.pk, "parent"),
    }  # fmt: skip
    assert not successor.pause(by=cast.OPERATOR, now=now)
    assert successor.resume(by=cast.OPERATOR, now=now)
    assert not paused.all().exists()
    by_hand.refresh_from_db()
    assert by_hand.paused_at is None


def test_what_has_ended_is_not_paused(token):
    now = timezone.now()
    token.revoke(by=cast.OPERATOR, reason="other", now=now)
    assert not token.pause(by=cast.OPERATOR, now=now)
    assert not token.resume(by=cast.OPERATOR, now=now)


@pytest.mark.parametrize("what", ["account", "toolkit"])
def test_the_kill_switch_is_for_those_who_manage(as_alice, as_bob, as_charlie, stale_alice, acme, work, what):
    page = "/settings/" if what == "account" else f"/toolkits/{work.pk}/"
    address = "/settings/account" if what == "account" else f"/toolkits/{work.pk}"
    subject = acme if what == "account" else work
    for stranger in (as_bob, as_charlie) if what == "toolkit" else (as_bob,):
        assert stranger.post(f"{address}/pause/").status_code == 404
    assert as_alice.get(f"{address}/pause/").status_code == 405
    assert as_alice.post(f"{address}/pause/")["Location"] == page
    subject.refresh_from_db()
    assert subject.paused_at is not None
    for browser in (as_alice, as_bob):
        assert "is paused</strong>" in browser.get(f"/toolkits/{work.pk}/").content.decode()
    assert "/accounts/confirm/" in stale_alice.post(f"{address}/resume/")["Location"]
    as_alice.post(f"{address}/resume/")
    subject.refresh_from_db()
    assert subject.paused_at is None
    assert actions() == [f"{what}.paused", f"{what}.resumed"]


def test_pausing_twice_is_one_event(acme, work):
    now = timezone.now()
    for subject in (acme, work):
        assert subject.pause(by=cast.OPERATOR, now=now)
        assert not subject.pause(by=cast.OPERATOR, now=now + timedelta(seconds=1))
        subject.refresh_from_db()
        assert subject.paused_at == now
    assert actions() == ["account.paused", "toolkit.paused"]
