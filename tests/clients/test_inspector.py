"""The Inspector's command line, in both eras."""

import json

import pytest

from tests.clients.conftest import calls_seen
from tests.clients.node import NODE, program

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.mark.parametrize(("era", "protocol"), [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
def test_it_lists_and_calls_and_is_recorded(ready, tmp_path, era, protocol):
    server = {
        "type": "streamable-http", "url": ready.url, "protocolEra": era,
        "headers": {"Authorization": f"Bearer {ready.secret}"},
    }  # fmt: skip
    config = tmp_path / "servers.json"
    config.write_text(json.dumps({"mcpServers": {"hub": server}}))

    def inspect(*arguments):
        command = (NODE, program("mcp-inspector"), "--cli", "--config", config, "--server", "hub", "--format", "json")
        return json.loads(ready.run(*command, *arguments, env={"HOME": str(tmp_path)}))["result"]

    listed = inspect("--method", "tools/list")
    said = inspect("--method", "tools/call", "--tool-name", "echo__echo", "--tool-arg", "text=hällo")
    assert [tool["name"] for tool in listed["tools"]] == ["echo__echo", "echo__fail", "nexus_status"]
    assert said["content"][0]["text"] == "hällo"
    assert calls_seen() == [("inspector-cli", protocol, "echo__echo", "ok")]
