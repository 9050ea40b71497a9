"""Row 16: no token opens the portal, however it is presented, those that were exchanged neither."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests import cast
from tests.tokens.oauth.exchanging import ask, make_exchanger

pytestmark = pytest.mark.django_db(databases="__all__")
PAGES = ["/", "/tokens/", "/install/", "/activity/", "/settings/", "/accounts/confirm/"]


@pytest.fixture(params=["delegated", "access", "exchanged"])
def secret(request, alice, acme, work):
    application = make_exchanger(acme)
    issued = cast.make_token(alice, work)
    if request.param == "access":
        return cast.make_access_token(alice, work, application)[1]
    return ask(application, issued.key.text).json()["access_token"] if request.param == "exchanged" else issued.key.text


def began(answer) -> bool:
    """Return whether the answer sets the cookie of a session; to take one away again is fine."""
    return "nexus_session" in answer.cookies and bool(answer.cookies["nexus_session"].value)


@pytest.mark.parametrize("path", PAGES)
def test_a_token_as_bearer_or_cookie_opens_no_page(secret, path):
    before = Session.objects.count()
    for headers in (
        {"HTTP_AUTHORIZATION": f"Bearer {secret}"},
        {"HTTP_COOKIE": f"nexus_session={secret}; sessionid={secret}; __Host-nexus_session={secret}"},
    ):
        for method in ("get", "post"):
            answer = getattr(Client(), method)(path, **headers)
            assert answer.status_code in (302, 403), (method, path)
            if answer.status_code == 302:
                assert "login/" in answer["Location"]
            assert not began(answer)
    assert Session.objects.count() == before


@pytest.mark.parametrize("path", ["/login/token", "/accounts/login/token/", "/accounts/token/login/", "/ws", "/hub/ws"])
def test_no_address_makes_a_session_of_a_token(secret, path):
    for form in ({"token": secret}, {"access_token": secret}):
        answer = Client().post(path, form, HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert answer.status_code in (302, 403, 404)
        assert not began(answer)


def test_a_token_is_no_password_and_no_code(secret, alice):
    browser = Client()
    browser.post("/accounts/login/", {"login": alice.email, "password": secret})
    assert "_auth_user_id" not in browser.session
    assert browser.get("/tokens/").status_code == 302


def test_a_token_that_was_exchanged_manages_nothing_over_rest(secret):
    client = Client(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert client.get("/api/v1/tokens").status_code in (401, 403)
    assert client.post("/api/v1/tokens", {}, content_type="application/json").status_code in (401, 403, 405)
