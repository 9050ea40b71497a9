import pytest
from django.test import Client


def browser_of(user, account=None):
    browser = Client()
    browser.force_login(user)
    if account:
        browser.post("/settings/account/", {"account": str(account.pk)})
    return browser


@pytest.fixture
def at_acme(alice, acme):
    """Alice's browser, showing Acme."""
    return browser_of(alice, acme)


@pytest.fixture
def as_bob(bob, acme):
    return browser_of(bob, acme)


@pytest.fixture
def as_charlie(charlie):
    return browser_of(charlie)
