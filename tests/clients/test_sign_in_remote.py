"""mcp-remote's whole browser flow: a program that only starts servers of its own, and a browser beside it."""

import pytest

from tests.clients.conftest import both_calls, calls_seen
from tests.clients.node import NODE, program
from tests.clients.signing_in import TOOLS, asked_for, connected, disconnect, end_access_tokens, person, sessions

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "desktop", "version": "1"}}


class Desktop:
    """Speaks to the server that it started, one line each way."""

    def __init__(self, client):
        self.client, self.asked = client, 0

    def ask(self, method: str, **params) -> dict:
        self.asked += 1
        self.client.tell({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params})
        while (answer := self.client.says()).get("id") != self.asked:
            pass
        assert "result" in answer, answer
        return answer["result"]

    def call(self, tool: str) -> tuple[str, bool]:
        result = self.ask("tools/call", name=tool, arguments={"text": "hällo"})
        return result["content"][0]["text"], result.get("isError", False)


@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
def test_it_signs_in_refreshes_and_signs_in_again_once_disconnected(ready, alice, tmp_path, names_toolkit):
    browser = person(alice, tmp_path)
    url = ready.url if names_toolkit else f"{ready.live.base}/hub/mcp"
    told = {"MCP_REMOTE_CONFIG_DIR": str(tmp_path)}
    with browser.starts(NODE, program("mcp-remote"), url, "--allow-http", **told) as started:
        desktop = Desktop(started)
        desktop.ask("initialize", **HELLO)
        started.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert [tool["name"] for tool in desktop.ask("tools/list")["tools"]] == TOOLS
        assert [desktop.call("echo__echo"), desktop.call("echo__fail")] == [("hällo", False), ("hällo", True)]
        assert connected() == [("dcr", "public", "work")]
        [visit] = browser.visits
        assert asked_for(visit)["resource"] == url
        assert bool(visit["choices"]) is not names_toolkit
        assert sessions() == (1, 1, 1)

        end_access_tokens(ready)
        assert desktop.call("echo__echo") == ("hällo", False)
        assert (len(browser.visits), sessions()) == (1, (1, 1, 2))

        disconnect()
        assert desktop.call("echo__fail") == ("hällo", True)
        assert (len(browser.visits), sessions()) == (2, (1, 2, 3))
    first, second = both_calls("desktop (via mcp-remote 0.15.1)", "2025-11-25")
    refused = [
        ("", "", tool, "refused") for tool in ("echo__echo", "echo__fail")
    ]  # with what had ended: it sent each twice
    assert calls_seen() == [first, second, refused[0], first, refused[1], second]
