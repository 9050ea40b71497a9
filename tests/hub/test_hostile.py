"""Clients and servers that mean harm: the right status or a tool error, nothing passed on, and the next call works."""

import base64
import json

import pytest

from activity.models import Call
from nexus.hub import rows
from profiles.upstream import heads
from tests.hub.speaking import begin_stream, event, reply, said
from tests.hub.test_eras import ASKED, call, initialized, post, stage

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


async def raw(client, secret, body, **headers):
    begun = client.begin(secret, None, **headers)
    begun._parts = [{"type": "http.request", "body": body}]
    return await begun.answer()


async def test_an_answer_carries_no_request_of_the_client_s_own_to_a_server(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        begun = client.begin(secret, call("ask"), mcp_session_id=session)
        question = await begun.event()
        kind, server_id, seal, _ = question["id"].split(".")
        forged = b'99,"method":"tools/call","params":{"name":"forbidden","arguments":{}}'
        encoded = base64.urlsafe_b64encode(forged).decode()
        for rpc_id in (
            f"{kind}.{server_id}.{encoded}", f"{kind}.{server_id}.{seal}.{encoded}", f"{kind}.{server_id}..{encoded}",
            f"{kind}.x.{seal}.{encoded}", kind, "nx2..", "é",
        ):  # fmt: skip
            assert (await post(client, secret, session, {"jsonrpc": "2.0", "id": rpc_id, "result": {}})).status == 202
        assert "forbidden" not in json.dumps(server.received)
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"content": {"name": "Ada"}}}
        await post(client, secret, session, answer)
        assert (await begun.event())["result"]["content"][0]["text"] == "Ada"
        await begun.task


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\xe9"}}',
        b'{"jsonrpc":"2.0","id":"\xe9","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"speaker__count","arguments":{"x":"\xff"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"\xe9":1}}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\xe9"}}',
    ],
)
async def test_what_is_not_utf_8_is_refused_and_nothing_is_sent(hub_client, in_thread, body):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        answer = await raw(client, secret, body)
        assert (answer.status, answer.json["error"]["code"]) == (400, -32700)
        assert server.received == []
        assert (await client.call(secret, "speaker__count")).status == 200


async def test_a_header_that_cannot_be_decoded_is_a_mismatch(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "=?base64?\xe9?="}
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        answer = await client.begin(secret, call("count", _meta=meta), **headers).answer()
        assert (answer.status, answer.json["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize("params", [{}, {"requestId": 12345}, {"requestId": None}, {"requestId": {"a": 1}}])
async def test_taking_back_what_is_not_under_way_does_nothing(hub_client, in_thread, params):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        back = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        assert (await post(client, secret, session, back)).status == 202


@pytest.mark.parametrize("params", [[1], "x", 7, None])
@pytest.mark.parametrize("method", ["notifications/cancelled", "notifications/progress", "notifications/message"])
async def test_a_message_of_a_server_that_is_none_is_dropped(hub_client, in_thread, method, params):
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):

        async def count(reader, writer, message, given):
            begin_stream(writer)
            event(writer, {"jsonrpc": "2.0", "method": method, "params": params})
            event(writer, json.loads(reply(message, said("fine", {}))))
            writer.write(b"0\r\n\r\n")

        server.count = count
        session = await initialized(client, secret)
        answer = await post(client, secret, session, call("count"))
        assert b'"fine"' in answer.body
        assert (await in_thread(Call.objects.filter(tool="speaker__count").get)).outcome == "ok"


def test_long_names_are_not_remembered():
    """Of a text that is cut the same way, one is kept, however many there were; of long names in heads, none."""
    kept = rows._bounded.cache_info().currsize
    for number in range(50):
        assert len(rows.bounded("x" * 100_000 + str(number), 200)) == 200
    assert rows._bounded.cache_info().currsize <= kept + 1
    kept = heads._known.cache_info().currsize
    for number in range(50):
        assert len(heads.modern(b"POST", "resources/read", f"{number}" + "y" * 10_000)) > 10_000
    assert heads._known.cache_info().currsize == kept


async def test_a_session_subscribes_to_so_many_resources_and_no_longer_names(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=True) as (server, client, secret):
        session = await initialized(client, secret, ASKED)
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "resources/subscribe",
            "params": {"uri": "test://" + "x" * 5000},
        }
        answer = await post(client, secret, session, message)
        assert answer.json["error"]["code"] == -32602
