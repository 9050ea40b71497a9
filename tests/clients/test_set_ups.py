"""The set-ups of Install, unchanged, fed to what they are for, against a live Nexus; Activity shows the call."""

import asyncio
import json
import os

import pytest
import yaml
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from activity.models import Call
from tests.clients.conftest import tools_called
from tests.clients.node import INSTALLED, NODE, program
from tests.clients.pasting import set_up, shell
from tokens.clients.filling import SLOT

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.mark.parametrize("slug", ["curl", "python", "javascript", "python-http"])
def test_a_shell_lists_the_tools_and_calls_one(ready, facts, tmp_path, slug):
    printed = shell(ready, set_up(facts, slug).text, tmp_path)
    assert "echo__echo" in printed
    assert tools_called() == [("echo__echo", "ok")]


def test_typescript(ready, facts, tmp_path):
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    (tmp_path / "nexus_sdk.mjs").write_text(set_up(facts, "typescript").text)
    assert "echo__echo" in shell(ready, "node nexus_sdk.mjs", tmp_path)
    assert tools_called() == [("echo__echo", "ok")]


def test_pipedream(ready, facts, tmp_path):
    (tmp_path / "nexus.mjs").write_text(set_up(facts, "pipedream").text)
    runner = "globalThis.defineComponent = (step) => step; console.log(JSON.stringify(await (await import('./nexus.mjs')).default.run()));"
    (tmp_path / "run.mjs").write_text(runner)
    assert json.loads(shell(ready, "node run.mjs", tmp_path))["tools"][0]["name"] == "echo__echo"


def test_a_step_of_any_ci(ready, facts, tmp_path):
    (tmp_path / "nexus.sh").write_text(set_up(facts, "ci-shell").text)
    assert json.loads(shell(ready, "sh nexus.sh", tmp_path))["result"]
    assert tools_called() == [("echo__echo", "ok")]


@pytest.mark.parametrize("slug", ["github-actions", "gitlab-ci"])
def test_the_step_of_a_ci_service(ready, facts, tmp_path, slug):
    described = yaml.safe_load(set_up(facts, slug, "Step" if slug == "github-actions" else "Job").text)
    step = described[0]["run"] if slug == "github-actions" else described["nexus"]["script"][0]
    assert shell(ready, step, tmp_path, NEXUS_URL=facts.url)
    assert Call.objects.filter(method="tools/list", outcome="ok").count() == 1


async def _list_through(parameters) -> list[str]:
    async with Client(stdio_client(parameters), mode="legacy") as client:
        return [tool.name for tool in (await client.list_tools()).tools]


def test_a_client_that_starts_mcp_remote(ready, facts, tmp_path):
    """As Claude Desktop and JetBrains do; npx is ours, and starts what is installed already."""
    server = json.loads(set_up(facts, "claude-desktop").text.replace(SLOT, ready.secret))["mcpServers"][facts.name]
    npx = tmp_path / "npx"
    npx.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-y mcp-remote@0.15.1" ] || exit 9\nshift 2\nexec {NODE} {program("mcp-remote")} "$@"\n'
    )
    npx.chmod(0o755)
    told = {
        **server["env"],
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MCP_REMOTE_CONFIG_DIR": str(tmp_path),
    }
    parameters = StdioServerParameters(command=str(npx), args=server["args"], env=told)
    assert "echo__echo" in asyncio.run(_list_through(parameters))
