"""Row 50: no foreign origin is let in, and no foreign host name is believed."""

import pytest

from tests.security.conftest import EVERYTHING
from tests.security.pages import browser, filled_in, routes

pytestmark = EVERYTHING
FOREIGN = ["https://evil.example", "null", "http://localhost.evil.example", "http://evil.localhost:1", "file://"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_the_hub_answers_no_foreign_origin(scene, origin):
    for path in ("/hub/mcp", "/mcp", "/hub/token/verify"):
        for method in ("POST", "GET", "OPTIONS", "DELETE"):
            answer = scene.live.request(
                method, path, headers={"Origin": origin, "Authorization": f"Bearer {scene.secret}"}
            )
            assert answer.status_code == 403, (method, path)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert scene.upstream.calls == []


def test_the_own_origin_may_call_without_cookies(scene):
    origin = scene.live.base
    answer = scene.live.call(scene.issued, headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()
    assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]
    preflight = scene.live.request(
        "OPTIONS", "/hub/mcp", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 204
    assert "access-control-allow-credentials" not in preflight.headers


def test_no_page_or_endpoint_reflects_an_origin(alice, work):
    client = browser(alice)
    for path, _ in routes():
        address = filled_in(path, {"pk": work.pk})
        for method in ("get", "options"):
            answer = getattr(client, method)(address, HTTP_ORIGIN="https://evil.example")
            assert "Access-Control-Allow-Origin" not in answer, (method, address)
            assert "Access-Control-Allow-Credentials" not in answer, (method, address)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "127.0.0.1.evil.example"]
)
def test_a_foreign_host_name_is_refused_by_hub_and_portal(scene, host):
    line = b"Authorization: Bearer " + scene.secret.encode()
    for path in (b"/hub/mcp", b"/accounts/login/", b"/accounts/password/reset/", b"/hub/token/verify"):
        request = b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n%b\r\n\r\n" % (path, host.encode(), line)
        status, answer = scene.live.raw(request)
        assert status == 400, (path, answer[:300])
        assert b"http://" + host.encode() not in answer


def test_links_in_mails_and_refusals_have_the_address_of_the_settings(scene, mailoutbox):
    answer = scene.live.call(None, headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})
    assert "evil.example" not in answer.text + str(answer.headers)
    scene.alice.emailaddress_set.update_or_create(email=scene.alice.email, defaults={"verified": True, "primary": True})
    browser().post(
        "/accounts/password/reset/",
        {"email": scene.alice.email},
        HTTP_HOST="localhost",
        HTTP_X_FORWARDED_HOST="evil.example",
    )
    assert not any("evil.example" in mail.body for mail in mailoutbox)


def test_a_web_socket_is_not_opened(scene):
    status, _ = scene.live.raw(
        b"GET /hub/mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n\r\n"
    )
    assert status != 101
