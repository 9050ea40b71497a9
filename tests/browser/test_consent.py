"""The browser flow of a client with a loopback address, in a real browser under the real policy."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OUT, sign_in
from tests.tokens.oauth.authorizing import CHALLENGE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300), pytest.mark.slow]
MAKE = """
from tokens.models import Application
for client_id, name, uris, secret in {rows!r}:
    Application.objects.create(
        client_id=client_id, name=name, registration_source="dcr", redirect_uris=uris, client_type=secret,
        authorization_grant_type="authorization-code",
    )
"""
ROWS = [
    ("native", "Claude Code", "http://127.0.0.1/callback http://localhost/callback http://[::1]/callback", "public"),
    ("server", "Dashboard", "http://127.0.0.1/callback", "confidential"),
    ("site", "Chat for everybody", "https://chat.example/connectors/callback", "public"),
    ("endless", "W" * 100, "https://chat.example/connectors/callback", "public"),
    ("cursor", "Cursor", "cursor://anysphere.cursor-mcp/oauth/callback https://www.cursor.com/callback", "public"),
]


@dataclass
class Client:
    """A program that waits for its answer, as clients do."""

    port: int
    answers: "Queue[dict[str, list[str]]]" = field(default_factory=Queue)
    has_ipv6: bool = False

    def address(self, client_id="native", host="127.0.0.1", **changes) -> str:
        sent = {
            "response_type": "code", "client_id": client_id, "redirect_uri": f"http://{host}:{self.port}/callback",
            "state": "s/1+2", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        } | changes  # fmt: skip
        return f"/oauth/authorize?{urlencode(sent)}"

    def answer(self) -> dict[str, str]:
        return {name: values[0] for name, values in self.answers.get(timeout=20).items()}


class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture
def client() -> Iterator[Client]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/callback?"):
                known.answers.put(parse_qs(urlsplit(self.path).query))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Back</title><h1>You may close this window</h1>")

        def log_message(self, *arguments):
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler)]
    known = Client(servers[0].server_address[1])
    with contextlib.suppress(OSError):  # where there is no IPv6, its test is skipped
        servers.append(Server6(("::1", known.port), Handler))
    known.has_ipv6 = len(servers) == 2
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    yield known
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def applications(nexus):
    nexus.manage("shell", "-c", MAKE.format(rows=ROWS))


def complaints(watched, client) -> list[str]:
    """Return what is wrong; that the client's own page is asked for is right."""
    return [text for text in watched.complaints if f":{client.port}/" not in text]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_from_sign_in_to_the_code(nexus, open_page, client, applications, host):
    if host == "[::1]" and not client.has_ipv6:
        pytest.skip("no IPv6 here")
    watched = open_page()
    page = watched.page
    page.goto(client.address(host=host))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(nexus, watched)
    page.goto(client.address(host=host))
    expect(page.get_by_text(f"{host}:{client.port}")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="You may close this window")).to_be_visible()
    answer = client.answer()
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("s/1+2", nexus.base)
    page.goto(nexus.base + "/tokens/")
    page.get_by_role("link", name="Connected applications").click()
    page.get_by_role("link", name="Claude Code").first.click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke now").click()
    expect(page.get_by_text("can no longer use").first).to_be_visible()
    assert complaints(watched, client) == []


def test_cancel_brings_the_news_back(nexus, open_page, client, applications):
    watched = open_page()
    page = sign_in(nexus, watched)
    page.goto(client.address())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="You may close this window")).to_be_visible()
    assert client.answer()["error"] == "access_denied"
    assert complaints(watched, client) == []


def test_the_policy_lets_the_form_lead_nowhere_else(nexus, open_page, client, applications):
    page = sign_in(nexus, open_page())
    page.goto(client.address())
    page.evaluate("document.querySelector('form').action = 'http://127.0.0.1:9/evil'")
    with page.expect_console_message(lambda message: "form-action" in message.text):
        page.get_by_role("button", name="Allow").click(no_wait_after=True)
    assert page.url.startswith(nexus.base)


def test_behind_a_confirmation_the_browser_still_arrives(nexus, open_page, client, applications):
    """The page on which one confirms lets its form lead to Nexus alone; Chromium holds redirects to that too."""
    watched = open_page()
    page = sign_in(nexus, watched)
    page.goto("/toolkits/")
    page.get_by_role("link", name="Default").first.click()
    named = {"resource": f"{nexus.base}/hub/mcp?profile=default"}
    page.goto(client.address("server", **named))
    page.get_by_role("button", name="Allow").click()
    assert "code" in client.answer()
    forget = (
        "from django.contrib.sessions.models import Session\n"
        "from django.contrib.sessions.backends.db import SessionStore\n"
        "for row in Session.objects.all():\n"
        "    store = SessionStore(row.session_key)\n"
        "    for record in store.get('account_authentication_methods', []): record['at'] -= 3600\n"
        "    store.save()\n"
    )
    nexus.manage("shell", "-c", forget)
    page.goto(client.address("server", **named))
    expect(page.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    page.get_by_role("button", name="Mail me a code").click()
    mails = sorted((nexus.folder / "var" / "mail").iterdir(), key=lambda path: path.stat().st_mtime)
    code = re.search(r"\n    ([A-Z0-9]{8})\n", mails[-1].read_text())[1]
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="You may close this window")).to_be_visible()
    assert "code" in client.answer()
    assert complaints(watched, client) == []


def test_the_way_works_without_scripts(nexus, open_page, client, applications):
    page = sign_in(nexus, open_page(java_script_enabled=False))
    page.goto(client.address())
    page.get_by_role("button", name="Allow").click()
    assert "code" in client.answer()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_of_the_flow_is_whole_and_quiet(nexus, open_page, client, applications, width, scheme):
    watched = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = sign_in(nexus, watched)
    OUT.mkdir(parents=True, exist_ok=True)
    fixed = {"resource": f"{nexus.base}/hub/mcp?profile=default"}
    pages = {
        "consent": (client.address(), 200),
        "consent-fixed": (client.address(**fixed), 200),
        "consent-site": (client.address("site", redirect_uri=ROWS[2][2], **fixed), 200),
        "consent-scheme": (client.address("cursor", redirect_uri=ROWS[4][2].split()[0]), 200),
        "consent-nothing": (client.address(resource=f"{nexus.base}/hub/mcp?profile=sales"), 404),
        "consent-no-redirect": (client.address(redirect_uri="https://evil.example/"), 400),
        "consent-refused": (client.address("site", redirect_uri=ROWS[2][2], scope="all"), 400),
        "consent-endless": (client.address("endless", redirect_uri=ROWS[3][2]), 200),
        "consent-refused-endless": (client.address("endless", redirect_uri=ROWS[3][2], scope="all"), 400),
        "connections": ("/tokens/applications/", 200),
    }
    for name, (path, status) in pages.items():
        assert page.goto(path).status == status, path
        if name == "consent":
            page.locator("details summary").first.click()
        page.screenshot(path=OUT / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"
        assert page.locator("h1").count() == 1, path
    assert complaints(watched, client) == []
