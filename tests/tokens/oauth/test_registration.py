"""Dynamic client registration (RFC 7591): what clients send is taken, what would be dangerous is not."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Attempts
from tests import cast
from tokens import jobs
from tokens.models import Application, Connection, registering
from tokens.oauth import client_metadata, registration
from tokens.oauth.redirects import objection_to

pytestmark = pytest.mark.django_db
CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]  # fmt: skip
# What clients were seen to send: reference values of November 2026.
SEEN = {
    "claude-code": {
        "client_name": "Claude Code (work)", "redirect_uris": ["http://localhost:54321/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    },
    "codex": {
        "client_name": "Codex", "redirect_uris": ["http://127.0.0.1:4321/callback"], "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    },
    "cursor": {"client_name": "Cursor", "redirect_uris": CURSOR, "token_endpoint_auth_method": "none"},
    "vscode": {
        "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "redirect_uris": [
            "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
        "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native",
    },
    "claude.ai": {"client_name": "Claude", "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]},
    "n8n": {
        "client_name": "n8n", "redirect_uris": ["https://n8n.example.com/rest/oauth2-credential/callback"],
        "token_endpoint_auth_method": "client_secret_post", "scope": "mcp offline_access", "software_id": "n8n",
        "logo_uri": "http://169.254.169.254/", "jwks_uri": "http://10.0.0.1/", "contacts": [],
    },
    "ipv6": {"redirect_uris": ["http://[::1]:9/callback"]},
}  # fmt: skip


def register(client, said=None, path="/oauth/register", **changes):
    body = {"client_name": "Test", "redirect_uris": ["https://app.example.com/callback"], **changes}
    return client.post(path, json.dumps(body if said is None else said), content_type="application/json")


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("path", ["/oauth/register", "/register"])
def test_what_clients_send_is_registered_and_told(client, name, path):
    said = SEEN[name]
    answer = register(client, said, path)
    told = answer.json()
    assert answer.status_code == 201, told
    assert answer["Cache-Control"] == "no-store"
    application = Application.objects.get(client_id=told["client_id"])
    assert application.redirect_uris.split() == told["redirect_uris"] == said["redirect_uris"]
    assert application.name == told.get("client_name", "") == said.get("client_name", "")
    assert told["grant_types"] == ["authorization_code", "refresh_token"]
    assert told["response_types"] == ["code"]
    assert told["scope"] == "mcp"
    assert abs(told["client_id_issued_at"] - timezone.now().timestamp()) < 60
    assert {"registration_access_token", "registration_client_uri", "logo_uri", "jwks_uri"}.isdisjoint(told)
    assert (application.account, application.machine, application.may_exchange) == (None, None, False)
    assert application.registration_source == "dcr"
    application.full_clean()


def test_a_confidential_client_is_shown_its_secret_once(client):
    told = register(client, token_endpoint_auth_method="client_secret_basic").json()
    secret = told["client_secret"]
    assert (told["client_secret_expires_at"], told["token_endpoint_auth_method"]) == (0, "client_secret_basic")
    application = Application.objects.get(client_id=told["client_id"])
    assert application.client_type == Application.CLIENT_CONFIDENTIAL
    assert application.client_secret.startswith("nexus_sha256$")
    assert check_password(secret, application.client_secret)
    assert application.secret_last_four == secret[-4:]
    assert secret not in json.dumps(list(Event.objects.values("after", "before", "reason")))


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "client_secret_basic"),
        ({"application_type": "native"}, "none"),
        ({"redirect_uris": ["http://localhost/callback"]}, "none"),
        ({"redirect_uris": CURSOR}, "none"),
        ({"token_endpoint_auth_method": "none"}, "none"),
        ({"application_type": "native", "token_endpoint_auth_method": "client_secret_post"}, "client_secret_post"),
    ],
    ids=["web", "native", "loopback", "mixed", "public", "native-confidential"],
)
def test_the_way_to_authenticate_follows_the_kind_of_client(client, changes, method):
    told = register(client, **changes).json()
    assert told["token_endpoint_auth_method"] == method
    assert ("client_secret" in told) == (method != "none")


def test_the_registration_is_an_event_with_the_address(client):
    told = register(client).json()
    event = Event.objects.get(action=Action.APPLICATION_REGISTERED)
    assert (event.actor_kind, event.actor_label, event.address) == ("system", "registration", "127.0.0.1")
    assert event.after == {"client_id": told["client_id"], "redirect_uris": told["redirect_uris"]}


def test_strangers_write_little_into_events_which_stay(client):
    uris = [f"https://app.example.com/{number}{'x' * 1900}" for number in range(10)]
    assert register(client, redirect_uris=uris).json()["redirect_uris"] == uris
    event = Event.objects.get(action=Action.APPLICATION_REGISTERED)
    assert event.after["redirect_uris"] == [uri[:200] for uri in uris]


GOOD = [
    "https://app.example.com", "https://app.example.com:8443/cb?tenant=1", "https://xn--bcher-kva.example/cb",
    "https://chatgpt.com/connector/oauth/abc123", "https://[2001:db8::1]/cb", "http://127.0.0.1/", "http://localhost",
    "http://[::1]:65535/cb", "http://localhost:1/cb?x=y", *CURSOR, "com.example.app:/oauth2redirect",
    "com.example.app://oauth/callback", "vscode://publisher.extension/cb", "zed://oauth", "claude://oauth/callback",
]  # fmt: skip
BAD = [
    "", " ", "/callback", "//evil.example/cb", "callback", "javascript:alert(1)", "JavaScript:alert(1)",
    "javascript://app.example.com/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "blob:https://a.example/1",
    "about:blank", "ws://127.0.0.1/", "wss://a.example/", "mailto:a@b.example", "ftp://127.0.0.1/", "vbscript:x",
    "view-source:https://a.example", "intent://a#Intent;end", "ms-msdt:/id", "search-ms:query=x", "myapp://callback",
    "http://app.example.com/cb", "http://10.0.0.1/cb", "http://0.0.0.0/cb", "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/", "http://localhost@evil.example/", "http://2130706433/", "http://127.1/",
    "https:app.example.com", "https:/app.example.com", "https:///app.example.com", "https://", "https://:443/",
    "https://user@a.example/", "https://user:pw@a.example/", "https://a.example@evil.example/", "https://a.example/#",
    "https://a.example/cb#x", "https://*.example.com/cb", "https://a.example/*", "https://a.example:0/",
    "https://a.example:99999/", "https://a.example:x/", "https://a.example:/", "https://a.example\\@evil.example/",
    "https://a.example/\ncb", "https://a.example/\tcb", "https://a.example/a b", "https://a.example/\0", "https://ä.example/",
    "https://a.example/‮cb", "https://a..example/", "https://-a.example/", "https://a_b.example/", "https://[::1/",
    "https://a.example/cb?code=1", "https://a.example/cb?a=b&state=1", "https://a.example/?iss=x", "CURSOR://x/y",
    "cursor:x", "com.example.app:x", "com.example.app", "https.example:alert(1)", ".example:/x", "com..example:/x",
    "https://a.example/" + "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("uri", GOOD)
def test_a_redirect_uri_that_clients_use_is_taken(uri):
    assert objection_to(uri) == ""


@pytest.mark.parametrize("uri", BAD, ids=range(len(BAD)))
def test_a_redirect_uri_that_could_lead_astray_is_refused(client, uri):
    answer = register(client, redirect_uris=["https://app.example.com/callback", uri])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri"), uri
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"https://a.example/{number}" for number in range(11)]}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example/"}, "invalid_client_metadata"),
        ({"redirect_uris": [5]}, "invalid_client_metadata"),
        ({"redirect_uris": {"a": 1}}, "invalid_client_metadata"),
        ({"grant_types": []}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"response_types": []}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        ({"client_name": "x" * 101}, "invalid_client_metadata"),
        ({"client_name": "Cl\u202eaude"}, "invalid_client_metadata"),
        ({"client_name": "a\nb"}, "invalid_client_metadata"),
        ({"client_name": "a\0b"}, "invalid_client_metadata"),
        ({"client_name": "Clau\u200bde"}, "invalid_client_metadata"),
        ({"client_name": "\u3164\u2800"}, "invalid_client_metadata"),
        ({"client_name": "Claude" + "\u0323\u0331" * 9}, "invalid_client_metadata"),
        ({"client_name": {"en": "x"}}, "invalid_client_metadata"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_metadata_that_cannot_be_is_refused_by_its_code(client, changes, code):
    answer = register(client, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, code)
    assert answer.json()["error_description"]
    assert not Application.objects.exists()


@pytest.mark.parametrize("grant_type", client_metadata.BY_HAND)
def test_what_needs_no_person_is_registered_in_the_portal_only(client, grant_type):
    answer = register(client, grant_types=[grant_type])
    assert answer.json()["error"] == "invalid_client_metadata"
    assert "ask an admin to register the application in the portal" in answer.json()["error_description"]
    told = register(client, grant_types=[grant_type, "authorization_code"]).json()
    assert told["grant_types"] == ["authorization_code", "refresh_token"]
    assert not Application.objects.get().may_exchange


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://a.example", "x" * 301, 5, None])
def test_a_home_page_that_cannot_be_shown_is_left_out(client, uri):
    told = register(client, client_uri=uri).json()
    assert "client_uri" not in told
    assert Application.objects.get().client_uri == ""


@pytest.mark.parametrize(
    "body", [b" ", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 60_000, b'{"a":"\\ud800"}'],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_json_object_is_refused(client, body):
    answer = client.post("/oauth/register", body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_other_methods_media_types_and_sizes_are_refused(client):
    for method in ("get", "head", "put", "patch", "delete"):
        answer = getattr(client, method)("/oauth/register")
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
    for media_type in ("application/x-www-form-urlencoded", "text/plain", "", "application/jwt"):
        answer = client.generic("POST", "/oauth/register", b"{}", content_type=media_type)
        assert (answer.status_code, answer.json()["error"]) == (415, "invalid_request"), media_type
    for size in (64 * 1024 + 1, 2 * 1024 * 1024):
        answer = client.post("/oauth/register", b" " * size, content_type="application/json")
        assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")
    assert register(client, contacts=["x" * 60_000]).status_code == 201


def test_a_database_that_is_gone_is_said_in_the_form_of_the_rfc(client):
    def gone(execute, sql, params, many, context):
        raise OperationalError("the database is gone")

    with connection.execute_wrapper(gone):
        answer = register(client)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


def test_one_address_registers_so_many_and_has_to_wait(client, monkeypatch):
    monkeypatch.setattr(registration, "PER_ADDRESS", 3)
    for _ in range(3):
        assert register(client).status_code == 201
    answer = register(client)
    assert (answer.status_code, answer["Retry-After"]) == (429, "600")
    assert answer.json()["error"] == "temporarily_unavailable"
    body = json.dumps({"redirect_uris": ["https://a.example/"]})
    other = client.post("/oauth/register", body, content_type="application/json", REMOTE_ADDR="192.0.2.1")
    assert other.status_code == 201


def test_ipv6_neighbours_share_their_number(client):
    assert registration.network_of("2001:db8::1") == registration.network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert registration.network_of("::ffff:192.0.2.1") != registration.network_of("::ffff:192.0.2.2")
    assert registration.network_of("") == "unknown"
    register(client)
    assert Attempts.objects.get().key == "register:127.0.0.1"


def test_strangers_fill_the_table_so_far_and_no_further(client, monkeypatch, alice, work):
    monkeypatch.setattr(registering, "MOST_UNCONNECTED", 2)
    for _ in range(2):
        assert register(client).status_code == 201
    answer = register(client)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer["Retry-After"]) > 0
    Connection.objects.connect(
        Application.objects.first(), alice, work, scope="mcp", by=cast.OPERATOR, now=timezone.now()
    )
    assert register(client).status_code == 201


def test_a_registration_costs_a_handful_of_queries(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        assert register(client).status_code == 201


@pytest.fixture
def registered(client, acme, alice, work):
    """Applications by name, registered 100 days ago."""
    now = timezone.now()
    past = now - timedelta(days=100)
    for name in ("never", "living", "disconnected", "used", "disabled"):
        register(client, client_name=name)
    cast.make_application(acme, "by hand")
    Application.objects.update(created=past)
    Application.objects.filter(name="disabled").update(disabled_at=past)
    register(client, client_name="new")
    found = {application.name: application for application in Application.objects.all()}
    for name in ("living", "disconnected", "used"):
        cast.make_access_token(alice, work, found[name], now=past)
    for name in ("disconnected", "used"):
        Connection.objects.filter(application=found[name]).update(revoked_at=past)
    Application.objects.filter(name="used").update(last_used_at=now - timedelta(days=10))
    return found


def test_the_sweep_removes_what_nobody_agreed_to_or_uses_any_more(registered):
    assert jobs.sweep_oauth(timezone.now()).forgotten == 2
    left = {"living", "used", "disabled", "by hand", "new"}
    assert set(Application.objects.values_list("name", flat=True)) == left
    assert jobs.sweep_oauth(timezone.now()).forgotten == 0


def test_the_command_sweeps_them_too(registered, capsys):
    call_command("sweep_tokens")
    assert "clients forgotten: 2\n" in capsys.readouterr().out


def test_a_recent_disconnection_is_kept(registered):
    Connection.objects.filter(application=registered["disconnected"]).update(revoked_at=timezone.now())
    assert jobs.sweep_oauth(timezone.now()).forgotten == 1
