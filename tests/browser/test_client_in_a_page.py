"""The official TypeScript client in a page of another origin: Chromium itself asks before every request whether it may."""

import functools
import json
import pathlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.bench.installation import Installation
from tests.browser.conftest import AN_HOUR_LATER, sign_in
from tests.clients.node import INSTALLED
from tests.prepared import prepare
from tests.upstreams import running_sdk_server

pytestmark = [
    pytest.mark.browser, pytest.mark.flow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)
]  # fmt: skip
SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "clients" / "page.mjs"
MODULES = {
    "@modelcontextprotocol/client": "@modelcontextprotocol/client/dist/index.mjs",
    "@modelcontextprotocol/client/_shims": "@modelcontextprotocol/client/dist/shimsBrowser.mjs",
    "@modelcontextprotocol/core/internal": "@modelcontextprotocol/core/dist/internal.mjs",
    "eventsource": "eventsource/dist/index.js",
    "eventsource-parser": "eventsource-parser/dist/index.js",
    "eventsource-parser/stream": "eventsource-parser/dist/stream.js",
    "jose": "jose/dist/webapi/index.js",
    "pkce-challenge": "pkce-challenge/dist/index.browser.js",
    "zod/v4": "zod/v4/index.js",
}
PAGE = f"""<!doctype html><title>A page</title><link rel="icon" href="data:,">
<script type="importmap">{json.dumps({"imports": {name: f"/{path}" for name, path in MODULES.items()}})}</script>
<button>Again</button><output></output><script type="module" src="/page.mjs"></script>"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the page, its script, and the packages as they were installed."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def do_GET(self):
        if self.path == "/page.mjs":
            self.say(SCRIPT.read_bytes(), "text/javascript")
        elif self.path.partition("?")[0] == "/":
            self.say(PAGE.encode(), "text/html; charset=utf-8")
        else:
            super().do_GET()

    def say(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site():
    assert INSTALLED.is_dir(), "The clients in JavaScript are not there: run `make clients`."
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(INSTALLED)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def nexus(site, tmp_path_factory):
    """The embedded run, told that pages of the site may use it."""
    installation = Installation(tmp_path_factory.mktemp("page"), {"NEXUS_ALLOWED_ORIGINS": site})
    prepare(installation.folder / "var")
    installation.start()
    with running_sdk_server() as url:
        installation.manage("add_server", "echo", url, "--toolkit", "default")
        yield installation
    installation.stop()


def test_a_page_of_another_origin_signs_in_calls_and_refreshes(nexus, site, open_page):
    watched = open_page()
    page = sign_in(nexus, watched)
    requests = []
    page.on("request", lambda request: requests.append(request.url.removeprefix(nexus.base).partition("?")[0]))
    page.goto(f"{site}/?hub={nexus.base}/hub/mcp")
    expect(page.get_by_role("heading", name="Let A page use your tools?")).to_be_visible()
    page.get_by_label("Default").check()
    page.get_by_role("button", name="Allow").click()
    expect(page.locator("output")).to_contain_text('"said":"hällo"')
    assert {"echo__echo", "nexus_status"} <= set(json.loads(page.locator("output").inner_text())["tools"])
    assert requests.count("/oauth/token") == 1

    nexus.manage("shell", "-c", AN_HOUR_LATER)
    page.get_by_role("button", name="Again").click()
    expect(page.locator("output")).to_contain_text('"said":"hällo"')
    assert (requests.count("/oauth/token"), requests.count("/oauth/register")) == (2, 1)
    assert [text for text in watched.complaints if f"asked {site}" not in text] == []


def test_a_page_of_an_origin_that_was_not_named_reads_nothing(nexus, site, open_page):
    watched = open_page()
    stranger = site.replace("127.0.0.1", "localhost")
    watched.page.goto(f"{stranger}/?hub={nexus.base}/hub/mcp")
    expect(watched.page.locator("output")).to_contain_text("Failed to fetch")
    assert any("blocked by CORS policy" in text for text in watched.complaints)
