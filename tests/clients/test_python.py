"""The official Python client, as it comes and in its older mode, against a live Nexus."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.clients.conftest import both_calls, calls_seen

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def connected(ready, mode):
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {ready.secret}"}, trust_env=False) as http,
        Client(streamable_http_client(ready.url, http_client=http), mode=mode) as client,
    ):
        yield client


async def use_it(ready, mode):
    async with connected(ready, mode) as client:
        listed = await client.list_tools()
        said = await client.call_tool("echo__echo", {"text": "hällo"})
        failed = await client.call_tool("echo__fail", {"text": "no"})
    return [tool.name for tool in listed.tools], said, failed


@pytest.mark.parametrize(("mode", "protocol"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_it_lists_and_calls_and_is_recorded(ready, mode, protocol):
    names, said, failed = asyncio.run(use_it(ready, mode))
    assert names == ["echo__echo", "echo__fail", "nexus_status"]
    assert (said.content[0].text, bool(said.is_error)) == ("hällo", False)
    assert failed.is_error
    assert calls_seen() == both_calls("mcp", protocol)
