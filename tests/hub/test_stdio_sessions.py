"""The stdio host spoken to as an older streamable HTTP server: sessions, streams, and what passes in between."""

import asyncio
import json

import pytest

from tests.hub.stdio import CAPABLE, CLIENT, SERVER, TIME, Talk, running_host, speaking


@pytest.fixture(scope="module")
def socket(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("stdio") / "var") as path:
        yield path


@pytest.fixture
async def http(socket):
    async with speaking(socket) as client:
        yield client


@pytest.fixture
async def talk(http, request):
    """Return clients of one command, which no other test uses."""
    command = [*SERVER, request.node.name]
    opened = []

    async def open_one(capabilities=None) -> Talk:
        opened.append(Talk(http, command))
        await opened[-1].open(capabilities)
        return opened[-1]

    yield open_one
    for one in opened:
        await one.end()


async def until(condition):
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_a_real_server_opens_a_session_lists_and_answers(http):
    talk = Talk(http, TIME)
    assert (await talk.open())["serverInfo"]["name"] == "mcp-time"
    assert [tool["name"] for tool in (await talk.result("tools/list"))["tools"]] == ["get_current_time", "convert_time"]
    call = {"name": "get_current_time", "arguments": {"timezone": "Asia/Tokyo"}}
    assert "Asia/Tokyo" in (await talk.result("tools/call", call))["content"][0]["text"]


async def test_clients_that_can_be_asked_nothing_share_a_process(talk):
    one, other = await talk(), await talk()
    assert one.number != other.number
    assert (await one.result("look"))["started"] == (await other.result("look"))["started"]


async def test_a_client_that_can_be_asked_has_a_process_and_a_home_of_its_own(talk):
    shared, one, other = await talk(), await talk(CAPABLE), await talk(CAPABLE)
    seen = [await client.result("look") for client in (shared, one, other)]
    assert len({look["started"] for look in seen}) == 3
    assert len({look["environment"]["HOME"] for look in seen}) == 3


async def test_a_process_of_its_own_is_introduced_by_its_client(http):
    talk = Talk(http, [*SERVER, "introduced"])
    hello = (await talk.open(CAPABLE))["hello"]
    assert hello == {"protocolVersion": "2025-06-18", "capabilities": CAPABLE, "clientInfo": CLIENT}
    assert [message["method"] for message in (await talk.result("listen"))["heard"]] == ["notifications/initialized"]
    await talk.end()


async def test_what_neither_side_knows_passes_byte_for_byte(talk):
    for capabilities in ({}, CAPABLE):
        one = await talk(capabilities)
        odd = b'{"_meta":{"x":1.10},\r\n"big":123456789012345678901234567890,"text":"\\u00e4\\n","null":null}'
        answer = await one.post(b'{"jsonrpc":"2.0","id":"an \\"id\\"","method":"echo","params":' + odd + b"}")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"jsonrpc": "2.0", "id": 'an "id"', "result": json.loads(odd), "x-beside": True}


async def test_two_clients_with_the_same_ids_and_progress_tokens_get_their_own(talk):
    one, other = await talk(), await talk()

    async def count(client, steps):
        params = {"steps": steps, "_meta": {"progressToken": "same", "kept": [1]}}
        async with client.streaming("count", params, number="same") as events:
            assert events.response.headers["content-type"] == "text/event-stream"
            heard = [await events.next() for _ in range(steps)]
            assert [message["params"] for message in heard] == [
                {"progressToken": "same", "progress": step, "x-unknown": {"kept": 1}} for step in range(steps)
            ]
            last = await events.next()
            assert (last["id"], last["result"]) == ("same", {"counted": steps})
            assert await events.next() is None

    await asyncio.gather(count(one, 3), count(other, 5), count(one, 7))


async def test_an_answer_that_nothing_came_before_is_json(talk):
    one = await talk()
    answer = await one.request("count", {"steps": 0, "_meta": {"progressToken": 1}})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["sampling/createMessage", "elicitation/create", "roots/list"])
async def test_a_server_s_request_goes_out_with_the_answer_in_flight_and_its_answer_goes_back(talk, method):
    one = await talk(CAPABLE)
    async with one.streaming("ask", {"method": method}) as events:
        asked = await events.next()
        assert asked == {"jsonrpc": "2.0", "id": "s-1", "method": method, "params": {"x-unknown": 1}}
        given = {"jsonrpc": "2.0", "id": "s-1", "result": {"model": "m", "x-unknown": 2}}
        assert (await one.post(given)).status_code == 202
        assert (await events.next())["result"] == {"answered": given}


