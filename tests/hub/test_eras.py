"""Clients and servers of either era, through the hub: what passes, what is bridged, what is refused."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.utils import timezone

from activity.models import Call
from profiles.models import Server
from profiles.models.entries import Choice
from tests import cast
from tests.hub.speaking import TOOLS, speaking
from tokens.models import DelegatedToken

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ASKED = {"elicitation": {}, "sampling": {}}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": ASKED}


@asynccontextmanager
async def stage(hub_client, in_thread, *, is_modern):
    async with speaking(is_modern) as server:
        secret = await in_thread(_prepare, server)
        async with hub_client() as client:
            yield server, client, secret


def _prepare(server):
    alice = cast.make_user("Alice")
    stored = cast.make_server(slug="speaker", url=server.url, tools=[tool["name"] for tool in TOOLS])
    toolkit = cast.make_toolkit(
        alice.personal_account, "work", stored, allowed=[tool["name"] for tool in TOOLS],
        offers_resources=True, offers_prompts=True,
    )  # fmt: skip
    return cast.make_token(alice, toolkit).key.text


async def initialized(client, secret, capabilities=ASKED, version="2025-11-25"):
    """Return the session of an older client."""
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "old", "version": "1"}}
    answer = await client.post(secret, "initialize", params)
    return answer.headers["mcp-session-id"]


def call(tool, rpc_id=7, **params):
    return {"jsonrpc": "2.0", "id": rpc_id, "method": "tools/call", "params": {"name": f"speaker__{tool}", **params}}


def modern(method, name=""):
    more = {"mcp_name": name} if name else {}
    return {"mcp_protocol_version": "2026-07-28", "mcp_method": method, **more}


async def post(client, secret, session, message):
    return await client.begin(secret, message, mcp_session_id=session).answer()


@pytest.mark.parametrize("is_modern", [False, True])
async def test_an_older_client_is_asked_in_the_middle_of_a_call(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("ask"), mcp_session_id=session)
        question = await begun.event()
        assert question["method"] == "elicitation/create"
        assert question["params"]["message"] == "Your name?"
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}}
        assert (await post(client, secret, session, answer)).status == 202
        done = await begun.event()
        assert (done["id"], done["result"]["content"][0]["text"]) == (7, "Ada")
        await begun.task


@pytest.mark.parametrize("is_modern", [False, True])
async def test_a_client_that_cannot_be_asked_gets_an_answer_and_no_hang(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        answer = await client.call(secret, "speaker__ask")
        text = answer.result["content"][0]["text"]
        assert ("cannot give" in text) if is_modern else (text == "refused: -32601")


async def test_a_modern_client_on_an_older_server_that_asks_is_not_left_hanging(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        message = call("ask", _meta=META)
        answer = await client.begin(secret, message, **modern("tools/call", "speaker__ask")).answer()
        assert answer.result["content"][0]["text"] == "refused: -32601"
        assert answer.result["resultType"] == "complete"


async def test_a_modern_client_is_asked_by_the_result_and_calls_again(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        headers = modern("tools/call", "speaker__ask")
        first = await client.begin(secret, call("ask", _meta=META), **headers).answer()
        assert first.result["resultType"] == "input_required"
        given = {"who": {"action": "accept", "content": {"name": "Ada"}}}
        again = call("ask", 8, _meta=META, inputResponses=given, requestState=first.result["requestState"])
        second = await client.begin(secret, again, **headers).answer()
        assert second.result["content"][0]["text"] == "Ada"
        asked = [message for message in server.received if message["method"] == "tools/call"]
        assert asked[0]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == ASKED


async def test_the_capabilities_of_an_older_client_reach_the_server(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        await post(client, secret, session, call("count"))
        hello = [message for message in server.received if message.get("method") == "initialize"][-1]
        assert hello["params"]["capabilities"] == ASKED
        assert hello["params"]["clientInfo"] == {"name": "old", "version": "1"}


@pytest.mark.parametrize("is_modern", [False, True])
async def test_what_a_server_says_before_its_answer_comes_before_it(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("progress", _meta={"progressToken": "p"}), mcp_session_id=session)
        progress, log, answer = [await begun.event() for _ in range(3)]
        assert progress["params"] == {"progressToken": "p", "progress": 1}
        assert log["params"]["data"] == "hi"
        assert answer["id"] == 7
        assert await begun.event() is None
        rows = await in_thread(lambda: list(Call.objects.filter(tool="speaker__progress")))
        assert [(row.outcome, row.server) for row in rows] == [("ok", "speaker")]
        assert rows[0].bytes_out > 0


async def test_a_plain_post_gets_one_answer_whatever_the_server_says_before(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        answer = await client.begin(secret, call("progress")).answer()
        assert answer.headers["content-type"] == "application/json"
        assert answer.result["content"][0]["text"] == "done"


async def test_log_messages_come_to_modern_clients_that_ask_for_them(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        headers = modern("tools/call", "speaker__progress")
        for meta, expected in ((META, []), (META | {"io.modelcontextprotocol/logLevel": "debug"}, ["hi"])):
            begun = client.begin(secret, call("progress", _meta=meta | {"progressToken": 1}), **headers)
            events = []
            while (event := await begun.event()) is not None:
                events.append(event)
            assert [event["params"]["data"] for event in events if "message" in event.get("method", "")] == expected


@pytest.mark.parametrize("is_modern", [False, True])
async def test_an_older_client_takes_a_call_back(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("slow"), mcp_session_id=session)
        await server.started.wait()
        back = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        await post(client, secret, session, back)
        answer = await begun.answer()
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"")
        await asyncio.wait_for(server.cancelled.wait(), 10)
        row = await in_thread(Call.objects.filter(tool="speaker__slow").get)
        assert (row.outcome, row.reason) == ("failed", "the client took it back")


async def test_a_client_that_reads_no_stream_is_told_that_its_call_was_taken_back(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("slow"), mcp_session_id=session, accept="application/json")
        await server.started.wait()
        back = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        await post(client, secret, session, back)
        assert (await begun.answer()).json["error"]["message"] == "The client took this back."


@pytest.mark.parametrize("is_modern", [False, True])
async def test_a_modern_client_that_goes_away_takes_its_call_back(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        begun = client.begin(secret, call("slow", _meta=META), **modern("tools/call", "speaker__slow"))
        await server.started.wait()
        begun.go_away()
        await asyncio.wait_for(server.cancelled.wait(), 10)
        await begun.task
        row = await in_thread(Call.objects.get)
        assert (row.outcome, row.reason) == ("failed", "the client went away")


async def test_an_older_client_that_goes_away_does_not_take_its_call_back(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("ask"), mcp_session_id=session)
        question = await begun.event()
        begun.go_away()
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"content": {"name": "Ada"}}}
        await post(client, secret, session, answer)
        await begun.task
        assert (await in_thread(Call.objects.filter(tool="speaker__ask").get)).outcome == "ok"


@pytest.mark.parametrize("is_modern", [False, True])
async def test_the_stream_of_a_session_tells_what_changes(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        session = await initialized(client, secret)
        subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "test://one"}}
        assert (await post(client, secret, session, subscribe)).result is not None
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await asyncio.wait_for(server.listening.wait(), 10)
        server.tell("notifications/resources/updated", uri="test://one")
        event = await asyncio.wait_for(stream.event(), 10)
        assert (event["method"], event["params"]["uri"]) == ("notifications/resources/updated", "test://one")
        await in_thread(_forbid_all)
        event = await asyncio.wait_for(stream.event(), 10)
        assert event["method"] == "notifications/tools/list_changed"
        stream.go_away()
        await stream.task


def _forbid_all():
    server = Server.objects.get()
    server.toolkits.get().choose(server, Choice(allowed=frozenset()), by=cast.OPERATOR, now=timezone.now())


@pytest.mark.parametrize("is_modern", [False, True])
async def test_a_modern_client_subscribes(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        wanted = {"resourceSubscriptions": ["test://one"], "promptsListChanged": True}
        params = {"_meta": META, "notifications": wanted}
        listen = {"jsonrpc": "2.0", "id": "sub-1", "method": "subscriptions/listen", "params": params}
        begun = client.begin(secret, listen, **modern("subscriptions/listen"))
        acknowledged = await begun.event()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"]["notifications"] == wanted
        await asyncio.wait_for(server.listening.wait(), 10)
        server.tell("notifications/tools/list_changed")
        server.tell("notifications/resources/updated", uri="test://one")
        event = await asyncio.wait_for(begun.event(), 10)
        assert event["method"] == "notifications/resources/updated"
        assert event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "sub-1"
        begun.go_away()
        await begun.task


@pytest.mark.parametrize("is_modern", [False, True])
async def test_an_open_stream_is_cut_when_its_token_is_revoked(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        session = await initialized(client, secret)
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await stream.began()
        await in_thread(_revoke)
        last = await asyncio.wait_for(stream.event(), 5)
        assert "was revoked" in last["error"]["message"]
        await stream.task


def _revoke():
    DelegatedToken.objects.get().revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())


async def test_a_session_that_was_ended_is_not_known_any_more(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        await post(client, secret, session, call("count"))
        assert (await client.begin(secret, method="DELETE", mcp_session_id=session).answer()).status == 200
        assert (await post(client, secret, session, call("count"))).status == 404
        assert server.ended
        assert (await post(client, secret, await initialized(client, secret), call("count"))).status == 200


@pytest.mark.parametrize("is_modern", [False, True])
async def test_resources_prompts_and_completions_pass(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        listed = await client.post(secret, "resources/list")
        assert [entry["uri"] for entry in listed.result["resources"]] == ["test://one"]
        templates = await client.post(secret, "resources/templates/list")
        assert [entry["uriTemplate"] for entry in templates.result["resourceTemplates"]] == ["test://of/{name}"]
        read = await client.post(secret, "resources/read", {"uri": "test://of/x"})
        assert read.result["contents"] == [{"uri": "test://of/x", "text": "hello"}]
        prompts = await client.post(secret, "prompts/list")
        assert [entry["name"] for entry in prompts.result["prompts"]] == ["speaker__greet"]
        prompt = await client.post(secret, "prompts/get", {"name": "speaker__greet"})
        assert prompt.result["description"] == "greet"
        ref = {"ref": {"type": "ref/prompt", "name": "speaker__greet"}, "argument": {"name": "n", "value": ""}}
        completed = await client.post(secret, "completion/complete", ref)
        assert completed.result["completion"]["values"] == ["greet"]
        for name in ("greet", "speaker__nope", "SPEAKER__GREET"):
            assert (await client.post(secret, "prompts/get", {"name": name})).json["error"]["code"] == -32602


async def test_a_cursor_that_is_not_ours_is_refused(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        for cursor in ("x", "5", "5.abc", 7, None):
            answer = await client.post(secret, "resources/list", {"cursor": cursor})
            assert answer.json["error"]["code"] == -32602, cursor


async def test_a_resource_that_is_not_listed_is_refused_and_nothing_of_it_is_sent(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        for uri in ("test://two", "test://of/", "test://of/a/b", "TEST://one", "file:///etc/passwd", "", "x" * 5000):
            answer = await client.post(secret, "resources/read", {"uri": uri})
            assert answer.json["error"]["code"] == -32602, uri
        assert "resources/read" not in server.methods()
        server.resources.append({"uri": "test://two", "name": "two"})
        assert (await client.post(secret, "resources/read", {"uri": "test://one"})).result["contents"]
