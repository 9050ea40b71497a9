import pytest
from django.test import Client

from tests import cast
from tests.upstreams import running_sdk_server


@pytest.fixture
def as_alice(client, alice):
    """Alice's browser, in which she signed in some time ago."""
    client.force_login(alice)
    return client


@pytest.fixture
def at_acme(as_alice, acme):
    """Alice's browser, showing Acme."""
    as_alice.post("/settings/account/", {"account": str(acme.pk)})
    return as_alice


@pytest.fixture
def as_bob(bob, acme):
    browser = Client()
    browser.force_login(bob)
    browser.post("/settings/account/", {"account": str(acme.pk)})
    return browser


@pytest.fixture
def as_charlie(charlie):
    browser = Client()
    browser.force_login(charlie)
    return browser


@pytest.fixture
def staff(db):
    browser = Client()
    browser.force_login(cast.make_user("Sam", is_staff=True))
    return browser


@pytest.fixture
def upstream_url():
    with running_sdk_server() as url:
        yield url