async def test_a_refusal_by_the_client_reaches_the_server(talk):
    one = await talk(CAPABLE)
    async with one.streaming("ask", {"method": "roots/list"}) as events:
        await events.next()
        refused = {"jsonrpc": "2.0", "id": "s-1", "error": {"code": -1, "message": "no", "data": {"why": 1}}}
        await one.post(refused)
        assert (await events.next())["result"] == {"answered": refused}


async def test_an_answer_to_what_was_not_asked_does_not_reach_the_server(talk):
    one = await talk(CAPABLE)
    assert (await one.post({"id": "never asked", "result": {}})).status_code == 202
    assert "never asked" not in json.dumps(await one.result("listen"))


async def test_a_shared_server_can_ask_nobody(talk):
    one = await talk()
    answered = (await one.result("ask", {"method": "sampling/createMessage"}))["answered"]
    assert answered["error"] == {"code": -32601, "message": "sampling/createMessage is not supported"}


async def test_ping_is_answered_for_every_client(talk):
    for capabilities in ({}, CAPABLE):
        one = await talk(capabilities)
        assert (await one.result("ask", {"method": "ping"}))["answered"] == {
            "jsonrpc": "2.0",
            "id": "s-1",
            "result": {},
        }


async def test_with_nothing_in_flight_a_server_speaks_on_the_session_s_stream(talk):
    one = await talk(CAPABLE)
    async with one.listening() as events:
        await one.result("ask_later", {"method": "roots/list"})
        assert (await events.next())["method"] == "roots/list"
        assert (await one.request("listen")).status_code == 200


async def test_what_was_said_before_the_client_listened_waits_for_it(talk):
    one = await talk(CAPABLE)
    await one.result("ask_later", {"method": "roots/list"})
    async with one.listening() as events:
        assert (await events.next())["id"] == "s-2"


async def test_what_nobody_hears_is_refused_to_the_server_in_the_end(talk):
    one = await talk(CAPABLE)
    await one.result("ask_often", {"times": 150})

    async def are_refused():
        heard = (await one.result("listen"))["heard"]
        return sum("does not keep up" in json.dumps(message) for message in heard) == 50

    await until(are_refused)


async def test_a_changed_list_is_told_to_every_session_and_nothing_else_is(talk):
    one, other = await talk(), await talk()
    async with one.listening() as first, other.listening() as second:
        await one.result("announce", {"method": "notifications/message", "params": {"data": "of somebody's call"}})
        await one.result("announce", {"method": "notifications/tools/list_changed"})
        for events in (first, second):
            assert (await events.next())["method"] == "notifications/tools/list_changed"


async def test_a_changed_resource_is_told_to_who_subscribed(talk):
    one, other = await talk(), await talk()
    changed = {"method": "notifications/resources/updated", "params": {"uri": "file:///a"}}
    async with one.listening() as first, other.listening() as second:
        await one.result("resources/subscribe", {"uri": "file:///a"})
        await other.result("resources/subscribe", {"uri": "file:///b"})
        await other.result("announce", changed)
        await other.result("announce", {"method": "notifications/prompts/list_changed"})
        assert (await first.next())["params"] == {"uri": "file:///a"}
        assert (await second.next())["method"] == "notifications/prompts/list_changed"


async def test_who_unsubscribes_takes_nothing_from_others(talk):
    one, other = await talk(), await talk()
    address = {"uri": "file:///a"}
    await one.result("resources/subscribe", address)
    await other.result("resources/subscribe", address)
    assert await one.result("resources/unsubscribe", address) == {}  # settled without the server, which would echo
    assert await other.result("resources/unsubscribe", address) == address


async def test_a_cancellation_reaches_the_server_under_its_own_number(talk):
    for capabilities in ({}, CAPABLE):
        one, other = await talk(capabilities), await talk()
        waiting = asyncio.create_task(one.request("wait", number="mine"))

        async def is_cancelled(one=one):
            await one.tell("notifications/cancelled", {"requestId": "mine", "reason": "enough"})
            return "enough" in json.dumps(await one.result("listen", number=2))

        await other.tell("notifications/cancelled", {"requestId": "mine", "reason": "not theirs"})
        await until(is_cancelled)
        heard = (await one.result("listen", number=2))["heard"]
        assert "not theirs" not in json.dumps(heard)
        numbers = [
            message["params"]["requestId"] for message in heard if message["method"] == "notifications/cancelled"
        ]
        assert all(isinstance(number, int) for number in numbers)
        waiting.cancel()


async def test_a_client_that_goes_away_cancels_what_it_asked(talk):
    one = await talk()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await one.request("wait")

    async def is_told():
        return "the client has gone" in json.dumps(await one.result("listen"))

    await until(is_told)


