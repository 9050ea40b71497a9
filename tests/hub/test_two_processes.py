"""Two hub processes on one Redis: a client's session is served by both."""

import asyncio

import pytest

from profiles.models import Server, User
from tests import cast
from tests.clients.interplay import TOOLS, running_interplay
from tests.hub.speaking import speaking
from tests.hub.test_eras import _prepare, call, initialized, post

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


async def test_an_answer_may_arrive_at_another_process(hub_client, in_thread):
    for is_modern in (False, True):
        async with speaking(is_modern) as server, hub_client() as client, hub_client() as other:
            secret = await in_thread(_prepare_again, server)
            session = await initialized(client, secret)
            begun = client.begin(secret, call("ask"), mcp_session_id=session)
            question = await begun.event()
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"content": {"name": "Ada"}}}
            assert (await post(other, secret, session, answer)).status == 202
            assert (await begun.event())["result"]["content"][0]["text"] == "Ada"
            await begun.task


async def test_two_processes_share_the_sessions_of_a_client(hub_client, in_thread):
    async with speaking(False) as server, hub_client() as client, hub_client() as other:
        secret = await in_thread(_prepare_again, server)
        session = await initialized(client, secret)
        before = server.sessions
        for worker in (client, other, client):
            assert (await post(worker, secret, session, call("count"))).status == 200
        assert server.sessions == before + 1
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await asyncio.wait_for(server.listening.wait(), 10)
        await other.begin(secret, method="DELETE", mcp_session_id=session).answer()
        assert (await post(other, secret, session, call("count"))).status == 404
        stream.go_away()
        await stream.task


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")  # roots, which the newest revision is without
async def test_the_process_with_the_clients_stream_takes_over_the_servers(hub_client, in_thread):
    """The server of the official SDK has one stream for a session, and the process that opened it listens first."""
    with running_interplay() as server:
        secret = await in_thread(_prepare_interplay, server)
        async with hub_client() as client, hub_client() as other:
            session = await initialized(client, secret, {"roots": {}})
            stream = other.begin(secret, method="GET", mcp_session_id=session)
            heard = asyncio.create_task(until(stream, "notifications/tools/list_changed"))
            while not heard.done():
                assert (await post(client, secret, session, interplay_call("announce"))).status == 200
            assert heard.result()
            begun = client.begin(secret, interplay_call("roots"), mcp_session_id=session)
            while not (question := await stream.event()).get("id"):
                assert question["method"].startswith("notifications/")
            roots = {"roots": [{"uri": "file:///home/ada"}]}
            await post(client, secret, session, {"jsonrpc": "2.0", "id": question["id"], "result": roots})
            assert (await begun.answer()).result["content"][0]["text"] == "file:///home/ada"
            stream.go_away()
            await stream.task


async def until(stream, method):
    """Pass over what else the server announces; return False at the end of the stream."""
    while (event := await stream.event()) and event["method"] != method:
        assert event["method"].startswith("notifications/")
    return event is not None


def interplay_call(tool):
    return {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": f"interplay__{tool}", "arguments": {}},
    }


def _prepare_interplay(server):
    alice = cast.make_user("Alice")
    stored = cast.make_server(slug="interplay", url=server.url, tools=TOOLS)
    toolkit = cast.make_toolkit(alice.personal_account, "work", stored, allowed=TOOLS, offers_resources=True)
    return cast.make_token(alice, toolkit).key.text


def _prepare_again(server):
    User.objects.filter(email="alice@example.com").delete()
    Server.objects.all().delete()
    return _prepare(server)
