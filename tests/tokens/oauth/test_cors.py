"""Which web pages may read what OAuth's endpoints answer."""

import json

import pytest
from django.test import Client

from tests.live import start

pytestmark = pytest.mark.django_db
INSPECTOR = "http://localhost:6274"
PATHS = [
    "/oauth/token", "/oauth/register", "/token", "/register", "/oauth/revoke", "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/hub/mcp?profile=work", "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration/mcp", "/hub/mcp/.well-known/openid-configuration",
]  # fmt: skip
FOREIGN = ["https://evil.example", "null", "http://localhost:6275", "http://localhost:6274.evil.example", "file://"]


@pytest.fixture
def _inspector(settings):
    settings.NEXUS_ALLOWED_ORIGINS = [INSPECTOR]


@pytest.mark.usefixtures("_inspector")
@pytest.mark.parametrize("path", PATHS)
class TestEveryAddress:
    def test_a_page_of_an_allowed_origin_may_ask(self, client, path):
        answer = client.options(
            path,
            headers={
                "Origin": INSPECTOR,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
            },
        )
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer["Access-Control-Allow-Origin"] == INSPECTOR
        assert {"GET", "POST"} <= set(answer["Access-Control-Allow-Methods"].split(", "))
        allowed = answer["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type", "mcp-protocol-version"} <= set(allowed)
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer

    def test_and_may_read_the_answer_an_error_too(self, client, path):
        for method in ("get", "post"):
            answer = getattr(client, method)(path, headers={"Origin": INSPECTOR})
            assert answer["Access-Control-Allow-Origin"] == INSPECTOR
            exposed = answer["Access-Control-Expose-Headers"].split(", ")
            assert {"Mcp-Session-Id", "WWW-Authenticate"} <= set(exposed)
            assert "Access-Control-Allow-Credentials" not in answer

    def test_a_foreign_page_may_not(self, client, path):
        for origin in FOREIGN:
            preflight = client.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
            assert preflight.status_code == 403
            assert "NEXUS_ALLOWED_ORIGINS" in preflight.json()["error_description"]
            for answer in (preflight, client.get(path, headers={"Origin": origin})):
                assert not [name for name in answer.headers if name.startswith("Access-Control-")]
                assert "Origin" in answer["Vary"]

    def test_caches_are_told_that_the_origin_matters(self, client, path):
        answer = client.get(path)
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.usefixtures("_inspector")
@pytest.mark.parametrize(
    "path", ["/", "/accounts/login/", "/oauth/authorize", "/oauth/introspect", "/api/v1/tokens", "/admin/"]
)
def test_no_other_address_answers_other_origins(client, path):
    for method in ("get", "options", "post"):
        answer = getattr(client, method)(path, headers={"Origin": INSPECTOR})
        assert "Access-Control-Allow-Origin" not in answer


def test_the_own_origin_is_allowed_without_being_named(client, settings):
    for origin in (settings.NEXUS_BASE_URL, settings.NEXUS_BASE_URL.replace("localhost", "127.0.0.1")):
        answer = client.get(PATHS[-1], headers={"Origin": origin})
        assert answer["Access-Control-Allow-Origin"] == origin
    settings.NEXUS_PRODUCTION, settings.NEXUS_BASE_URL = True, "https://nexus.example.com"
    assert "Access-Control-Allow-Origin" not in client.get(PATHS[-1], headers={"Origin": "http://localhost"})
    answer = client.get(PATHS[-1], headers={"Origin": "https://nexus.example.com"})
    assert answer["Access-Control-Allow-Origin"] == "https://nexus.example.com"


def test_a_page_registers_a_client(settings):
    settings.NEXUS_ALLOWED_ORIGINS = [INSPECTOR]
    client = Client(enforce_csrf_checks=True)
    answer = client.post(
        "/oauth/register", json.dumps({"redirect_uris": [f"{INSPECTOR}/oauth/callback"]}), headers={"Origin": INSPECTOR},
        content_type="application/json",
    )  # fmt: skip
    assert answer.status_code == 201
    assert answer["Access-Control-Allow-Origin"] == INSPECTOR


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_the_hub_lets_the_same_pages_in(transactional_db, tmp_path):
    live = start(tmp_path, NEXUS_ALLOWED_ORIGINS=INSPECTOR)
    try:
        for path in ("/hub/mcp", "/mcp", "/oauth/token", "/.well-known/oauth-protected-resource/mcp"):
            preflight = live.request(
                "OPTIONS", path, headers={"Origin": INSPECTOR, "Access-Control-Request-Method": "POST"}
            )
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, INSPECTOR)
            answer = live.request("POST", path, headers={"Origin": INSPECTOR})
            assert answer.headers["access-control-allow-origin"] == INSPECTOR
            assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
            refused = live.request("OPTIONS", path, headers={"Origin": FOREIGN[0]})
            assert refused.status_code == 403
    finally:
        live.stop()
