"""The stdio host as a process of its own, with real servers."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from profiles.upstream.discovery import all_tools
from profiles.upstream.errors import UpstreamError
from profiles.upstream.leg import Leg
from tests.servers import end_with_parent

TIME = [sys.executable, "-m", "mcp_server_time"]
SPY = """
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "spy", "version": "1"}}
    elif message.get("method") == "die":
        sys.exit(3)
    else:
        result = {"environment": sorted(os.environ), "pid": os.getpid()}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


@pytest.fixture(scope="module")
def socket(tmp_path_factory):
    path = tmp_path_factory.mktemp("host") / "stdio.sock"
    environment = {**os.environ, "NEXUS_SECRET_KEY": "must-not-be-inherited"}
    command = [sys.executable, "-m", "nexus.hub.stdio_host", str(path)]
    host = subprocess.Popen(command, env=environment, preexec_fn=end_with_parent)
    deadline = time.monotonic() + 20
    while not path.exists():
        assert host.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield path
    host.terminate()
    assert host.wait(10) is not None


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
    names = [tool["name"] for tool in await all_tools(leg)]
    assert "get_current_time" in names
    answer = await leg.request(
        "tools/call", b'{"name":"get_current_time","arguments":{"timezone":"Europe/Berlin"}}', name="get_current_time"
    )
    assert b"Europe/Berlin" in answer.result


async def test_a_server_inherits_nothing_of_the_hub(leg_to):
    answer = await leg_to([sys.executable, "-c", SPY]).request("look", b"{}")
    assert b"NEXUS" not in answer.result
    assert b"DATABASE_URL" not in answer.result


async def test_concurrent_requests_get_their_own_answers(leg_to):
    leg = leg_to(TIME)
    zones = ["Europe/Berlin", "Asia/Tokyo", "America/New_York"] * 10

    async def ask(zone):
        params = b'{"name":"get_current_time","arguments":{"timezone":"%b"}}' % zone.encode()
        assert zone.encode() in (await leg.request("tools/call", params, name="get_current_time")).result

    await asyncio.gather(*(ask(zone) for zone in zones))


async def test_a_server_that_dies_costs_one_answer_and_is_started_again(leg_to):
    leg = leg_to([sys.executable, "-c", SPY + "# dies"])
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
