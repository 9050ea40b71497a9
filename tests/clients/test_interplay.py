"""Calls that wait, ask out of turn, or announce something: what goes on beside requests and their answers."""

import asyncio
import json
import pathlib
import shutil
import subprocess

import anyio
import pytest
from django.db import connections
from django.utils import timezone

from profiles.upstream import discovery
from tests import cast
from tests.clients.conftest import Ready, calls_seen
from tests.clients.conversation import conversation
from tests.clients.interplay import RESOURCE, TOOLS, running_interplay
from tests.clients.node import INSTALLED, NODE
from tests.upstreams import wait_for

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.filterwarnings(
        "ignore::mcp.MCPDeprecationWarning"
    ),  # what the newest revision removes, older clients use
]


@pytest.fixture
def interplay():
    with running_interplay() as server:
        yield server


@pytest.fixture
def ready(transactional_db, live_process, interplay, alice) -> Ready:
    live_process.meet()
    server = cast.make_server(url=interplay.url, slug="interplay")
    server.remember_tools(discovery.list_tools(server), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=TOOLS, offers_resources=True)
    return Ready(live_process, live_process.url(toolkit), cast.make_token(alice, toolkit).key.text)


async def answer(client, tool: str) -> str:
    return (await client.call_tool(f"interplay__{tool}", {})).content[0].text


def seen_and_closed() -> bool:
    try:
        return bool(calls_seen())
    finally:
        connections.close_all()


@pytest.mark.parametrize(("mode", "protocol"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_a_client_that_stops_waiting_stops_the_tool(ready, interplay, mode, protocol):
    async def stop():
        async with conversation(ready.url, ready.secret, mode) as (client, _):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer, client, "wait")
                assert await asyncio.to_thread(interplay.started.wait, 20)
                tasks.cancel_scope.cancel()
            assert await asyncio.to_thread(interplay.cancelled.wait, 20)
            await asyncio.to_thread(wait_for, seen_and_closed, "the call in Activity")
            return len((await client.list_tools()).tools)

    assert asyncio.run(stop()) == len(TOOLS) + 1
    assert calls_seen() == [("mcp", protocol, "interplay__wait", "failed")]


@pytest.mark.parametrize("client", ["mcp1", "client", "sdk"])
def test_an_older_client_that_takes_a_call_back_hears_no_more_of_it(ready, interplay, tmp_path, client):
    with subprocess.Popen(
        command_of(client, ready.url, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"NEXUS_TOKEN": ready.secret, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    ) as program:  # fmt: skip
        assert interplay.started.wait(30)
        tell(program)
        assert interplay.cancelled.wait(30)
        wait_for(calls_seen, "the call in Activity")
        tell(program)
        printed, _ = program.communicate(timeout=30)
    assert json.loads(printed) == {"tools": len(TOOLS) + 1, "problems": []}
    assert [outcome for _, _, _, outcome in calls_seen()] == ["failed"]


def command_of(client: str, url: str, folder: pathlib.Path) -> list[object]:
    """Return what runs the client, the JavaScript ones with their packages beside the script."""
    if client == "mcp1":
        return [BUILD / "mcp1" / "bin" / "python", "-I", HERE / "cancel_mcp1.py", url]
    (folder / "node_modules").symlink_to(INSTALLED)
    return [NODE, shutil.copy(HERE / "cancel.mjs", folder), client, url]


def tell(program: "subprocess.Popen[str]") -> None:
    assert program.stdin
    program.stdin.write("\n")
    program.stdin.flush()


def test_the_first_call_of_an_older_client_may_ask_for_roots_out_of_turn(ready):
    async def ask():
        async with asyncio.timeout(30), conversation(ready.url, ready.secret, "legacy") as (client, _):
            return await answer(client, "roots")

    assert asyncio.run(ask()) == "file:///home/ada"


def test_an_older_client_is_sent_to_an_address(ready):
    async def ask():
        async with asyncio.timeout(30), conversation(ready.url, ready.secret, "legacy") as (client, heard):
            return await answer(client, "link"), [asked.url for asked in heard.asked]

    assert asyncio.run(ask()) == ("accept", ["https://example.com/sign-in"])


def test_announcements_reach_an_older_client_by_its_stream(ready):
    async def listen():
        async with asyncio.timeout(30), conversation(ready.url, ready.secret, "legacy") as (client, heard):
            await client.subscribe_resource(RESOURCE)
            await answer(client, "announce")
            while len(heard.messages) < 2:
                await heard.came.wait()
                heard.came.clear()
            return [message.method for message in heard.messages]

    assert asyncio.run(listen()) == ["notifications/tools/list_changed", "notifications/resources/updated"]
