"""Row 47: a session is new after sign-in and confirmation, and over after sign-out."""

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from profiles.models import SignInLink
from tests import cast
from tests.security.pages import browser, install

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
NAME = settings.SESSION_COOKIE_NAME


def sign_in(client, user):
    return client.post("/accounts/login/", {"login": user.email, "password": cast.PASSWORD})


@pytest.fixture
def planted(db):
    """A browser with a session that somebody else knows."""
    client = browser()
    session = client.session
    session["theirs"] = True
    session.save()
    client.cookies[NAME] = session.session_key
    return client, session.session_key


@pytest.mark.parametrize("way", ["password", "link"])
def test_signing_in_gives_a_new_session(alice, planted, way):
    client, known = planted
    alice.emailaddress_set.update_or_create(email=alice.email, defaults={"verified": True, "primary": True})
    if way == "password":
        answer = sign_in(client, alice)
    else:
        secret = SignInLink.objects.make(alice, by=cast.OPERATOR, now=timezone.now())
        answer = client.post(f"/accounts/link/{secret}/")
    assert answer.status_code in (302, 303)
    assert client.get("/tokens/").status_code == 200
    assert client.cookies[NAME].value != known
    assert not Session.objects.filter(session_key=known).exists()


def test_a_session_id_that_nobody_made_is_not_taken(alice):
    client = browser()
    client.cookies[NAME] = "a" * 32
    alice.emailaddress_set.update_or_create(email=alice.email, defaults={"verified": True, "primary": True})
    sign_in(client, alice)
    assert client.cookies[NAME].value != "a" * 32


def test_confirming_gives_a_new_session(alice):
    client = browser(alice, confirmed_ago=3600)
    before = client.cookies[NAME].value
    answer = client.post("/accounts/confirm/", {"password": cast.PASSWORD, "next": "/install/"})
    assert answer.status_code in (302, 303)
    assert client.cookies[NAME].value != before
    assert not Session.objects.filter(session_key=before).exists()


def test_a_wrong_password_confirms_nothing(alice, work):
    client = browser(alice, confirmed_ago=3600)
    client.post("/accounts/confirm/", {"password": "wrong", "next": "/install/"})
    assert install(client, work).status_code == 303


def test_signing_out_ends_the_session_on_the_server(alice):
    client = browser(alice)
    old = client.cookies[NAME].value
    assert client.post("/accounts/logout/").status_code in (302, 303)
    thief = browser()
    thief.cookies[NAME] = old
    assert thief.get("/tokens/").status_code == 302
    assert not Session.objects.filter(session_key=old).exists()


def test_cookies_are_out_of_the_reach_of_scripts_and_other_sites(alice):
    client = browser()
    alice.emailaddress_set.update_or_create(email=alice.email, defaults={"verified": True, "primary": True})
    client.get("/accounts/login/")
    sign_in(client, alice)
    for name in (NAME, settings.CSRF_COOKIE_NAME):
        cookie = client.cookies[name]
        assert cookie["httponly"] is True, name
        assert cookie["samesite"] in ("Lax", "Strict"), name
        assert cookie["path"] == "/", name
        assert not cookie["domain"], name


def test_a_link_signs_in_once_and_only_when_it_is_pressed(alice):
    secret = SignInLink.objects.make(alice, by=cast.OPERATOR, now=timezone.now())
    first, second = browser(), browser()
    for client in (first, second):
        assert client.get(f"/accounts/link/{secret}/").status_code == 200  # looking does not use it up
        assert client.get("/tokens/").status_code == 302
    assert first.post(f"/accounts/link/{secret}/").status_code == 303
    assert second.post(f"/accounts/link/{secret}/").status_code == 410
    assert second.get("/tokens/").status_code == 302
