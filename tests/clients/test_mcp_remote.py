"""mcp-remote, through which programs that only start servers of their own reach the hub, driven by the Python client."""

import asyncio

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.clients.conftest import both_calls, calls_seen
from tests.clients.node import NODE, program

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


async def use_it(ready, folder):
    parameters = StdioServerParameters(
        command=str(NODE),
        args=[str(program("mcp-remote")), ready.url, "--allow-http", "--header", "Authorization:${AUTHORIZATION}"],
        env={"AUTHORIZATION": f"Bearer {ready.secret}", "HOME": str(folder), "MCP_REMOTE_CONFIG_DIR": str(folder)},
    )
    async with Client(stdio_client(parameters), mode="legacy") as client:
        listed = await client.list_tools()
        said = await client.call_tool("echo__echo", {"text": "hällo"})
        failed = await client.call_tool("echo__fail", {"text": "no"})
    return [tool.name for tool in listed.tools], said, failed


def test_it_lists_and_calls_and_is_recorded(ready, tmp_path):
    names, said, failed = asyncio.run(use_it(ready, tmp_path))
    assert names == ["echo__echo", "echo__fail", "nexus_status"]
    assert (said.content[0].text, bool(failed.is_error)) == ("hällo", True)
    assert calls_seen() == both_calls("mcp (via mcp-remote 0.15.1)", "2025-11-25")
