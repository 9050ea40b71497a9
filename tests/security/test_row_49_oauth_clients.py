"""Row 49, of clients: who registers itself gets a way to ask people, and nothing else, whatever it says of itself."""

import json
from urllib.parse import urlencode

import pytest
from django.db import IntegrityError, transaction

from tests import cast
from tokens.models import Application
from tokens.oauth.endpoint import FORM
from tokens.oauth.seeds import SEEDS

pytestmark = pytest.mark.django_db(databases="__all__")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def register(client, **said):
    body = {"redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "client_secret_post"}
    return client.post("/oauth/register", json.dumps(body | said), content_type="application/json")


def test_what_it_says_beyond_the_rfc_changes_nothing(client, acme, alice):
    said = {
        "client_id": next(iter(SEEDS)), "client_secret": "chosen-by-me", "registration_source": "manual",
        "skip_authorization": True, "may_exchange": True, "account": str(acme.pk), "user": alice.pk,
        "machine": alice.pk, "client_type": "confidential", "authorization_grant_type": "password",
        "allowed_origins": "https://evil.example", "algorithm": "HS256", "hash_client_secret": False,
        "post_logout_redirect_uris": ["https://evil.example"], "scope": "mcp tokens:issue members:write",
    }  # fmt: skip
    told = register(client, **said).json()
    made = Application.objects.get()
    assert told["client_id"] == made.client_id
    assert made.client_id not in SEEDS
    assert told["client_secret"] != "chosen-by-me"
    assert told["scope"] == "mcp"
    assert (made.registration_source, made.authorization_grant_type) == ("dcr", "authorization-code")
    assert (made.account, made.user, made.machine, made.may_exchange) == (None, None, None, False)
    assert (made.skip_authorization, made.allowed_origins, made.algorithm) == (False, "", "")


def test_the_session_of_whoever_registers_plays_no_part(client, alice, acme):
    client.force_login(alice)
    answer = register(client)
    assert answer.status_code == 201
    assert not answer.cookies
    assert (Application.objects.get().user, Application.objects.get().account) == (None, None)


@pytest.mark.parametrize("grant_type", ["client_credentials", "password", EXCHANGE, "implicit", "refresh_token"])
def test_its_secret_opens_nothing_without_a_person(client, alice, work, grant_type):
    told = register(client, grant_types=["authorization_code", grant_type]).json()
    form = {
        "grant_type": grant_type, "client_id": told["client_id"], "client_secret": told["client_secret"],
        "username": alice.email, "password": cast.PASSWORD, "subject_token": cast.make_token(alice, work).key.text,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "refresh_token": "nxsr_x",
    }  # fmt: skip
    answer = client.post("/oauth/token", urlencode(form), content_type=FORM)
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.json()


@pytest.mark.parametrize("source", ["dcr", "cimd"])
@pytest.mark.parametrize("right", ["may_exchange", "account", "machine"])
def test_the_database_keeps_it_from_more(acme, alice, source, right):
    value = {"may_exchange": True, "account": acme, "machine": alice}[right]
    made = cast.make_application()
    Application.objects.filter(pk=made.pk).update(registration_source=source)
    with pytest.raises(IntegrityError), transaction.atomic():
        Application.objects.filter(pk=made.pk).update(**{right: value})


def test_nothing_of_the_old_flows_is_offered(client):
    described = client.get("/.well-known/oauth-authorization-server").json()
    assert described["response_types_supported"] == ["code"]
    assert described["code_challenge_methods_supported"] == ["S256"]
    assert {"password", "implicit"}.isdisjoint(described["grant_types_supported"])


def test_nobody_is_told_what_others_registered(client):
    told = register(client, client_name="Secret project").json()
    for path in (f"/oauth/register/{told['client_id']}", f"/oauth/register?client_id={told['client_id']}"):
        for method in ("get", "put", "delete"):
            answer = getattr(client, method)(path)
            assert answer.status_code in (404, 405)
            assert "Secret project" not in answer.content.decode()


def test_a_registration_leaves_no_secret_in_the_log(client, caplog, capfd):
    told = register(client).json()
    seen = caplog.text + "".join(capfd.readouterr())
    assert "oauth/register" in seen
    assert told["client_secret"] not in seen