async def test_an_ended_session_is_unknown_and_its_process_is_gone(talk):
    one = await talk(CAPABLE)
    before = (await one.http.get("/")).json()["running"]
    assert (await one.end()).status_code == 204
    assert (await one.request("look")).status_code == 404
    assert (await one.http.get("/")).json()["running"] == before - 1


async def test_the_death_of_its_own_process_ends_the_session_with_one_error(talk):
    one = await talk(CAPABLE)
    answer = await one.request("die")
    assert answer.status_code == 502
    assert answer.json() == {"detail": "Its program ended before it answered (exit code 3)."}
    assert (await one.request("look")).status_code == 404


async def test_a_shared_process_that_dies_is_started_again_for_the_same_session(talk):
    one, other = await talk(), await talk()
    waiting = asyncio.create_task(other.request("wait"))
    before = (await one.result("look"))["started"]
    assert (await one.request("die")).status_code == 502
    assert (await waiting).status_code == 502
    assert (await other.result("look"))["started"] > before


async def test_a_session_is_known_to_its_own_command_only(talk, http):
    one = await talk()
    stranger = Talk(http, [*SERVER, "another command"])
    stranger.number = one.number
    assert (await stranger.request("look")).status_code == 404
    assert (await stranger.end()).status_code == 404


async def test_a_session_has_one_stream_at_a_time(talk):
    one = await talk()
    async with one.listening(), one.listening() as second:
        assert second.response.status_code == 409

    async def is_free():
        async with one.listening() as third:
            return third.response.status_code == 200

    await until(is_free)


async def test_a_request_without_a_session_is_answered_by_the_shared_process(talk, http):
    one = await talk()
    nobody = Talk(http, [*json.loads(one.command["nexus-command"])])
    assert (await nobody.result("look"))["started"] == (await one.result("look"))["started"]
    assert (await nobody.tell("notifications/initialized")).status_code == 202


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff", b'{"jsonrpc":"2.0"}', b"[" * 100_000])
async def test_what_is_not_one_message_is_refused(talk, body):
    one = await talk()
    assert (await one.post(body)).status_code == 400
    assert (await one.request("look")).status_code == 200


@pytest.mark.parametrize("command", ["", "no list", "[]", "[1]", '[""]', '{"a":1}'])
async def test_what_is_not_a_command_is_refused(http, command):
    answer = await http.post("/", content=b"{}", headers={"nexus-command": command})
    assert answer.status_code == 400
    assert "JSON list" in answer.json()["detail"]


async def test_other_methods_are_refused(http):
    answer = await http.put("/", headers={"nexus-command": '["x"]'})
    assert answer.status_code == 405


GARBAGE = [
    "", "nonsense", "{", "[]", "null", "1", '"text"', "[" * 100_000, '{"jsonrpc":"2.0"}', '{"id":{"a":[]},"result":{}}',
    '{"id":true,"result":{}}', '{"id":999999,"result":{}}', '{"method":5}', '{"method":"notifications/progress"}',
    '{"method":"notifications/progress","params":[]}', '{"method":"roots/list","id":[1]}', "\xff\xfe", '{"method":"\xff"}',
    '{"method":"notifications/progress","params":{"progressToken":{"a":1}}}',
]  # fmt: skip


@pytest.mark.parametrize("capabilities", [{}, CAPABLE])
async def test_garbage_from_a_server_costs_nothing(talk, capabilities):
    one = await talk(capabilities)
    for line in GARBAGE:
        async with one.streaming("say", {"line": line}, number=line[:20]) as events:
            assert events.response.status_code == 200
            while (message := await events.next()) and "result" not in message:
                assert "method" in message
            if message:
                assert message["id"] == line[:20]
    assert await one.result("look")


@pytest.mark.parametrize("capabilities", [{}, CAPABLE])
async def test_an_answer_that_turns_out_to_be_garbage_is_an_error(talk, capabilities):
    one = await talk(capabilities)
    answer = await one.request("say", {"line": '{"jsonrpc":"2.0","id":%d,"result":{},"\xff":1}'})
    assert answer.status_code == 200
    assert ("error" in answer.json()) or ("result" in answer.json())
    assert await one.result("look")


@pytest.mark.parametrize("params", [[], {"requestId": None}, {"requestId": {"a": 1}}, {}, {"requestId": "unknown"}])
async def test_a_cancellation_of_nothing_is_taken(talk, params):
    one = await talk(CAPABLE)
    assert (await one.post({"method": "notifications/cancelled", "params": params})).status_code == 202
    assert await one.result("look")
