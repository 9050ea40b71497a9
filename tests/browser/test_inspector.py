"""The Inspector's own pages in Chromium: connect, allow, call a tool, and call again an hour later."""

import json
import pathlib
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AN_HOUR_LATER, OUT, sign_in
from tests.clients.node import NODE, program
from tests.live import free_port
from tests.upstreams import running_sdk_server, wait_for

pytestmark = [
    pytest.mark.browser, pytest.mark.flow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)
]  # fmt: skip
PRELOADED = pathlib.Path(__file__).resolve().parents[1] / "clients" / "without_bundler.mjs"


@pytest.fixture
def inspector(nexus, tmp_path) -> Iterator[str]:
    """Start the Inspector's web server for an address that names no toolkit; yield its page."""
    config, log = tmp_path / "servers.json", tmp_path / "log"
    config.write_text(json.dumps({"mcpServers": {"hub": {"type": "streamable-http", "url": f"{nexus.base}/hub/mcp"}}}))
    told = {
        "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_SECRET_STORE": "file", "CLIENT_PORT": str(free_port()), "MCP_SANDBOX_PORT": str(free_port()),
    }  # fmt: skip
    command = [NODE, "--import", PRELOADED, program("mcp-inspector"), "--web", "--config", config]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=told, stdout=output, stderr=output)

    def address() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"http://127\.0\.0\.1:\d+\S+API_TOKEN=\w+", log.read_text())

    try:
        wait_for(address, "the Inspector")
        found = address()
        assert found
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def test_it_signs_in_calls_and_refreshes(nexus, inspector, open_page):
    page = sign_in(nexus, open_page())
    page.route(re.compile(r"^https?://(?!localhost|127\.0\.0\.1)"), lambda route: route.abort())
    with running_sdk_server() as url:
        nexus.manage("add_server", "echo", url, "--toolkit", "default")
        page.goto(inspector)
        page.get_by_role("switch", name='Connect or disconnect "hub"').click(force=True)
        expect(page.get_by_role("heading", name="Let MCP Inspector use your tools?")).to_be_visible()
        page.get_by_label("Default").check()
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_text("Authorization complete")).to_be_visible()
        page.get_by_text("Tools", exact=True).first.click()
        page.get_by_role("button", name="echo__echo").click()
        page.get_by_role("textbox", name="text").fill("hällo")
        page.get_by_role("button", name="Execute Tool").click()
        expect(page.get_by_text("hällo", exact=True)).to_be_visible()
        nexus.manage("shell", "-c", AN_HOUR_LATER)
        page.get_by_role("button", name="Replay").first.click()
        expect(page.get_by_text("TOOLS/CALL")).to_have_count(2)
        expect(page.get_by_text("OK", exact=True)).to_have_count(4)
        OUT.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=OUT / "inspector.png")
    counted = nexus.manage(
        "shell", "-c", "from tokens.models import *; print(OAuthSession.objects.count(), RefreshToken.objects.count())"
    )
    assert counted.splitlines()[-1] == "1 2"
