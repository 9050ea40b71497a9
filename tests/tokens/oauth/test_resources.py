"""The resource that a request names (RFC 8707), where it is no text that a database takes."""

from urllib.parse import urlencode

import pytest
from django.conf import settings

from tests import cast
from tests.security.pages import browser

pytestmark = pytest.mark.django_db(databases="__all__")
RESOURCE = f"{settings.NEXUS_BASE_URL}/hub/mcp?profile=%00"
FORM = "application/x-www-form-urlencoded"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def test_a_nul_in_the_resource_of_an_exchange_is_an_invalid_target(client, alice, acme, work):
    application = cast.make_application(acme, may_exchange=True)
    said = {
        "grant_type": EXCHANGE, "client_id": application.client_id, "subject_token": cast.make_token(alice, work).key.text,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }  # fmt: skip
    for name in ("resource", "audience"):
        answer = client.post("/oauth/token", urlencode(said | {name: RESOURCE}), content_type=FORM)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_a_nul_in_the_resource_of_a_sign_in_is_told_to_the_client(alice, acme, work):
    said = {
        "response_type": "code", "client_id": cast.make_application(acme).client_id, "state": "x",
        "redirect_uri": "http://127.0.0.1/callback", "code_challenge": "a" * 43, "code_challenge_method": "S256",
        "resource": RESOURCE,
    }  # fmt: skip
    answer = browser(alice).get("/oauth/authorize", said)
    assert answer.status_code == 303
    assert answer.url.startswith("http://127.0.0.1/callback?error=invalid_target&")
