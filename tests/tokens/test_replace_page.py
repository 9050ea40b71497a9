"""The page that replaces a token, for its owner alone."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import cast
from tests.tokens.conftest import browser_of
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
KEY = "8d7c1c5e-0d3f-4ad0-8a51-5a8ac4e0f6b1"
SECRET = re.compile(r"nxs_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def press(browser, token, **fields):
    data = {"life": "same", "overlap": "24", "request_key": KEY, **fields}
    return browser.post(f"/tokens/{token.public_id}/replace/", data)


def test_the_owner_gets_the_new_secret_once_and_the_old_token_goes_on(as_alice, alice, work):
    old = cast.make_token(alice, work, life=timedelta(days=14)).token
    page = as_alice.get(f"/tokens/{old.public_id}/replace/").content.decode()
    assert "As before: 14 days" in page
    answer = press(as_alice, old)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert SECRET.search(answer.content.decode())
    old.refresh_from_db()
    assert old.stage == "current"
    new = DelegatedToken.objects.get(stage="pending")
    assert (new.overlap, new.expires_at - new.issued_at) == (timedelta(hours=24), timedelta(days=14))


def test_the_same_press_twice_issues_one(as_alice, alice, work):
    old = cast.make_token(alice, work).token
    press(as_alice, old)
    again = press(as_alice, old)
    assert again.status_code == 409
    assert not SECRET.search(again.content.decode())
    assert DelegatedToken.objects.filter(stage="pending").count() == 1


def test_who_signed_in_long_ago_confirms_first_and_loses_nothing(stale_alice, alice, work):
    old = cast.make_token(alice, work).token
    answer = press(stale_alice, old, overlap="168")
    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/confirm/")
    assert not DelegatedToken.objects.filter(stage="pending").exists()
    stale_alice.post("/accounts/confirm/", {"password": cast.PASSWORD})
    page = stale_alice.get(f"/tokens/{old.public_id}/replace/").content.decode()
    assert re.search(r'value="168"[^>]*checked', page)


def test_nobody_replaces_the_token_of_another_not_even_an_admin(as_alice, as_charlie, bob, work):
    token = cast.make_token(bob, work).token
    for browser in (as_alice, as_charlie):
        assert browser.get(f"/tokens/{token.public_id}/replace/").status_code == 404
        assert press(browser, token).status_code == 404
    assert DelegatedToken.objects.count() == 1


@pytest.mark.parametrize(("field", "value"), [("overlap", "169"), ("overlap", ""), ("life", "31"), ("life", "")])
def test_what_means_nothing_is_asked_again(as_alice, alice, work, field, value):
    old = cast.make_token(alice, work).token
    assert press(as_alice, old, **{field: value}).status_code == 422
    assert DelegatedToken.objects.count() == 1


def test_an_ended_token_has_nothing_to_replace(as_alice, alice, work):
    old = cast.make_token(alice, work).token
    old.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    assert "nothing to replace" in as_alice.get(f"/tokens/{old.public_id}/replace/").content.decode()
    assert press(as_alice, old).status_code == 422


def test_the_page_of_a_token_shows_its_generations(as_alice, alice, work):
    old = cast.make_token(alice, work).token
    new = old.replace(by=cast.OPERATOR, now=timezone.now()).token
    page = as_alice.get(f"/tokens/{old.public_id}/").content.decode()
    assert "Generations" in page
    assert new.masked in page
    assert f"/tokens/{old.public_id}/replace/" in page


def test_a_person_who_left_the_account_replaces_nothing(bob, acme, work):
    token = cast.make_token(bob, work).token
    browser = browser_of(bob, acme)
    acme.members.get(user=bob).delete()
    assert press(browser, token).status_code in (404, 422)
    assert DelegatedToken.objects.count() == 1
