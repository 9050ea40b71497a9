import pytest
from django.test import Client

from tests.cast import PASSWORD


def browser_of(user, account=None, *, confirmed=True):
    """A browser in which the person is signed in and, unless said otherwise, has just confirmed who they are."""
    browser = Client()
    browser.force_login(user)
    if account:
        browser.post("/settings/account/", {"account": str(account.pk)})
    if confirmed:
        browser.post("/accounts/confirm/", {"password": PASSWORD})
    return browser


@pytest.fixture
def as_alice(alice, acme):
    return browser_of(alice, acme)


@pytest.fixture
def stale_alice(alice, acme):
    """Alice's browser, in which she signed in too long ago."""
    return browser_of(alice, acme, confirmed=False)


@pytest.fixture
def as_bob(bob, acme):
    return browser_of(bob, acme)


@pytest.fixture
def as_charlie(charlie):
    return browser_of(charlie)
