"""Row 74: slow senders, slow readers, half-open and idle connections are bounded, and others are served meanwhile."""

import contextlib
import json
import os
import pathlib
import socket

import pytest

from tests.security.conftest import EVERYTHING
from tests.upstreams import wait_for

pytestmark = [EVERYTHING, pytest.mark.sqlite]
SILENT = 1700


def bearer(scene):
    return b"Authorization: Bearer " + scene.secret.encode() + b"\r\n"


def call(scene, text):
    params = {"name": "echo__echo", "arguments": {"text": text}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    length = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return b"POST /hub/mcp HTTP/1.1\r\nHost: localhost\r\n" + bearer(scene) + length + body


def descriptors(scene):
    return len(os.listdir(f"/proc/{scene.live.process.pid}/fd"))


def resident(scene):
    """Return how many MB the live process holds."""
    pages = int(pathlib.Path(f"/proc/{scene.live.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def connections(scene, count, *pieces):
    """Open so many connections, the first bytes of a request sent over each."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(scene.live.address, timeout=30)) for _ in range(count)]
        for one in opened:
            for piece in pieces:
                one.sendall(piece)
        yield opened


def serves(scene, text):
    answer = scene.live.tool(scene.issued, "echo__echo", {"text": text})
    return answer.status_code == 200 and text in answer.text


@pytest.mark.slow
def test_two_thousand_connections_that_say_little_or_nothing_leave_others_served_and_are_ended(scene):
    memory, open_files = resident(scene), descriptors(scene)
    starts = (b"G", b"GET /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nX: ", b"POST /hub/mcp HTTP/1.1\r\n")
    with contextlib.ExitStack() as stack:
        stack.enter_context(connections(scene, SILENT))
        begun = [one for start in starts for one in stack.enter_context(connections(scene, 100, start))]
        wait_for(lambda: descriptors(scene) > open_files + SILENT + 200, "the connections")
        assert all(serves(scene, str(number)) for number in range(20))
        assert resident(scene) - memory < 100
        assert all(one.recv(65536).startswith(b"HTTP/1.1 408 ") for one in begun)
        wait_for(lambda: descriptors(scene) < open_files + 100, "the end of the idle connections")
    assert serves(scene, "after")


def test_clients_that_take_no_answer_hold_up_nobody(scene):
    memory = resident(scene)
    with connections(scene, 200, call(scene, "x" * 100_000)):
        assert all(serves(scene, str(number)) for number in range(10))
        assert resident(scene) - memory < 150


def test_clients_that_vanish_are_forgotten(scene):
    open_files = descriptors(scene)
    for _ in range(5):
        with connections(scene, 100, call(scene, "x")[:-5]):
            pass
    wait_for(lambda: descriptors(scene) < open_files + 20, "the end of the connections")
    assert serves(scene, "after")


def test_a_server_that_never_answers_holds_up_only_its_own_calls(scene):
    assert serves(scene, "before")
    scene.upstream.mode = "hang"
    with connections(scene, 20, call(scene, "never")):
        wait_for(lambda: len(scene.upstream.calls) > 20, "the calls at the server")
        assert scene.live.call(scene.issued, "ping").status_code == 200
        assert scene.live.tool(scene.issued, "nexus_status").status_code == 200
        assert scene.live.request("GET", "/accounts/login/").status_code == 200
    scene.upstream.mode = "answer"
    assert serves(scene, "after")
