"""Row 28: a client's token never reaches a server, a place a server points to, or a log."""

import pytest

from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def assert_nothing_passed(scene, secret):
    assert scene.upstream.received
    assert not scene.upstream.has_received(secret[17:])
    assert not scene.upstream.has_received("nxs_")
    assert secret[17:] not in scene.live.log


def test_a_call_carries_nothing_of_the_token(scene):
    answer = scene.live.tool(scene.issued, "echo__echo", {"text": "hi"}, headers={"Cookie": "a=b"})
    assert answer.json()["result"]["content"] == [{"type": "text", "text": "hi"}]
    assert_nothing_passed(scene, scene.secret)
    assert not scene.upstream.has_received("cookie:")
    assert not scene.upstream.has_received("authorization:")
