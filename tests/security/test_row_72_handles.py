"""Rows 25 and 72: a session id, a cursor or a requestState is no authentication; of somebody else it is refused."""

import json

import pytest

from tests import cast
from tests.hub.conftest import run_in_thread, running_hub
from tests.hub.speaking import speaking
from tests.hub.test_eras import META, call, initialized, modern, post
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]
TOOLS = ["ask", "count", "echo"]


def prepare(url):
    """Alice's and Bob's tokens for one toolkit, Alice's for another, and a second one for the first."""
    alice, bob = cast.make_user("Alice"), cast.make_user("Bob")
    acme = cast.make_account("Acme", owner=alice, member=bob)
    server = cast.make_server(slug="speaker", url=url, tools=TOOLS)
    work, sales = (
        cast.make_toolkit(acme, alias, server, allowed=TOOLS, offers_resources=True) for alias in ("work", "sales")
    )
    tokens = [(alice, work, "a"), (bob, work, "b"), (alice, sales, "c"), (alice, work, "rotated")]
    return [cast.make_token(owner, toolkit, name).key.text for owner, toolkit, name in tokens]


async def test_a_session_of_another_owner_or_toolkit_is_not_known(transactional_db):
    async with speaking(False) as server, running_hub() as client:
        alice, bob, elsewhere, rotated = await run_in_thread(prepare, server.url)
        session = await initialized(client, alice)
        assert (await post(client, alice, session, call("count"))).status == 200
        sent = len(server.received)
        for secret in (bob, elsewhere):
            assert (await post(client, secret, session, call("count"))).status == 404
            assert (await client.begin(secret, method="GET", mcp_session_id=session).answer()).status == 404
            assert (await client.begin(secret, method="DELETE", mcp_session_id=session).answer()).status == 404
        assert len(server.received) == sent
        assert (await post(client, rotated, session, call("count"))).status == 200
        assert (await client.begin("nxs_x", call("count"), mcp_session_id=session).answer()).status == 401


async def test_the_state_of_a_request_is_its_owner_s_its_toolkit_s_and_its_tool_s(transactional_db):
    async with speaking(True) as server, running_hub() as client:
        alice, bob, elsewhere, rotated = await run_in_thread(prepare, server.url)
        headers = modern("tools/call", "speaker__ask")
        first = await client.begin(alice, call("ask", _meta=META), **headers).answer()
        state = first.result["requestState"]
        given = {"who": {"action": "accept", "content": {"name": "Ada"}}}

        def again(with_state, tool="ask"):
            return call(tool, 8, _meta=META, inputResponses=given, requestState=with_state)

        sent = len(server.received)
        for secret in (bob, elsewhere):
            assert (await client.begin(secret, again(state), **headers).answer()).json["error"]["code"] == -32602
        for altered in (state[:-1] + ("x" if state[-1] != "x" else "y"), "x" + state, '"s0"', "s0", "", ".", None, 7):
            answer = await client.begin(alice, again(altered), **headers).answer()
            assert answer.json["error"]["code"] == -32602, altered
        other_tool = client.begin(alice, again(state, "count"), **modern("tools/call", "speaker__count"))
        assert (await other_tool.answer()).json["error"]["code"] == -32602
        assert len(server.received) == sent
        for secret in (rotated, alice):
            answer = await client.begin(secret, again(state), **headers).answer()
            assert answer.result["content"][0]["text"] == "Ada"


async def test_an_answer_to_what_a_server_asked_somebody_else_reaches_nobody(transactional_db):
    async with speaking(True) as server, running_hub() as client:
        alice, bob, _, _ = await run_in_thread(prepare, server.url)
        session, other = await initialized(client, alice), await initialized(client, bob)
        begun = client.begin(alice, call("ask"), mcp_session_id=session)
        question = await begun.event()
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"content": {"name": "Bob"}}}
        assert (await post(client, bob, other, answer)).status == 202
        answer["result"]["content"]["name"] = "Ada"
        await post(client, alice, session, answer)
        assert (await begun.event())["result"]["content"][0]["text"] == "Ada"
        await begun.task


async def test_a_cursor_of_another_toolkit_is_refused(transactional_db):
    async with speaking(True) as server, running_hub() as client:
        alice, _, elsewhere, _ = await run_in_thread(prepare, server.url)
        server.resources = [{"uri": f"test://{number}", "name": str(number)} for number in range(1500)]
        first = await client.post(alice, "resources/list")
        cursor = first.result["nextCursor"]
        assert len(first.result["resources"]) == 1000
        second = await client.post(alice, "resources/list", {"cursor": cursor})
        assert len(second.result["resources"]) == 500
        assert "nextCursor" not in second.result
        for secret, method in ((elsewhere, "resources/list"), (alice, "prompts/list")):
            answer = await client.post(secret, method, {"cursor": cursor})
            assert answer.json["error"]["code"] == -32602, json.dumps(answer.json)
