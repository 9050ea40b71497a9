"""Row 28: a client's token never reaches a server, a place a server points to, or a log."""

import pytest

from profiles import definitions
from profiles.upstream import discovery
from tests.security.conftest import EVERYTHING
from tests.upstreams import running_recorder

pytestmark = [EVERYTHING, pytest.mark.sqlite]
MISBEHAVIOURS = ["error", "garbage", "half", "redirect", "unauthorized"]


def assert_nothing_passed(scene, *recorders):
    for recorder in (scene.upstream, *recorders):
        assert not recorder.has_received(scene.secret[17:])
        assert not recorder.has_received("nxs_")
    assert scene.secret[17:] not in scene.live.log


def test_a_call_carries_nothing_of_the_client_s_own(scene):
    sent = {"Cookie": "a=b", "X-Api-Key": scene.secret, "Proxy-Authorization": f"Bearer {scene.secret}"}
    answer = scene.live.tool(scene.issued, "echo__echo", {"text": "hi"}, headers=sent)
    assert answer.json()["result"]["content"] == [{"type": "text", "text": "hi"}]
    assert len(scene.upstream.calls) == 1
    assert_nothing_passed(scene)
    for name in ("cookie:", "authorization:", "x-api-key:"):
        assert not scene.upstream.has_received(name)


@pytest.mark.parametrize("mode", MISBEHAVIOURS)
def test_a_server_that_misbehaves_is_told_nothing_and_is_a_tool_error_that_names_it(scene, mode):
    with running_recorder() as elsewhere:
        scene.upstream.elsewhere = elsewhere.url
        scene.live.call(scene.issued)  # so that the hub has met the server
        scene.upstream.mode = mode
        answer = scene.live.tool(scene.issued, "echo__echo", {"text": "hi"})
        assert answer.status_code == 200
        assert answer.json()["result"]["isError"] is True
        assert "Echo" in answer.json()["result"]["content"][0]["text"]
        assert "www-authenticate" not in answer.headers
        assert elsewhere.received == []  # redirects are not followed
        assert_nothing_passed(scene, elsewhere)


def test_what_a_server_adds_to_its_answers_arrives_unchanged(scene):
    answer = scene.live.tool(scene.issued, "echo__echo", {"text": "hi"})
    assert b'"x-unknown":{"z":1,"a":[null,1.10,123456789012345678901234567890]}' in answer.content
    assert b'"_meta":{"kept":"\\u00e4"}' in answer.content


def test_listing_a_server_s_tools_from_the_portal_carries_nothing_of_ours(scene):
    server = scene.work.servers.get()
    scene.upstream.forget()
    assert [definitions.name_in(raw) for raw in discovery.list_tools(server)] == ["echo", "add"]
    for name in ("cookie:", "authorization:", "nxs_", "alice"):
        assert not scene.upstream.has_received(name)
