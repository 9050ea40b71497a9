"""Sessions of the oldest era: against a scripted server, and against the official SDK's."""

import asyncio
import json

import pytest

from profiles.upstream import sse
from profiles.upstream.errors import AddressRefused, NoAnswer, UpstreamError
from profiles.upstream.http import Pool
from profiles.upstream.sse_session import SessionEnded, SseSession
from tests.hub.old_server import old_server, session_with
from tests.hub.sdk_sse_server import running_sdk_sse_server

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def body(rpc_id, method="tools/call", **params):
    return json.dumps({"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params}).encode()


class Heard(list):
    """Takes what the server says beside its answers."""

    async def __call__(self, message, data):
        self.append(json.loads(data))
        return True

    @property
    def methods(self):
        return [message["method"] for message in self]


def asking(session, rpc_id=b"1", sent=PING, heard=None, timeout=5, **options):
    return asyncio.create_task(
        session.request(rpc_id, sent, on_message=heard if heard is not None else Heard(), timeout=timeout, **options)
    )


async def test_a_request_is_posted_and_answered_on_the_stream():
    async with old_server() as server, session_with(server, head=b"Authorization: Bearer of-ours\r\n") as session:
        task = asking(session)
        assert await server.posted.get() == json.loads(PING)
        server.answer(1, {"x-unknown": 1.10})
        message = await task
        assert bytes(message.result) == b'{"x-unknown": 1.1}'
        opened, posted = server.heads
        assert opened.startswith(b"GET /sse HTTP/1.1\r\n")
        assert b"\r\nAccept: text/event-stream\r\n" in opened
        assert posted.startswith(b"POST /messages?session_id=7 HTTP/1.1\r\n")
        assert all(b"\r\nAuthorization: Bearer of-ours\r\n" in head for head in (opened, posted))


@pytest.mark.parametrize("status", [b"200 OK", b"202 Accepted", b"204 No Content"])
async def test_any_way_to_accept_a_request_will_do(status):
    accepted = b"HTTP/1.1 " + status + b"\r\n\r\n"
    async with old_server(accepted=accepted) as server, session_with(server) as session:
        task = asking(session)
        await server.posted.get()
        server.answer(1, {})
        assert bytes((await task).result) == b"{}"


async def test_an_error_is_an_answer():
    async with old_server() as server, session_with(server) as session:
        task = asking(session)
        await server.posted.get()
        server.say({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no", "data": [1]}})
        assert json.loads(bytes((await task).error)) == {"code": -32602, "message": "no", "data": [1]}


async def test_answers_find_their_requests_in_any_order():
    ids = [b"1", b'"1"', b'"\\u00e4"', b"-5", b'""']
    async with old_server() as server, session_with(server) as session:
        tasks = [asking(session, rpc_id, b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % rpc_id) for rpc_id in ids]
        sent = [(await server.posted.get())["id"] for _ in ids]
        assert sorted(map(repr, sent)) == sorted(repr(json.loads(rpc_id)) for rpc_id in ids)
        for forged in (None, True, 1.5, [1], {"a": 1}, "2"):
            server.answer(forged, {"of": "nobody"})
        for rpc_id in reversed(sent):
            server.answer(rpc_id, {"of": rpc_id})
        answers = [json.loads(bytes((await task).result))["of"] for task in tasks]
        assert answers == [json.loads(rpc_id) for rpc_id in ids]


async def test_an_id_is_under_way_once():
    async with old_server() as server, session_with(server) as session:
        first = asking(session)
        await server.posted.get()
        with pytest.raises(UpstreamError, match="under way already"):
            await asking(session)
        server.answer(1, {})
        assert (await first).result


async def test_what_comes_before_the_answer_goes_to_the_request_in_order():
    async with old_server() as server, session_with(server) as session:
        heard = Heard()
        task = asking(session, heard=heard)
        await server.posted.get()
        for number in range(100):
            server.say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": number}})
        server.say({"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}})
        server.answer(1, {})
        await task
        assert [message["params"].get("data") for message in heard] == [*range(100), None]
        await session.send(b'{"jsonrpc":"2.0","id":9,"result":{}}')
        assert await server.posted.get() == {"jsonrpc": "2.0", "id": 9, "result": {}}


async def test_progress_goes_to_the_request_that_it_names():
    async with old_server() as server, session_with(server) as session:
        heard = {number: Heard() for number in (1, 2)}
        tasks = [
            asking(session, b"%d" % number, body(number, _meta={"progressToken": f"t{number}"}), heard[number])
            for number in (1, 2)
        ]
        await server.posted.get()
        await server.posted.get()
        for number in (1, 2, 1):
            server.say(
                {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": f"t{number}"}}
            )
        for number in (1, 2):
            server.answer(number, {})
        await asyncio.gather(*tasks)
        assert [len(heard[number]) for number in (1, 2)] == [2, 1]


async def test_what_belongs_to_no_request_goes_to_the_session():
    heard = asyncio.Queue()

    async def idle(message, data):
        heard.put_nowait(message.method)
        return True

    async with old_server() as server, session_with(server, idle) as session:
        server.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        assert await heard.get() == "notifications/tools/list_changed"
        task = asking(session)
        await server.posted.get()
        server.say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "of-nobody"}})
        server.say("not JSON")
        server.say('{"jsonrpc":"2.0","id":77,"result":{"asked":"by nobody"}}')
        server.say('"a text"')
        server.answer(1, {})
        await task
        assert await heard.get() == "notifications/progress"
        assert heard.empty()


async def test_the_end_of_the_stream_fails_all_that_is_under_way_and_nothing_is_sent_again():
    async with old_server() as server, session_with(server) as session:
        tasks = [asking(session, b"%d" % number) for number in range(3)]
        for _ in tasks:
            await server.posted.get()
        server.stream.close()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(answer) for answer in answers} == {NoAnswer}
        assert server.posted.empty()
        assert session.is_over
        with pytest.raises(SessionEnded):
            await asking(session)
        assert server.posted.empty()


async def test_closing_ends_the_stream_and_fails_what_is_under_way():
    async with old_server() as server, session_with(server) as session:
        task = asking(session)
        await server.posted.get()
        session.close()
        with pytest.raises(NoAnswer):
            await task
        await server.ended.wait()


@pytest.mark.parametrize("status", [b"404 Not Found", b"410 Gone"])
async def test_a_session_that_the_server_forgot_says_that_the_request_did_not_run(status):
    accepted = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    async with old_server(accepted=accepted) as server, session_with(server) as session:
        with pytest.raises(SessionEnded):
            await asking(session)


@pytest.mark.parametrize("status", [b"400 Bad", b"500 Broken", b"307 Elsewhere\r\nLocation: http://127.0.0.1:1/"])
async def test_a_request_that_is_not_accepted_fails_at_once(status):
    accepted = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    async with old_server(accepted=accepted) as server, session_with(server) as session:
        with pytest.raises(UpstreamError, match=f"HTTP {status[:3].decode()}"):
            await asking(session)
        assert not session.is_over


async def test_an_answer_that_comes_before_the_request_is_accepted_counts():
    async with old_server(accepted=b"") as server, session_with(server) as session:
        task = asking(session)
        await server.posted.get()
        server.answer(1, {"early": True})
        assert json.loads(bytes((await task).result)) == {"early": True}


async def test_a_request_that_takes_too_long_is_given_up_and_the_session_goes_on():
    async with old_server() as server, session_with(server) as session:
        with pytest.raises(NoAnswer, match="did not finish"):
            await asking(session, timeout=0.1)
        await server.posted.get()
        server.answer(1, {"too": "late"})
        task = asking(session, b"2")
        await server.posted.get()
        server.answer(2, {})
        assert bytes((await task).result) == b"{}"


async def test_a_request_whose_caller_does_not_listen_holds_nobody_up_for_ever():
    async def deaf(message, data):
        await asyncio.Event().wait()

    async with old_server() as server, session_with(server) as session:
        task = asking(session, heard=deaf)
        await server.posted.get()
        for number in range(100):
            server.say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": number}})
        server.answer(2, {})
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other = asking(session, b"3")
        await server.posted.get()
        server.answer(3, {})
        assert (await other).result


async def test_the_last_look_keeps_the_request_from_being_sent():
    def look():
        raise PermissionError

    async with old_server() as server, session_with(server) as session:
        with pytest.raises(PermissionError):
            await asking(session, last_look=look)
        assert server.posted.empty()


@pytest.mark.parametrize(
    "endpoint",
    ["messages?id=1", "/messages?id=1", "http://127.0.0.1:PORT/messages?id=1", "//127.0.0.1:PORT/messages?id=1"],
)
async def test_the_address_to_post_to_may_be_relative_or_whole(endpoint):
    async with old_server(endpoint=endpoint) as server, session_with(server) as session:
        await session.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        assert server.heads[-1].startswith(b"POST /messages?id=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://evil.example/messages", "//evil.example/messages", "https://127.0.0.1:PORT/messages", "http://127.0.0.1/messages",
        "http://localhost:PORT/messages", "http://127.0.0.1:1/", "ftp://127.0.0.1:PORT/", "http://a@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT\\@evil.example/", "javascript:alert(1)", "http://[::1/", "unix:/run/nexus.sock",
    ],
)  # fmt: skip
async def test_the_address_to_post_to_must_be_of_the_same_origin(endpoint):
    async with old_server(endpoint=endpoint) as server:
        with pytest.raises(UpstreamError):
            async with session_with(server, head=b"Authorization: Bearer of-ours\r\n"):
                pass
        await server.ended.wait()
        assert len(server.heads) == 1


async def test_another_address_later_is_not_believed():
    async with old_server() as server, session_with(server) as session:
        server.say("/elsewhere", "endpoint")
        task = asking(session)
        await server.posted.get()
        server.answer(1, {})
        await task
        assert server.heads[-1].startswith(b"POST /messages?session_id=7 ")


@pytest.mark.parametrize(
    "opening",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Go\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n",
    ],
)  # fmt: skip
async def test_a_server_without_such_a_stream_is_refused(opening):
    async with old_server(opening=opening, endpoint="") as server:
        with pytest.raises(UpstreamError, match=r"opens no stream|sends elsewhere"):
            async with session_with(server):
                pass


async def test_a_server_that_never_says_where_to_post_is_given_up():
    async with old_server(endpoint="") as server:
        pool = Pool(server.url)
        session = SseSession(pool, server.url, on_idle_message=Heard())
        with pytest.raises(NoAnswer, match="where to send"):
            await session.open(0.1)
        await server.ended.wait()
        pool.close()


async def test_an_endless_event_ends_the_session(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT", 100_000)
    async with old_server() as server, session_with(server) as session:
        task = asking(session)
        await server.posted.get()
        server.stream.write(b"data: " + b"x" * 200_000)
        with pytest.raises(NoAnswer, match="larger than"):
            await task
        await server.ended.wait()


async def test_open_sessions_take_no_place_of_requests():
    async def ignore(message, data):
        return True

    async with old_server() as server:
        pool = Pool(server.url, limit=1)
        sessions = [SseSession(pool, server.url, on_idle_message=ignore) for _ in range(5)]
        for session in sessions:
            await session.open(5)
            await session.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        for session in sessions:
            session.close()
        pool.close()


async def test_a_forbidden_address_is_refused():
    pool = Pool("http://169.254.169.254/sse")
    with pytest.raises(AddressRefused):
        await SseSession(pool, "http://169.254.169.254/sse", on_idle_message=Heard()).open(5)


async def test_the_official_server_of_that_era_is_understood():
    hello = {
        "protocolVersion": "2024-11-05",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "t", "version": "1"},
    }
    heard = Heard()

    async def answering(message, data):
        heard.append(json.loads(data))
        if message.method == "elicitation/create":
            result = {"action": "accept", "content": {"colour": "blue"}}
            answer = {"jsonrpc": "2.0", "id": json.loads(bytes(message.id)), "result": result}
            await session.send(json.dumps(answer).encode())
        return True

    async def call(rpc_id, method, **params):
        sent = body(rpc_id, method, **params)
        message = await session.request(b"%d" % rpc_id, sent, on_message=answering, timeout=10)
        return json.loads(bytes(message.result))

    with running_sdk_sse_server() as url:
        pool = Pool(url)
        session = SseSession(pool, url, on_idle_message=answering)
        await session.open()
        assert (await call(1, "initialize", **hello))["serverInfo"]["name"] == "old"
        await session.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        assert {tool["name"] for tool in (await call(2, "tools/list"))["tools"]} == {"echo", "steps", "ask"}
        texts = await asyncio.gather(
            *(call(number, "tools/call", name="echo", arguments={"text": str(number)}) for number in range(10, 60))
        )
        assert [text["content"][0]["text"] for text in texts] == [str(number) for number in range(10, 60)]
        await call(3, "tools/call", name="steps", arguments={}, _meta={"progressToken": "p"})
        assert heard.methods == ["notifications/progress", "notifications/progress"]
        asked = await call(4, "tools/call", name="ask", arguments={})
        assert asked["content"][0]["text"] == "blue"
        session.close()
        pool.close()
