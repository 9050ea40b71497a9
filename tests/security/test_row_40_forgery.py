"""Row 40: no other site can make a signed-in browser act."""

import json
import uuid

import pytest
from django.contrib.sessions.models import Session

from tests import cast
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser, filled_in, install, routes
from tokens.models import Application, DelegatedToken

pytestmark = EVERYTHING


@pytest.fixture
def token(alice, acme, work):
    cast.make_application(acme, "Desk", client_id="Desk01234567", client_type="confidential", may_exchange=True)
    return cast.make_token(alice, work).token


def posting_addresses(token, work):
    names = {
        "public_id": token.public_id, "pk": work.pk, "server_pk": work.servers.get().pk, "uuid": uuid.uuid4(),
        "client_id": Application.objects.get().client_id,
    }  # fmt: skip
    return [filled_in(path, names) for path, _ in routes()]


def test_no_address_takes_a_post_without_the_csrf_token(alice, work, token):
    client = browser(alice, enforce_csrf_checks=True)
    for path in posting_addresses(token, work):
        for extra in ({}, {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"}):
            answer = client.post(path, {"reason": "leaked"}, **extra)
            # 415: an OAuth endpoint, which reads no cookie, and forms of programs only
            assert answer.status_code in (401, 403, 404, 405, 415), (path, extra, answer.status_code)
    assert Session.objects.count() == 1  # not even signed out
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_token_of_another_site_or_session_does_not_help(alice, bob, work, token):
    mallory = browser(bob, enforce_csrf_checks=True)
    mallory.get("/toolkits/new/")
    foreign = mallory.cookies["nexus_csrf"].value
    client = browser(alice, enforce_csrf_checks=True)
    data = {"csrfmiddlewaretoken": foreign, "reason": "leaked"}
    assert client.post(f"/tokens/{token.public_id}/revoke/", data).status_code == 403
    client.get("/toolkits/new/")
    own = client.cookies["nexus_csrf"].value
    answer = client.post(
        f"/tokens/{token.public_id}/revoke/",
        {"csrfmiddlewaretoken": own, "reason": "leaked"},
        HTTP_ORIGIN="https://evil.example",
    )
    assert answer.status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


def test_the_api_takes_a_write_only_with_the_csrf_token_and_only_json(alice, work, token):
    path = f"/api/v1/tokens/{token.public_id}/revoke"
    client = browser(alice, enforce_csrf_checks=True)
    body = json.dumps({"reason": "leaked"})
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        assert client.post(path, body, content_type=kind).status_code == 403
    client.get("/toolkits/new/")
    header = {"HTTP_X_CSRFTOKEN": client.cookies["nexus_csrf"].value}
    assert client.post(path, body, content_type="text/plain", **header).status_code in (403, 415)
    assert (
        client.post(
            path, body, content_type="application/json", HTTP_ORIGIN="https://evil.example", **header
        ).status_code
        == 403
    )
    token.refresh_from_db()
    assert token.revoked_at is None
    assert client.post(path, body, content_type="application/json", **header).status_code == 200


def test_looking_at_pages_changes_nothing(alice, work, token):
    client = browser(alice)
    for path in posting_addresses(token, work):
        if "logout" not in path:
            client.get(path, {"reason": "leaked", "submit": "1", "toolkit": str(work.pk), "name": "x", "life": "7"})
    token.refresh_from_db()
    assert token.revoked_at is None
    assert DelegatedToken.objects.count() == 1
    assert Application.objects.filter(disabled_at=None, may_exchange=True).count() == 1
    client.get("/accounts/logout/")
    assert client.get("/tokens/").status_code == 200
    work.refresh_from_db()
    assert work.deleted_at is None


def test_the_session_cookie_opens_neither_the_hub_nor_the_token_s_own_state(scene):
    client = browser(scene.alice)
    cookie = {"Cookie": f"nexus_session={client.cookies['nexus_session'].value}"}
    for path in ("/hub/mcp", "/mcp"):
        assert scene.live.call(None, url=path, headers=cookie).status_code == 401
    assert scene.live.request("GET", "/hub/token/verify", headers=cookie).status_code == 401
    assert scene.upstream.calls == []


def test_registering_and_new_secrets_need_a_confirmation_of_the_last_ten_minutes(alice, acme, token):
    client = browser(alice, confirmed_ago=601)
    client.post("/settings/account/", {"account": str(acme.pk)})
    data = {"name": "x", "kind": "people", "exchanges": "on", "request_key": str(uuid.uuid4())}
    stored = Application.objects.get().client_secret
    for path in ("new/", "Desk01234567/secret/", "Desk01234567/enable/"):
        answer = client.post(f"/applications/{path}", data | {"replaces": ""})
        assert answer.status_code == 303, path
        assert answer["Location"].startswith("/accounts/confirm/"), path
    assert Application.objects.get().client_secret == stored


def test_installing_needs_a_confirmation_of_the_last_ten_minutes(alice, work):
    answer = install(browser(alice, confirmed_ago=601), work)
    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/confirm/")
    assert not DelegatedToken.objects.exists()
    assert install(browser(alice, confirmed_ago=500), work).status_code == 200
