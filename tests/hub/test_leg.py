"""MCP to servers of both eras, over real sockets."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import pytest

from profiles.definitions import name_in
from profiles.upstream import older, sse
from profiles.upstream.discovery import all_tools
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError
from profiles.upstream.leg import Era, Leg
from tests.hub.sdk_sse_server import running_sdk_sse_server

TOOLS = b'{"tools":[{"name":"echo","inputSchema":{}}]}'


@asynccontextmanager
async def server(answer):
    """`answer(head, request)` returns (status, headers, body) for each request."""
    seen, ended = [], []

    async def serve(reader, writer):
        done = asyncio.get_running_loop().create_future()
        ended.append(done)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                request = json.loads(await reader.readexactly(length))
                seen.append((head, request))
                status, headers, body = answer(head, request)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n" % (status, len(body)))
                writer.write(b"".join(b"%b: %b\r\n" % pair for pair in headers) + b"\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            done.set_result(None)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    leg = Leg(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp?key=1")
    try:
        yield leg, seen
    finally:
        leg.close()
        listener.close()
        await asyncio.gather(*ended)


def result(request, raw):
    return (
        200,
        [(b"Content-Type", b"application/json")],
        b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request["id"], raw),
    )


class Legacy:
    """A server of 2025-11-25, which gives sessions and forgets them when told."""

    def __init__(self, session=b"s1", stream=False):
        self.session, self.stream, self.forget = session, stream, False

    def __call__(self, head, request):
        method = request["method"]
        if method == "server/discover":
            return 400, [], b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"initialize first"}}'
        if method == "initialize":
            status, headers, body = result(
                request, b'{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}'
            )
            return status, headers + ([(b"Mcp-Session-Id", self.session)] if self.session else []), body
        if method.startswith("notifications/"):
            return 202, [], b""
        if self.session and b"Mcp-Session-Id: " + self.session not in head:
            return 400, [], b"{}"
        if self.forget:
            self.forget, self.session = False, b"s2"
            return 404, [], b"{}"
        if self.stream:
            _, _, body = result(request, TOOLS)
            note = b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
            return (
                200,
                [(b"Content-Type", b"text/event-stream")],
                b": hi\nid: 1\ndata: " + note + b"\n\ndata: " + body + b"\r\n\r\n",
            )
        return result(request, TOOLS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("session", [b"s1", b""])
async def test_an_older_server_is_introduced_to_once(session, stream):
    async with server(Legacy(session, stream)) as (leg, seen):
        for _ in range(3):
            assert [name_in(raw) for raw in await all_tools(leg)] == ["echo"]
        methods = [request["method"] for _, request in seen]
        assert methods == ["server/discover", "initialize", "notifications/initialized", *["tools/list"] * 3]
        assert leg._era is Era.LEGACY
        assert seen[0][0].startswith(b"POST /mcp?key=1 HTTP/1.1\r\n")


async def test_two_principals_never_share_a_session_of_an_older_server():
    async with server(Legacy()) as (leg, seen):
        for principal in ("alice", "bob", "alice"):
            await leg.request("tools/list", b"{}", principal=principal)
        assert [request["method"] for _, request in seen].count("initialize") == 2


async def test_a_session_that_the_server_forgot_is_opened_anew():
    legacy = Legacy()
    async with server(legacy) as (leg, seen):
        await all_tools(leg)
        legacy.forget = True
        assert await all_tools(leg)
        assert b"Mcp-Session-Id: s2" in seen[-1][0]


@pytest.mark.parametrize("more", [{}, {"progressToken": 7, "x": 1.5}])
async def test_an_older_server_is_spared_the_envelope_of_the_modern_era(more):
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "echo", "arguments": {"io.modelcontextprotocol/": 1}, "_meta": {**envelope, **more}}
    async with server(Legacy()) as (leg, seen):
        await leg.request("tools/call", json.dumps(params).encode(), name="echo")
        sent = seen[-1][1]["params"]
        assert sent.pop("_meta", {}) == more
        assert sent == {"name": "echo", "arguments": {"io.modelcontextprotocol/": 1}}


async def test_many_first_requests_at_once_introduce_once():
    async with server(Legacy()) as (leg, seen):
        await asyncio.gather(*(leg.request("tools/list", b"{}") for _ in range(10)))
        assert [request["method"] for _, request in seen].count("initialize") == 1


async def test_a_modern_server_is_asked_without_a_session():
    def modern(head, request):
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        assert b"Mcp-Method: tools/call\r\n" in head
        assert b"Mcp-Name: echo\r\n" in head
        meta = request["params"]["_meta"]
        assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        assert meta["traceparent"] == "00-x"
        return result(request, b'{"content":[]}')

    async with server(modern) as (leg, seen):
        answer = await leg.request("tools/call", b'{"name":"echo","_meta":{"traceparent":"00-x"}}', name="echo")
        assert answer.result == b'{"content":[]}'
        assert leg._era is Era.MODERN


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, [], b"{}"), "sign-in"),
        ((302, [(b"Location", b"http://169.254.169.254/")], b""), "sends elsewhere"),
        ((200, [], b"<html>hello</html>"), "not MCP"),
        ((500, [], b""), "HTTP 500"),
        ((200, [], b'{"jsonrpc":"2.0","id":1,"result":[]}'), "not MCP"),
        ((200, [(b"Content-Type", b"text/event-stream")], b"data: {}\n\n"), "ended before the answer"),
    ],
)
async def test_what_a_server_does_wrong_is_said(answer, says):
    async with server(lambda head, request: answer) as (leg, seen):
        with pytest.raises(UpstreamError, match=says):
            await leg.request("tools/list", b"{}")


@pytest.mark.parametrize("raw", [b"[]", b'{"tools":5}', b"{}", b'"x"'])
async def test_what_is_not_a_list_of_tools_is_refused(raw):
    def answer(head, request):
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        return result(request, raw)

    async with server(answer) as (leg, seen):
        with pytest.raises(UpstreamError):
            await all_tools(leg)


async def test_every_page_of_tools_is_read():
    def answer(head, request):
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        page = int(request["params"].get("cursor", 0))
        more = b',"nextCursor":"%d"' % (page + 1) if page < 2 else b""
        return result(request, b'{"tools":[{"name":"t%d"}]%b}' % (page, more))

    async with server(answer) as (leg, seen):
        assert [name_in(raw) for raw in await all_tools(leg)] == ["t0", "t1", "t2"]


async def test_a_request_that_may_have_run_is_not_sent_again():
    def answer(head, request):
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        raise ConnectionResetError

    async with server(answer) as (leg, seen):
        with pytest.raises(NoAnswer):
            await leg.request("tools/call", b'{"name":"echo"}', name="echo")
        assert [request["method"] for _, request in seen].count("tools/call") == 1


async def test_a_server_that_is_down_is_unreachable(unused_tcp_port):
    with pytest.raises(Unreachable):
        await Leg(f"http://127.0.0.1:{unused_tcp_port}/mcp").request("tools/list", b"{}")


async def test_a_server_that_is_briefly_unwell_is_not_taken_for_an_older_one():
    unwell = [True]

    def answer(head, request):
        if unwell:
            unwell.pop()
            return 503, [], b""
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        return result(request, TOOLS)

    async with server(answer) as (leg, seen):
        with pytest.raises(UpstreamError, match="503"):
            await all_tools(leg)
        assert await all_tools(leg)
        assert leg._era is Era.MODERN


async def test_a_null_error_beside_a_result_is_no_error():
    def answer(head, request):
        status, headers, body = result(request, b'{"supportedVersions":["2026-07-28"]}')
        return status, headers, body[:-1] + b',"error":null}'

    async with server(answer) as (leg, seen):
        assert (await leg.request("tools/call", b'{"name":"echo"}', name="echo")).result


async def test_names_that_no_header_carries_are_wrapped():
    async with server(lambda head, request: result(request, b'{"supportedVersions":["2026-07-28"]}')) as (leg, seen):
        for name in ("café", "a\r\nX-Evil: y", "a b ", "=?base64?x?="):
            await leg.request("tools/call", b"{}", name=name)
            assert b"\r\nX-Evil" not in seen[-1][0]
            value = seen[-1][0].split(b"Mcp-Name: ")[1].split(b"\r\n")[0]
            assert base64.b64decode(value.removeprefix(b"=?base64?").removesuffix(b"?=")).decode() == name


@pytest.mark.parametrize("name", ["a\r\nX: y", "a\0b", "", "x" * 201, 7, None])
async def test_a_tool_whose_name_cannot_be_used_is_named_and_refused(name):
    def answer(head, request):
        if request["method"] == "server/discover":
            return result(request, b'{"supportedVersions":["2026-07-28"]}')
        return result(request, json.dumps({"tools": [{"name": name}]}).encode())

    async with server(answer) as (leg, seen):
        with pytest.raises(UpstreamError, match="name that cannot be used"):
            await all_tools(leg)


async def test_a_stream_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT", 100_000)

    def answer(head, request):
        return 200, [(b"Content-Type", b"text/event-stream")], b"data: x\n" * 50_000

    async with server(answer) as (leg, seen):
        with pytest.raises(UpstreamError, match="larger"):
            await leg.request("tools/list", b"{}")


async def test_one_principal_does_not_wait_for_the_introduction_of_another():
    legacy, go_on = Legacy(), asyncio.Event()
    async with server(legacy) as (leg, seen):
        await leg.request("tools/list", b"{}", principal="first")
        introduce = leg.older._introduce

        async def slowly(principal, head):
            await go_on.wait()
            return await introduce(principal, head)

        leg.older._introduce = slowly
        waiting = asyncio.create_task(leg.request("tools/list", b"{}", principal="slow"))
        await asyncio.sleep(0)
        assert (await leg.request("tools/list", b"{}", principal="first")).result
        go_on.set()
        assert (await waiting).result


async def test_the_sessions_of_an_older_server_are_bounded(monkeypatch):
    monkeypatch.setattr(older, "MAX_SESSIONS", 3)
    async with server(Legacy()) as (leg, seen):
        for number in range(6):
            await leg.request("tools/list", b"{}", principal=str(number))
        assert list(leg.older._sessions) == ["3", "4", "5"]


async def test_a_server_of_the_oldest_era_is_listed_and_called():
    with running_sdk_sse_server() as url:
        leg = Leg(url)
        assert "echo" in [name_in(tool) for tool in await all_tools(leg)]
        for _ in range(3):
            answer = await leg.request("tools/list", b"{}", principal="alice")
            assert answer.result
        assert leg._era is Era.LEGACY
        leg.close()
