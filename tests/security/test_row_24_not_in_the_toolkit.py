"""Row 24: what a toolkit does not list cannot be called, under any name and on any path; no server is asked."""

import json

import pytest
from django.utils import timezone

from profiles.models import Toolkit
from profiles.models.entries import Choice
from tests import cast
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def listed(scene):
    return [tool["name"] for tool in scene.live.call(scene.issued).json()["result"]["tools"]]


def assert_not_called(scene, *names):
    """Assert that each name gets the words of one that was never there, and that no server heard of it."""
    already = len(scene.upstream.calls)
    for name in names:
        answer = scene.live.tool(scene.issued, name)
        nobody = scene.live.tool(scene.issued, "nobody_has_this")
        assert answer.status_code == nobody.status_code == 200, name
        error = answer.json()["error"]
        assert error["code"] == -32602, name
        assert error["message"].replace(f"`{name}`", "`nobody_has_this`") == nobody.json()["error"]["message"]
    assert len(scene.upstream.calls) == already


def change(scene, **fields):
    scene.work.change(by=cast.OPERATOR, now=timezone.now(), **fields)


def choose(scene, *allowed, marked=None):
    server = scene.work.servers.get()
    ids = dict(server.tools.values_list("name", "pk"))
    marks = None if marked is None else frozenset(ids[name] for name in marked)
    choice = Choice(frozenset(ids[name] for name in allowed), read_only=marks)
    scene.work.choose(server, choice, by=cast.OPERATOR, now=timezone.now())


def test_a_tool_that_is_not_allowed_is_not_there_under_any_name(scene):
    scene.live.call(scene.issued)
    server = scene.work.servers.get()
    assert_not_called(
        scene, "echo__add", "add", "echo", "Echo__echo", "echo__ECHO", "echo.add", "echo/add", "echo__echo__add",
        "work__add", f"{server.pk}__add", "echo__add\0", " echo__echo", "echo__echo ", "echo__echo\n", "*", "",
        "%65cho__add", "ｅｃｈｏ__ａｄｄ", "sales__add", "../sales/echo__add",
    )  # fmt: skip


def test_a_former_name_of_the_toolkit_opens_nothing_more(scene):
    change(scene, alias="work-2026")
    for profile in ("work", "work-2026", str(scene.work.pk)):
        answer = scene.live.tool(scene.issued, "echo__add", url=f"/hub/mcp?profile={profile}")
        assert answer.json()["error"]["code"] == -32602
        assert scene.live.tool(scene.issued, "echo__add", url=f"/mcp?profile={profile}").json()["error"]
    assert scene.upstream.calls == []


def test_the_raw_name_of_a_toolkit_of_prefixed_names_and_the_prefixed_of_a_plain_one_lead_nowhere(scene):
    plain = cast.make_toolkit(
        scene.acme, "plain", scene.work.servers.get(), allowed=["echo"], naming=Toolkit.Naming.PLAIN
    )
    scene.issued = cast.make_token(scene.alice, plain, name="of plain names")
    assert listed(scene) == ["echo", "nexus_status"]
    for name in ("echo__echo", "echo__add", "add"):
        assert "error" in scene.live.tool(scene.issued, name).json()
    assert scene.upstream.calls == []
    assert "result" in scene.live.tool(scene.issued, "echo").json()


def test_a_tool_that_is_no_longer_allowed_stops_at_the_next_call(scene):
    assert "result" in scene.live.tool(scene.issued, "echo__echo").json()
    choose(scene)
    assert_not_called(scene, "echo__echo")
    choose(scene, "add")
    assert listed(scene) == ["echo__add", "nexus_status"]
    assert_not_called(scene, "echo__echo")


def test_a_server_that_was_taken_out_or_removed_takes_its_tools_along(scene):
    server = scene.work.servers.get()
    assert listed(scene) == ["echo__echo", "nexus_status"]
    scene.work.remove_server(server, by=cast.OPERATOR, now=timezone.now())
    assert listed(scene) == ["nexus_status"]
    assert_not_called(scene, "echo__echo", "echo")
    scene.work.add_server(server, allowed=["echo"], by=cast.OPERATOR, now=timezone.now())
    assert "result" in scene.live.tool(scene.issued, "echo__echo").json()
    server.remove(by=cast.OPERATOR, now=timezone.now())
    assert_not_called(scene, "echo__echo", "echo")


def test_what_its_server_no_longer_lists_is_not_called(scene):
    scene.live.call(scene.issued)
    scene.work.servers.get().remember_tools(cast.raw(cast.definition("add")), now=timezone.now())
    assert_not_called(scene, "echo__echo")


def test_a_read_only_toolkit_hides_what_is_not_marked(scene):
    scene.live.call(scene.issued)
    choose(scene, "echo", "add", marked=["add"])
    change(scene, is_read_only=True)
    assert listed(scene) == ["echo__add", "nexus_status"]
    assert_not_called(scene, "echo__echo", "echo")


def test_the_status_tool_that_is_switched_off_is_not_there(scene):
    change(scene, offers_status_tool=False)
    assert listed(scene) == ["echo__echo"]
    assert_not_called(scene, "nexus_status")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "file:///etc/passwd"}), ("resources/subscribe", {"uri": "file:///etc/passwd"}),
        ("prompts/get", {"name": "echo__hello"}), ("prompts/get", {"name": "hello"}), ("tools/add", {}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "echo__hello"}, "argument": {"name": "a", "value": ""}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "file:///{x}"}, "argument": {"name": "x", "value": ""}}),
    ],
)  # fmt: skip
def test_what_the_toolkit_does_not_offer_besides_tools_is_refused(scene, method, params):
    answer = scene.live.call(scene.issued, method, params)
    assert "error" in answer.json()
    assert method not in [message.get("method") for message in scene.upstream.messages]


def test_a_batch_does_not_smuggle_a_call_in(scene):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo__add"}}
    headers = {"Authorization": f"Bearer {scene.secret}", "Content-Type": "application/json"}
    for batch in ([call], [call, call], [[call]]):
        answer = scene.live.request("POST", "/hub/mcp", content=json.dumps(batch), headers=headers)
        assert answer.status_code == 400
    assert scene.upstream.calls == []


def test_two_names_in_one_call_are_the_one_that_is_checked(scene):
    headers = {"Authorization": f"Bearer {scene.secret}", "Content-Type": "application/json"}
    for first, second in (("echo__echo", "echo__add"), ("echo__add", "echo__echo")):
        params = f'{{"name":"{first}","name":"{second}"}}'
        body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'
        scene.live.request("POST", "/hub/mcp", content=body, headers=headers)
    assert {call["name"] for call in scene.upstream.calls} <= {"echo"}
