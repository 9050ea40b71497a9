"""Locking a token to the addresses that it was used from: one press, and never wider than before."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.activity.calls import make_call
from tests.tokens.conftest import browser_of
from tokens import locking
from tokens.models import Authority, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


def seen(token, *addresses, **fields):
    for address in addresses:
        make_call(token, address=address, **fields)


def press(browser, token, *networks):
    browser.post(f"/tokens/{token.public_id}/lock/", {"networks": list(networks)})
    token.refresh_from_db()
    return token.networks


@pytest.mark.parametrize("person", ["alice", "bob"])
def test_one_press_keeps_it_to_where_it_was_used_from(request, acme, token, person):
    seen(token, "203.0.113.7", "203.0.113.7", "2001:db8::a:1", "::ffff:198.51.100.9", "", "unknown")
    seen(token, "192.0.2.66", outcome="refused")
    browser = browser_of(request.getfixturevalue(person), acme)
    page = browser.get(f"/tokens/{token.public_id}/").content.decode()
    wanted = ["198.51.100.9/32", "2001:db8::/64", "203.0.113.7/32"]
    assert all(each in page for each in wanted)
    assert "192.0.2.66" not in page
    epoch = Authority.objects.get().epoch
    assert press(browser, token, *wanted) == wanted
    assert Authority.objects.get().epoch == epoch + 1
    event = Event.objects.get(action=Action.TOKEN_NARROWED)
    assert (event.before, event.after) == ({"networks": []}, {"networks": wanted})
    assert event.actor_label == f"{person}@example.com"
    assert 'id="seen"' not in browser.get(f"/tokens/{token.public_id}/").content.decode()


def test_all_generations_are_kept_and_calls_of_each_count(as_bob, token):
    successor = token.replace(by=cast.OPERATOR, now=timezone.now()).token
    seen(token, "203.0.113.7")
    seen(successor, "198.51.100.9")
    assert press(as_bob, successor, "203.0.113.7/32", "198.51.100.9/32") == ["198.51.100.9/32", "203.0.113.7/32"]
    token.refresh_from_db()
    assert token.networks == successor.networks


def test_what_was_not_seen_is_not_taken_and_what_the_page_did_not_show_is_left_out(as_bob, token):
    seen(token, "203.0.113.7", "198.51.100.9")
    assert press(as_bob, token, "192.0.2.0/24", "nonsense") == []
    assert press(as_bob, token) == []
    assert press(as_bob, token, "203.0.113.7/32", "0.0.0.0/0") == ["203.0.113.7/32"]


def test_it_never_comes_from_more_than_before(bob, work, as_bob):
    token = cast.make_token(bob, work, "kept", networks=["10.0.0.0/8", "2001:db8::/96"]).token
    seen(token, "10.1.2.3", "2001:db8::7", "203.0.113.7")
    assert locking.Seen.of(token).networks == ["10.1.2.3/32", "2001:db8::/96"]
    assert press(as_bob, token, "10.1.2.3/32", "203.0.113.7/32") == ["10.1.2.3/32"]


def test_a_service_that_moves_too_much_is_left_as_it_is(as_bob, token):
    seen(token, *(f"203.0.113.{number}" for number in range(1, 23)))
    page = as_bob.get(f"/tokens/{token.public_id}/").content.decode()
    assert "These are 22" in page
    assert "/lock/" not in page


def test_where_nothing_was_called_or_all_is_over_nothing_is_offered(as_bob, token):
    assert 'id="seen"' not in as_bob.get(f"/tokens/{token.public_id}/").content.decode()
    seen(token, "203.0.113.7")
    token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now() + timedelta(seconds=1))
    assert 'id="seen"' not in as_bob.get(f"/tokens/{token.public_id}/").content.decode()
    assert press(as_bob, token, "203.0.113.7/32") == []


def test_a_stranger_and_a_get_change_nothing(as_charlie, as_bob, token):
    seen(token, "203.0.113.7")
    path = f"/tokens/{token.public_id}/lock/"
    assert as_charlie.post(path, {"networks": "203.0.113.7/32"}).status_code == 404
    assert as_bob.get(path).status_code == 405
    assert DelegatedToken.objects.get(pk=token.pk).networks == []
