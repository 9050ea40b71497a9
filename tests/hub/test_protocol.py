"""Both eras, and everything that is neither, as the statuses of the wire demand."""

import base64
import json

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.models import Call
from nexus.hub import protocol, sessions
from nexus.hub.counters import counters
from nexus.hub.protocol import ClientInfo
from nexus.hub.request import HubRequest
from tests import cast

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "probe", "version": "2"},
}
MODERN = {"mcp-protocol-version": "2026-07-28"}


@pytest.fixture
def secret(alice):
    server = cast.make_server("dead", url="http://127.0.0.1:1/mcp")
    server.remember_failure("not asked", now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    return cast.make_token(alice, toolkit).key.text


async def send(client, secret, body, headers=None, method="POST", **fields):
    sent = {"authorization": f"Bearer {secret}", "content-type": "application/json", **(headers or {})}
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.send(method, "/hub/mcp", body, headers=sent, **fields)


def message(method="ping", **members):
    return {"jsonrpc": "2.0", "id": 1, "method": method, **members}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"", 400, -32700),
        (b"\xff\xfe", 400, -32700),
        (b"[" * 100_000, 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 100_000, 400, -32700),
        ([message()], 400, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": {"a": 1}, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
        (message(params=[1]), 400, -32602),
        (message(params={"_meta": 3}), 400, -32602),
        (message("no/such"), 200, -32601),
        (message("tasks/get"), 200, -32601),
        (message("tools/list", params={"cursor": "x"}), 200, -32602),
        (message("tools/call"), 200, -32602),
        (message("tools/call", params={"name": 7}), 200, -32602),
    ],
)
async def test_what_cannot_be_answered_gets_its_status_and_code(hub_client, secret, body, status, code):
    async with hub_client() as client:
        answer = await send(client, secret, body)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("content_type", "status"), [("text/plain", 415), ("", 415), ("application/json; charset=utf-8", 200)]
)
async def test_the_content_type_must_be_json(hub_client, secret, content_type, status):
    async with hub_client() as client:
        answer = await send(client, secret, message(), {"content-type": content_type})
        assert answer.status == status
        assert status == 200 or "Content-Type" in answer.json["error"]["message"]


async def test_a_body_over_four_megabytes_is_refused(hub_client, secret):
    async with hub_client() as client:
        assert (await send(client, secret, b"x" * (4 * 1024 * 1024 + 1))).status == 413


async def test_a_notification_is_accepted_without_a_body(hub_client, secret):
    async with hub_client() as client:
        answer = await send(client, secret, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "PATCH"])
async def test_only_post_is_offered_and_credentials_come_first(hub_client, secret, method):
    async with hub_client() as client:
        answer = await send(client, secret, b"", method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        stranger = await client.send(method, "/hub/mcp", headers={"mcp-protocol-version": "2024-11-05"})
        assert stranger.status == 401


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/event-stream", "text/html"]
)
async def test_any_accept_gets_json(hub_client, secret, accept):
    async with hub_client() as client:
        answer = await send(client, secret, message(), {"accept": accept})
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")


async def test_a_client_that_takes_only_a_stream_gets_one_event(hub_client, secret):
    async with hub_client() as client:
        answer = await send(client, secret, message(), {"accept": "text/event-stream"})
        assert answer.headers["content-type"] == "text/event-stream"
        event, data = answer.body.decode().strip().split("\n")
        assert (event, json.loads(data.removeprefix("data: "))["result"]) == ("event: message", {})


@pytest.mark.parametrize("version", protocol.LEGACY)
async def test_an_older_client_is_given_a_session_that_any_worker_takes(hub_client, secret, version):
    hello = message(
        "initialize", params={"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old"}}
    )
    async with hub_client() as first, hub_client() as second:
        answer = await send(first, secret, hello)
        assert answer.result["protocolVersion"] == version
        assert "work" in answer.result["instructions"].lower()
        session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": version}
        assert answer.headers["mcp-session-id"].isascii()
        assert (await send(second, secret, message(), session)).result == {}


async def test_an_unknown_version_at_initialize_is_answered_with_ours(hub_client, secret):
    hello = message("initialize", params={"protocolVersion": "1999-01-01", "capabilities": {}})
    async with hub_client() as client:
        assert (await send(client, secret, hello)).result["protocolVersion"] == "2025-11-25"


async def test_a_session_that_is_forged_or_of_someone_else_is_not_found(hub_client, secret, bob, work):
    async with hub_client() as client:
        theirs = sessions.open_session(bob.pk, work.pk, "2025-11-25", ClientInfo("x", "1"))
        altered = theirs[:-2] + ("AA" if theirs[-2:] != "AA" else "BB")
        for session in (theirs, altered, "x", "", "ä".encode().decode("latin-1"), "A" * 3000):
            answer = await send(client, secret, message(), {"mcp-session-id": session or " "})
            assert answer.status == 404, session


