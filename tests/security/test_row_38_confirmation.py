"""Row 38: nothing new is made by a confirmation that is stale, of another session, of another person, or used before."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from profiles import factors
from tests import cast
from tests.factors import options_in, shown_by, with_app, with_passkey
from tests.security.pages import browser, install
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
CONFIRM = "/accounts/confirm/"
# What decides who can sign in, and what it would take to do it.
FACTORS = [
    ("/settings/security/app/", {"code": "000000"}),
    ("/settings/security/app/remove/", {}),
    ("/settings/security/codes/", {}),
    ("/settings/security/passkeys/new/", {"credential": "{}"}),
    ("/settings/email/", {"email": "thief@example.com"}),
    ("/settings/delete/", {"confirmation": "alice@example.com"}),
    (
        "/accounts/password/change/",
        {"oldpassword": cast.PASSWORD, "password1": "a new one 4 me", "password2": "a new one 4 me"},
    ),
]


@pytest.fixture
def stale(alice):
    """Alice's browser, in which she signed in too long ago."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return browser(alice, confirmed_ago=601)


def is_confirmed(client, toolkit) -> bool:
    before = DelegatedToken.objects.count()
    answer = install(client, toolkit, name=f"service-{before}")
    is_made = DelegatedToken.objects.count() == before + 1
    assert is_made or CONFIRM in answer.url
    return is_made


@pytest.mark.parametrize(("path", "data"), FACTORS)
def test_a_stale_session_changes_nothing_of_signing_in(alice, stale, path, data):
    secret, codes = with_app(alice)
    answer = stale.post(path, data)
    assert answer.status_code == 303
    assert answer.url.startswith(CONFIRM)
    found = factors.of(alice)
    assert found.app
    assert found.codes_left == len(codes)
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    assert alice.check_password(cast.PASSWORD)
    assert mail.outbox == []


@pytest.mark.parametrize(("path", "data"), FACTORS)
def test_with_a_second_factor_a_password_or_a_mailed_code_is_not_enough(alice, stale, path, data):
    with_app(alice)
    stale.post(CONFIRM, {"password": cast.PASSWORD})
    assert stale.post(path, data).status_code == 303
    page = stale.get(f"{CONFIRM}?full=1&next={path}").content.decode()
    assert 'name="password"' not in page
    assert "Mail me a code" not in page
    assert factors.of(alice).app


def test_a_password_is_enough_to_install_something(alice, stale, work):
    assert not is_confirmed(stale, work)
    stale.post(CONFIRM, {"password": cast.PASSWORD})
    assert is_confirmed(stale, work)


@pytest.mark.parametrize("way", ["app", "recovery code", "passkey"])
def test_each_second_factor_confirms_everything(alice, stale, work, way):
    if way == "passkey":
        passkey = with_passkey(browser(alice))
        credential = passkey.use(options_in(stale.get(CONFIRM).content.decode()))
        answer = stale.post(f"{CONFIRM}passkey/", {"credential": credential, "next": "/settings/email/"})
        assert stale.post(f"{CONFIRM}passkey/", {"credential": credential}).status_code == 422, "signed once, good once"
    else:
        secret, codes = with_app(alice)
        code = shown_by(secret) if way == "app" else codes[3]
        answer = stale.post(f"{CONFIRM}factor/", {"code": code, "next": "/settings/email/"})
    assert answer.url == "/settings/email/"
    assert stale.get("/settings/email/").status_code == 200
    assert is_confirmed(stale, work)


@pytest.mark.parametrize("spelling", ["{0}{1}", " {0} {1} ", "{0}-{1}", "{0}\t{1}"])
def test_a_code_is_used_up_however_it_is_spelled(alice, stale, work, spelling):
    secret, _ = with_app(alice)
    code = shown_by(secret)
    stale.post(f"{CONFIRM}factor/", {"code": code})
    other = browser(alice, confirmed_ago=601)
    answer = other.post(f"{CONFIRM}factor/", {"code": spelling.format(code[:3], code[3:])})
    assert answer.status_code == 422
    assert not is_confirmed(other, work)


def test_a_factor_of_somebody_else_confirms_nobody(alice, stale, bob, work):
    with_app(alice)
    secret, codes = with_app(bob)
    for code in (shown_by(secret), codes[0]):
        assert stale.post(f"{CONFIRM}factor/", {"code": code}).status_code == 422
    EmailAddress.objects.create(user=bob, email=bob.email, verified=True, primary=True)
    at_bobs = browser(bob)
    at_bobs.post(f"{CONFIRM}factor/", {"code": codes[1]})
    his = with_passkey(at_bobs)
    with_passkey(browser_with_factor(alice))
    credential = his.use(options_in(stale.get(CONFIRM).content.decode()))
    assert stale.post(f"{CONFIRM}passkey/", {"credential": credential}).status_code == 422
    assert not is_confirmed(stale, work)


def browser_with_factor(user) -> Client:
    client = browser(user)
    code = factors.of(user).codes.wrap().get_unused_codes()[0]
    assert client.post(f"{CONFIRM}factor/", {"code": code}).status_code == 302
    return client


def test_a_confirmation_stays_in_its_session(alice, stale, work):
    other = browser(alice, confirmed_ago=601)
    stale.post(CONFIRM, {"password": cast.PASSWORD})
    assert not is_confirmed(other, work)


def test_who_has_nothing_to_show_but_a_mailbox_is_not_let_through(alice, work):
    alice.set_unusable_password()
    alice.save()
    client = browser(alice, confirmed_ago=601)
    assert not is_confirmed(client, work)
    client.post(f"{CONFIRM}mail/", {})
    code = re.search(r"\n    ([A-Z0-9]{8})\n", mail.outbox[-1].body)[1]
    client.post(f"{CONFIRM}code/", {"code": code})
    assert is_confirmed(client, work)
    assert factors.use_code(alice, "123456", by=cast.OPERATOR, now=timezone.now()) is None
