"""The stdio host as a process of its own: what it starts, ends and starts again, and how many."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from profiles.definitions import name_in
from profiles.first_run import make_demo_repository
from profiles.upstream import stdio_host
from profiles.upstream.discovery import all_tools
from profiles.upstream.errors import UpstreamError
from profiles.upstream.leg import Leg
from tests.hub.stdio import (
    CAPABLE,
    SERVER,
    TIME,
    WITHOUT_LANDLOCK,
    WITHOUT_NAMESPACES,
    Talk,
    listener_at,
    running_host,
    speaking,
)
from tests.nexus.running import descendants, is_living
from tests.upstreams import wait_for


@pytest.fixture(scope="module")
def socket(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("host") / "var", "--own-processes", 2) as path:
        yield path


@pytest.fixture
async def leg_to(socket):
    legs = []

    def make(command):
        legs.append(Leg(f"unix:{socket}", command=command))
        return legs[-1]

    yield make
    for leg in legs:
        leg.close()
    await asyncio.sleep(0)  # one turn of the loop, in which the connections end


def test_the_socket_is_for_its_user_alone(socket):
    assert socket.stat().st_mode & 0o077 == 0


async def test_a_real_server_lists_and_answers(leg_to):
    leg = leg_to(TIME)
    names = [name_in(raw) for raw in await all_tools(leg)]
    assert "get_current_time" in names
    answer = await leg.request(
        "tools/call", b'{"name":"get_current_time","arguments":{"timezone":"Europe/Berlin"}}', name="get_current_time"
    )
    assert b"Europe/Berlin" in answer.result


async def test_concurrent_requests_get_their_own_answers(leg_to):
    leg = leg_to(TIME)
    zones = ["Europe/Berlin", "Asia/Tokyo", "America/New_York"] * 10

    async def ask(zone):
        params = b'{"name":"get_current_time","arguments":{"timezone":"%b"}}' % zone.encode()
        assert zone.encode() in (await leg.request("tools/call", params, name="get_current_time")).result

    await asyncio.gather(*(ask(zone) for zone in zones))


async def test_a_server_that_dies_costs_one_answer_and_is_started_again(leg_to):
    leg = leg_to([*SERVER, "dies"])
    before = (await leg.request("look", b"{}")).result
    with pytest.raises(UpstreamError, match="ended before it answered"):
        await leg.request("die", b"{}")
    assert (await leg.request("look", b"{}")).result != before


async def test_a_program_that_does_not_run_is_said_and_not_started_at_every_call(leg_to):
    leg = leg_to([sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(UpstreamError, match="does not run"):
        await leg.request("look", b"{}")
    with pytest.raises(UpstreamError, match="started again in"):
        await leg.request("look", b"{}")


async def test_a_program_that_is_not_there_is_said(leg_to):
    with pytest.raises(UpstreamError, match="does not run"):
        await leg_to(["/no/such/program"]).request("look", b"{}")


async def test_a_host_that_is_not_running_is_said(tmp_path):
    with pytest.raises(UpstreamError):
        await Leg(f"unix:{tmp_path}/none.sock", command=TIME).request("look", b"{}")


async def test_sessions_with_a_process_of_their_own_are_counted(socket):
    async with speaking(socket) as http:
        talks = [Talk(http, [*SERVER, "counted"]) for _ in range(3)]
        for talk in talks[:2]:
            await talk.open(CAPABLE)
        hello = {"id": 0, "method": "initialize", "params": {"capabilities": CAPABLE}}
        refused = await talks[2].post(hello)
        assert refused.status_code == 503
        assert "2 sessions have a server process of their own" in refused.json()["detail"]
        await talks[0].end()
        await talks[2].open(CAPABLE)
        for talk in talks[1:]:
            await talk.end()


async def test_what_nobody_uses_is_ended_and_there_again_when_needed(tmp_path):
    with running_host(tmp_path / "var", "--shared-idle", 0.2, "--session-idle", 2) as path:
        async with speaking(path) as http:
            shared, own = Talk(http, [*SERVER, "shared"]), Talk(http, [*SERVER, "own"])
            await own.open(CAPABLE)
            before = await shared.result("look")
            wait_for(lambda: stdio_host.status(path).running == 0, "the end of both")
            assert (await own.request("look")).status_code == 404
            after = await shared.result("look")
            assert before["started"] < after["started"]
            assert before["environment"]["HOME"] == after["environment"]["HOME"]  # what it cached is there again


async def test_a_server_that_somebody_waits_for_is_not_idle(tmp_path):
    with running_host(tmp_path / "var", "--shared-idle", 0.05) as path:
        async with speaking(path) as http:
            busy, idle = Talk(http, [*SERVER, "busy"]), Talk(http, [*SERVER, "idle"])
            waiting = asyncio.create_task(busy.request("wait"))
            await idle.result("look")
            wait_for(lambda: stdio_host.status(path).running <= 1, "the end of the idle one")
            assert not waiting.done()
            waiting.cancel()


async def test_its_end_ends_streams_servers_and_homes(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        with running_host(tmp_path / "var") as path:
            http = await stack.enter_async_context(speaking(path))
            talk = Talk(http, [*SERVER, "ended"])
            await talk.open(CAPABLE)
            events = await stack.enter_async_context(talk.listening())
            started = descendants(os.getpid()) - {os.getpid()}
        assert await events.next() is None
        wait_for(lambda: not any(map(is_living, started - descendants(os.getpid()))), "the end of its processes")
        assert list((path.parent / "homes").iterdir()) == []


async def test_nothing_outlives_a_host_that_is_killed(tmp_path):
    with running_host(tmp_path / "var") as path:
        async with speaking(path) as http:
            left = (await Talk(http, [*SERVER, "orphaned"]).result("leave", {"seconds": "1000"}))["child"]
        host = listener_at(path)
        started = descendants(host)
        assert len(started) >= 4, left
        os.kill(host, signal.SIGKILL)
        wait_for(lambda: not any(map(is_living, started)), "the end of all that it started")


@pytest.mark.parametrize(
    ("prefix", "confinement"),
    [
        ((), "landlock"),
        (WITHOUT_NAMESPACES, "landlock"),
        (WITHOUT_LANDLOCK, "namespace"),
        (WITHOUT_NAMESPACES + WITHOUT_LANDLOCK, "none"),
    ],
)
async def test_it_says_what_confines_its_servers(tmp_path, prefix, confinement):
    with running_host(tmp_path / "var", prefix=prefix) as path:
        assert stdio_host.status(path) == stdio_host.Status(running=0, confinement=confinement)
        async with speaking(path) as http:
            assert await Talk(http, SERVER).result("look")
        assert stdio_host.status(path).running == 1


async def test_a_real_server_reads_the_repository_that_its_command_names(tmp_path):
    with running_host(tmp_path / "var") as path:
        make_demo_repository(tmp_path / "var" / "demo-repo")
        repository = str(tmp_path / "var" / "demo-repo")
        async with speaking(path) as http:
            talk = Talk(http, [sys.executable, "-m", "mcp_server_git", "--repository", repository])
            await talk.open()
            answer = await talk.result("tools/call", {"name": "git_log", "arguments": {"repo_path": repository}})
            assert "Commit:" in answer["content"][0]["text"]
