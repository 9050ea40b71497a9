"""The Inspector's command line and its browser flow: each command is a program of its own, with a store that they share."""

import json

import pytest

from tests.clients.conftest import calls_seen
from tests.clients.node import NODE, program
from tests.clients.signing_in import TOOLS, asked_for, connected, disconnect, end_access_tokens, person, sessions
from tests.live import free_port

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.flow]


@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
@pytest.mark.parametrize(("era", "protocol"), [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
def test_it_signs_in_refreshes_and_signs_in_again_once_disconnected(
    ready, alice, tmp_path, era, protocol, names_toolkit
):
    browser = person(alice, tmp_path)
    url = ready.url if names_toolkit else f"{ready.live.base}/hub/mcp"
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"

    def inspect(*arguments):
        command = (
            NODE, program("mcp-inspector"), "--cli", "--server-url", url, "--transport", "http", "--format", "json",
            "--protocol-era", era, "--callback-url", callback, *arguments,
        )  # fmt: skip
        printed = browser.runs(*command, MCP_AUTO_OPEN_ENABLED="true", MCP_INSPECTOR_SECRET_STORE="file")
        return json.loads(printed)["result"]

    def call():
        said = inspect("--method", "tools/call", "--tool-name", "echo__echo", "--tool-arg", "text=hällo")
        return said["content"][0]["text"]

    assert [tool["name"] for tool in inspect("--method", "tools/list")["tools"]] == TOOLS
    assert connected() == [("dcr", "public", "work")]
    [visit] = browser.visits
    assert asked_for(visit)["resource"] == url
    assert bool(visit["choices"]) is not names_toolkit
    assert call() == "hällo"
    assert sessions() == (1, 1, 1)

    end_access_tokens(ready)
    assert call() == "hällo"
    assert (len(browser.visits), sessions()) == (1, (1, 1, 2))

    disconnect()
    assert call() == "hällo"
    assert (len(browser.visits), sessions()) == (2, (1, 2, 3))
    assert calls_seen() == [("inspector-cli", protocol, "echo__echo", "ok")] * 3
