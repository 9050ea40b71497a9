"""Clients whose id is the address of their document: read through the guard, kept, and taken with a grain of salt."""

import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.utils import timezone
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.common import Request

from nexus import doctor
from profiles.events import Action, Event
from profiles.models import Attempts
from tests.hub.certificates import make_certificate, serving_with
from tokens import jobs
from tokens.models import Application, registering
from tokens.oauth import documents
from tokens.oauth.endpoint import FORM
from tokens.oauth.seeds import SEEDS

pytestmark = pytest.mark.django_db
CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"


class Site:
    """Serves one answer over TLS, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.status, self.headers, self.body = 0, 200, {"Content-Type": "application/json"}, b""
        self.address = ""

    def says(self, **changes):
        self.body = json.dumps(self.document(**changes)).encode()

    def document(self, **changes):
        return {
            "client_id": self.address,
            "client_name": "Editor",
            "redirect_uris": ["http://127.0.0.1/callback", "editor.example.com:/callback"],
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "none",
            **changes,
        }


@contextmanager
def serving(certificate):
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked += 1
            self.send_response(site.status)
            for name, text in {"Content-Length": str(len(site.body)), **site.headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(site.body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = serving_with(certificate).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"https://localhost:{server.server_address[1]}/client.json"
    site.says()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def _certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def site(_certificate, monkeypatch, settings):
    monkeypatch.setenv("SSL_CERT_FILE", str(_certificate))
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "CIMD_ENABLED": True}
    with serving(_certificate) as site:
        yield site


def client_of(client_id, uri=""):
    """Return the application, as the endpoint of that address finds it."""
    request = Request(uri)
    validator = get_oauthlib_core().server.request_validator
    return request.client if validator.validate_client_id(client_id, request) else None


def make_stale():
    Application.objects.update(cimd_expires_at=timezone.now() - timedelta(seconds=1))
    cache.clear()


def test_a_client_is_known_by_its_document(site):
    application = client_of(site.address)
    assert (application.name, application.registration_source) == ("Editor", "cimd")
    assert application.redirect_uris.split() == ["http://127.0.0.1/callback", "editor.example.com:/callback"]
    assert application.client_type == Application.CLIENT_PUBLIC
    assert (application.account, application.machine, application.may_exchange) == (None, None, False)
    event = Event.objects.get(action=Action.APPLICATION_REGISTERED)
    assert (event.actor_label, event.after["client_id"]) == ("client id metadata document", site.address)


def test_it_is_read_once_and_again_when_it_has_grown_old(site):
    for _ in range(3):
        assert client_of(site.address)
    assert site.asked == 1
    site.says(client_name="Renamed")
    make_stale()
    assert client_of(site.address).name == "Renamed"
    assert site.asked == 2
    assert Event.objects.filter(action=Action.APPLICATION_REGISTERED).count() == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 86400), ({"Cache-Control": "max-age=3600, public"}, 3600), ({"Cache-Control": "no-store"}, 300),
        ({"Cache-Control": "max-age=1"}, 300), ({"Cache-Control": "max-age=99999999999"}, 86400),
        ({"Cache-Control": "max-age=x"}, 86400), ({"Cache-Control": f"max-age={'9' * 5000}"}, 86400),
    ],
    ids=["silent", "hour", "none", "short", "long", "odd", "endless"],
)  # fmt: skip
def test_it_holds_as_long_as_its_server_says_within_bounds(site, said, seconds):
    site.headers |= said
    left = client_of(site.address).cimd_expires_at - timezone.now()
    assert abs(left.total_seconds() - seconds) < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://claude.ai/oauth/claude-code-client-metadata"}, {"client_id": None},
        {"client_secret": "x"}, {"client_secret_expires_at": 0}, {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"}, {"redirect_uris": []}, {"redirect_uris": ["javascript:x"]},
        {"redirect_uris": ["http://evil.example/"]}, {"grant_types": ["client_credentials"]},
        {"client_name": "Cl\u202eaude"}, {"client_name": 5}, {"response_types": ["token"]},
    ],
    ids=range(13),
)  # fmt: skip
def test_a_document_that_cannot_be_leaves_the_client_unknown(site, changes):
    site.says(**changes)
    assert client_of(site.address) is None
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (404, {}, b"{}"), (500, {}, b"{}"), (302, {"Location": "https://localhost:1/"}, b""),
        (200, {"Content-Type": "text/html"}, b""), (200, {}, b"[]"), (200, {}, b"{"), (200, {}, b"\xff"),
        (200, {}, b" " * 17_000), (200, {"Content-Encoding": "gzip"}, b"x"), (200, {}, b"[" * 16_000),
    ],
    ids=range(10),
)  # fmt: skip
def test_an_answer_that_is_no_document_is_not_followed_or_asked_again_at_once(site, status, headers, body):
    site.status, site.body = status, body or site.body
    site.headers |= headers
    for _ in range(3):
        assert client_of(site.address) is None
    assert site.asked == 1


def test_an_old_document_stands_where_a_new_one_cannot_be_read(site):
    client_of(site.address)
    site.status = 503
    make_stale()
    application = client_of(site.address)
    assert application.name == "Editor"
    assert timedelta(minutes=50) < application.cimd_expires_at - timezone.now() < timedelta(minutes=70)
    assert client_of(site.address)
    assert site.asked == 2


@pytest.mark.parametrize(
    "client_id",
    [
        "https://10.0.0.1/client.json", "https://169.254.169.254/x", "https://[fd00::1]/x", "https://0x0a000001/x",
        "https://100.100.100.200/x", "https://metadata.google.internal/x", "https://user@localhost/x",
        "https://localhost/../x", "https://localhost/./x", "https://localhost/x#f", "https://localhost/", "https://localhost",
        "https://localhost:0/x", "https://localhost:99999/x", "https:///x", "https://[::1/x", "https://localhost/\r\nX: y",
        "https://localhost/" + "x" * 300, "https://localhost/ä", "http://localhost/client.json", "file:///etc/passwd",
    ],
    ids=range(21),
)  # fmt: skip
def test_nothing_inside_is_asked_and_no_other_address(site, client_id):
    assert client_of(client_id) is None
    assert not Application.objects.exists()


def test_the_operators_networks_are_what_opens_a_private_address(site, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    assert client_of(site.address) is None
    assert site.asked == 0


def test_a_certificate_that_nobody_vouches_for_is_refused(site, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert client_of(site.address) is None
    assert site.asked == 0


def test_nothing_is_read_where_documents_are_off(site, settings):
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "CIMD_ENABLED": False}
    assert client_of(site.address) is None
    assert client_of(CLAUDE_CODE) is None
    assert site.asked == 0


def test_only_the_consent_page_makes_nexus_read_what_a_stranger_names(site, client):
    for uri in ("/oauth/token", "/oauth/revoke", "/oauth/introspect", "http://localhost/token"):
        assert client_of(site.address, uri) is None
    form = urlencode({"grant_type": "authorization_code", "client_id": site.address, "code": "x"})
    answer = client.post("/oauth/token", form, content_type=FORM)
    assert answer.status_code in (400, 401)
    assert site.asked == 0
    assert client_of(site.address, "/oauth/authorize?client_id=x")
    make_stale()
    assert client_of(site.address, "/oauth/token")
    assert site.asked == 1


def test_strangers_make_nexus_ask_so_often_and_no_oftener(site, monkeypatch):
    monkeypatch.setattr(documents, "FETCHES", 2)
    for number in range(5):
        client_of(f"{site.address}?{number}")
    assert site.asked == 2
    Attempts.objects.forget("documents")
    monkeypatch.setattr(registering, "MOST_UNCONNECTED", 0)
    assert client_of(site.address) is None
    assert site.asked == 2


@pytest.mark.parametrize("client_id", SEEDS)
def test_a_client_in_use_is_known_without_a_fetch(site, client_id):
    application = client_of(client_id)
    assert application.name == SEEDS[client_id]["client_name"]
    assert application.redirect_uris.split() == SEEDS[client_id]["redirect_uris"]
    application.full_clean()


def test_a_seed_stands_where_its_address_cannot_be_read_and_is_replaced_where_it_can(site, monkeypatch):
    monkeypatch.setitem(SEEDS, site.address, SEEDS[CLAUDE_CODE])
    site.status = 503
    assert client_of(site.address).name == "Claude Code"
    assert site.asked == 0
    make_stale()
    assert client_of(site.address).name == "Claude Code"
    site.status = 200
    make_stale()
    assert client_of(site.address).name == "Editor"
    assert site.asked == 2


def test_a_document_never_takes_over_an_application_of_the_portal(site, acme):
    Application.objects.create(
        client_id=site.address, name="ours", account=acme, client_type="public",
        authorization_grant_type="authorization-code", redirect_uris="https://a.example/",
    )  # fmt: skip
    make_stale()
    assert client_of(site.address).name == "ours"
    assert site.asked == 0


def test_a_disabled_client_stays_disabled(site):
    client_of(site.address)
    Application.objects.update(disabled_at=timezone.now())
    make_stale()
    assert client_of(site.address) is None


def test_who_never_connected_is_forgotten_and_may_come_again(site):
    client_of(site.address)
    Application.objects.update(created=timezone.now() - timedelta(days=2))
    assert jobs.sweep_oauth(timezone.now()).forgotten == 1
    assert client_of(site.address)


def test_doctor_says_whether_documents_can_be_read(site, settings, monkeypatch):
    assert "are off" in doctor.client_documents().detail
    settings.NEXUS_CLIENT_ID_DOCUMENTS = True
    for address in list(SEEDS):
        monkeypatch.delitem(SEEDS, address)
    monkeypatch.setitem(SEEDS, "https://10.0.0.1/client.json", {})
    found = doctor.client_documents()
    assert (found.state, "NEXUS_CLIENT_ID_DOCUMENTS=0" in found.detail) == ("warn", True)
    monkeypatch.setitem(SEEDS, site.address, {})
    assert doctor.client_documents().state == "ok"