async def test_a_modern_client_discovers_lists_and_is_told_how_long(hub_client, secret):
    async with hub_client() as client:
        discover = message("server/discover", params={"_meta": META})
        answer = await send(client, secret, discover, {**MODERN, "mcp-method": "server/discover"})
        assert answer.result["resultType"] == "complete"
        assert "2026-07-28" in answer.result["supportedVersions"]
        assert answer.result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "nexus"
        listing = message("tools/list", params={"_meta": META})
        answer = await send(client, secret, listing, {**MODERN, "mcp-method": "tools/list"})
        assert answer.result["cacheScope"] == "private"
        assert answer.result["ttlMs"] > 0
        assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "params", "code"),
    [
        ({}, {"_meta": META}, -32020),
        ({"mcp-method": "tools/call"}, {"_meta": META}, -32020),
        ({"mcp-method": "tools/list"}, {}, -32602),
        (
            {"mcp-method": "tools/list"},
            {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}},
            -32020,
        ),
    ],
)
async def test_a_modern_request_must_agree_with_its_headers(hub_client, secret, headers, params, code):
    async with hub_client() as client:
        answer = await send(client, secret, message("tools/list", params=params), {**MODERN, **headers})
        assert (answer.status, answer.json["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("name", "status"),
    [("nexus_status", 200), ("other", 400), (None, 400), ("=?base64?bmV4dXNfc3RhdHVz?=", 200), ("=?base64?%?=", 400)],
)
async def test_the_name_in_the_header_must_be_the_one_in_the_body(hub_client, secret, name, status):
    call = message("tools/call", params={"name": "nexus_status", "_meta": META})
    async with hub_client() as client:
        answer = await send(client, secret, call, {**MODERN, "mcp-method": "tools/call", "mcp-name": name})
        assert answer.status == status


async def test_an_unknown_version_is_told_what_is_supported(hub_client, secret):
    async with hub_client() as client:
        answer = await send(client, secret, message(), {"mcp-protocol-version": "2099-01-01"})
        assert (answer.status, answer.json["error"]["code"]) == (400, -32022)
        assert "2026-07-28" in answer.json["error"]["data"]["supported"]


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "no/such"])
async def test_an_unknown_method_of_the_modern_era_is_404(hub_client, secret, method):
    async with hub_client() as client:
        answer = await send(client, secret, message(method, params={"_meta": META}), {**MODERN, "mcp-method": method})
        assert (answer.status, answer.json["error"]["code"]) == (404, -32601)


def request_with(headers):
    pairs = [(name, value) for name, value in headers.items()]
    return HubRequest(
        {"method": "POST", "path": "/hub/mcp", "query_string": b"", "headers": pairs, "client": ("127.0.0.1", 1)}
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
HEADERS = st.dictionaries(
    st.sampled_from([b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-session-id"]),
    st.sampled_from([b"2026-07-28", b"2025-06-18", b"tools/call", b"=?base64?x?=", b"\xff"]) | st.binary(max_size=10),
)


@pytest.mark.django_db(databases=[])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()), HEADERS)
def test_no_body_makes_the_parser_fail(body, headers):
    try:
        call = protocol.read(request_with(headers), body)
    except protocol.Refused as refused:
        assert refused.reply.status == 400
        json.loads(refused.reply.body)
    else:
        assert call.method


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_session(text):
    assert sessions.session_of(text, 1, cast.Toolkit().pk) is None


@given(st.binary(max_size=100))
def test_no_bytes_are_taken_for_a_session(content):
    text = base64.urlsafe_b64encode(content).decode()
    assert sessions.session_of(text, 1, cast.Toolkit().pk) is None


async def test_refusals_are_counted_by_reason_and_logged_without_the_secret(hub_client, secret, caplog):
    before = counters.refusals.copy()
    wrong = secret[:-6] + "000000"
    async with hub_client() as client:
        with caplog.at_level("INFO", "nexus.hub"):
            await client.send("POST", "/hub/mcp")
            await client.post(wrong)
            await client.post(secret, query="profile=other")
            await client.send("POST", "/hub/mcp", headers={"host": "evil.example"})
    counted = counters.refusals - before
    assert counted == {"no_credentials": 1, "unknown_token": 1, "other_toolkit": 1, "host": 1}
    assert secret[20:40] not in caplog.text


async def test_behind_a_trusted_proxy_its_words_about_the_client_count(hub_client, secret, settings, in_thread):
    async with hub_client() as client:
        claimed = {"x-forwarded-for": "1.2.3.4, 198.51.100.7", "x-request-id": "from-the-proxy"}
        assert (await send(client, secret, message(), claimed)).headers["x-request-id"] != "from-the-proxy"
        settings.NEXUS_TRUSTED_PROXIES = 1
        assert (await send(client, secret, message(), claimed)).headers["x-request-id"] == "from-the-proxy"
    addresses = await in_thread(lambda: list(Call.objects.order_by("at").values_list("address", flat=True)))
    assert addresses == ["203.0.113.9", "198.51.100.7"]
