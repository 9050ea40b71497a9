"""A call from the client's request to the server's answer and the row in Activity."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from activity.models import Call, Drop
from activity.recorder import NotRecorded
from nexus.hub import authority
from nexus.hub.authority import Unavailable
from profiles.events import Event
from profiles.models import Server, Toolkit, User
from profiles.models.entries import Choice
from tests import cast
from tests.hub.upstream import running_upstream
from tokens.models import Authority, AuthorityChange, DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def stage(hub_client, in_thread, **fields):
    """Alice's toolkit “work” on a real upstream, of which echo is allowed and add is not; a token; a running hub."""
    async with running_upstream(**fields) as upstream:
        secret = await in_thread(_prepare, upstream)
        async with hub_client() as client:
            yield upstream, client, secret


def _prepare(upstream):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    return cast.make_token(alice, toolkit).key.text


async def test_a_single_post_lists_and_calls(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        listed = await client.post(secret)
        assert [tool["name"] for tool in listed.result["tools"]] == ["echo__echo", "nexus_status"]
        answer = await client.call(secret, "echo__echo", {"text": "hello"})
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.result["content"] == [{"type": "text", "text": "hello"}]
        assert upstream.calls[0]["name"] == "echo"


async def test_every_answered_call_is_in_activity(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await client.call(secret, "echo__echo", {"text": "hello"}, user_agent="curl/8")
        await client.call(secret, "echo__add")
        rows = await in_thread(lambda: list(Call.objects.order_by("at")))
        assert [(row.tool, row.outcome) for row in rows] == [("echo__echo", "ok"), ("echo__add", "refused")]
        assert (rows[0].owner_email, rows[0].toolkit_alias, rows[0].server) == ("alice@example.com", "work", "echo")
        assert rows[0].user_agent == "curl/8"
        assert rows[0].upstream_ms > 0


async def test_a_tool_that_is_not_allowed_is_neither_listed_nor_sent_upstream(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        for name in ("echo__add", "add", "echo", "ECHO__ECHO", "echo__echo ", "nope", "", "echo__echo\0"):
            answer = await client.call(secret, name)
            assert answer.json["error"]["code"] == -32602, name
        assert upstream.calls == []


async def test_the_answer_of_a_server_is_not_altered(hub_client, in_thread):
    raw = b'"result":{"content":[],"big":123456789012345678901234567890,"pi":3.10,"x-new":{"b":1,"a":[null]},"_meta":{"k":"\\u00e4"}}'
    async with stage(hub_client, in_thread, answers={"echo": raw}) as (upstream, client, secret):
        answer = await client.call(secret, "echo__echo")
        assert answer.body == b'{"jsonrpc":"2.0","id":1,' + raw + b"}"


async def test_arguments_reach_the_server_as_they_were_sent(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        arguments = b'{"n":123456789012345678901234567890,"x":1.10,"text":"\\ud83d\\ude00"}'
        body = (
            b'{"jsonrpc":"2.0","id":"a\\"b","method":"tools/call","params":{"name":"echo__echo","arguments":%b,"x":1}}'
        )
        headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        answer = await client.send("POST", "/hub/mcp", body % arguments, headers=headers)
        assert answer.json["id"] == 'a"b'
        assert upstream.calls[0]["arguments"] == json.loads(arguments)
        assert upstream.calls[0]["x"] == 1


async def test_an_error_of_a_server_keeps_its_code_and_data(hub_client, in_thread):
    raw = b'"error":{"code":-31999,"message":"no","data":{"why":[1.0]}}'
    async with stage(hub_client, in_thread, answers={"echo": raw}) as (upstream, client, secret):
        answer = await client.call(secret, "echo__echo")
        assert answer.body == b'{"jsonrpc":"2.0","id":1,' + raw + b"}"
        assert (await in_thread(Call.objects.get)).outcome == "upstream_error"


async def test_a_tool_that_fails_is_shown_as_such(hub_client, in_thread):
    raw = b'"result":{"content":[],"isError":true}'
    async with stage(hub_client, in_thread, answers={"echo": raw}) as (upstream, client, secret):
        await client.call(secret, "echo__echo")
        assert (await in_thread(Call.objects.get)).outcome == "tool_error"


async def test_the_token_of_the_client_never_reaches_a_server(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await client.post(secret)
        await client.call(secret, "echo__echo", {"text": "hello"})
        received = b"".join(upstream.heads) + json.dumps(upstream.requests).encode()
        assert secret[20:].encode() not in received


async def test_a_server_that_is_gone_is_a_tool_error_that_names_it(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await in_thread(lambda: Server.objects.update(url="http://127.0.0.1:1/mcp"))
        async with hub_client() as fresh:
            answer = await fresh.call(secret, "echo__echo")
            assert answer.status == 200
            assert answer.result["isError"] is True
            assert "Echo" in answer.result["content"][0]["text"]
            listed = await fresh.post(secret)
            assert [tool["name"] for tool in listed.result["tools"]] == ["echo__echo", "nexus_status"]
            assert listed.result["_meta"]["nexus/servers"][0]["server"] == "echo"


async def test_a_revoked_token_is_refused_at_the_very_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(_revoke)
        answer = await client.call(secret, "echo__echo")
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "was revoked on" in answer.json["error"]["message"]
        assert len(upstream.calls) == 1


def _revoke():
    DelegatedToken.objects.get().revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())


async def test_a_call_that_has_not_begun_when_its_token_is_revoked_does_not_begin(hub_client, in_thread):
    """The first call opens the connection slowly, so the revocation falls between the two looks."""
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await client.post(secret)
        leg = next(iter(client.hub._upstreams._states.values())).leg
        connect, reached, go_on = leg._pool._connect, asyncio.Event(), asyncio.Event()

        async def slowly():
            reached.set()
            await go_on.wait()
            return await connect()

        leg._pool._idle.clear()
        leg._pool._connect = slowly
        call = asyncio.create_task(client.call(secret, "echo__echo"))
        await reached.wait()
        await in_thread(_revoke)
        go_on.set()
        assert (await asyncio.wait_for(call, 10)).status == 401
        assert upstream.calls == []
        assert (await in_thread(Call.objects.filter(outcome="refused").get)).tool == "echo__echo"


async def test_a_change_of_the_toolkit_acts_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(_allow_only, "add")
        assert "error" in (await client.call(secret, "echo__echo")).json
        assert "result" in (await client.call(secret, "echo__add")).json


def _allow_only(name):
    toolkit = Toolkit.objects.get(alias="work")
    server = toolkit.servers.get()
    ids = server.tools.filter(name=name).values_list("pk", flat=True)
    toolkit.choose(server, Choice(frozenset(ids)), by=cast.OPERATOR, now=timezone.now())


async def test_a_tool_that_appears_later_is_off_and_marked_new(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        upstream.tools.append(cast.definition("later"))
        upstream.tools[0]["description"] = "Says it again"
        listed = await client.post(secret)
        assert [tool["name"] for tool in listed.result["tools"]] == ["echo__echo", "nexus_status"]
        assert listed.result["tools"][0]["description"] == "Says it again"
        new = await in_thread(lambda: Server.objects.get().tools.get(name="later").entries.get())
        assert (new.is_new, new.is_allowed) == (True, False)


async def test_a_token_expires_to_the_second(hub_client, in_thread, time_machine):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        ends = await in_thread(_end)
        time_machine.move_to(ends - timedelta(seconds=1), tick=False)
        answer = await client.call(secret, "echo__echo")
        assert (answer.status, answer.headers["nexus-token-warning"]) == (200, "expires-in=1")
        time_machine.move_to(ends, tick=False)
        answer = await client.call(secret, "echo__echo")
        assert answer.status == 401
        assert f"expired on {ends:%d %b %Y, %H:%M} UTC" in answer.json["error"]["message"]


def _end():
    return DelegatedToken.objects.get().expires_at


async def test_the_status_tool_says_when_the_token_ends(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        answer = await client.call(secret, "nexus_status")
        assert answer.result["structuredContent"]["servers"] == [{"server": "echo", "state": "ok"}]
        assert "expires_at" in answer.result["structuredContent"]["token"]
        assert "notice" not in answer.result["structuredContent"]


async def test_from_a_day_before_the_end_the_status_tool_and_the_instructions_say_so(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await in_thread(_end_within_a_day)
        answer = await client.call(secret, "nexus_status")
        said = answer.result["structuredContent"]["notice"]
        assert said.startswith("Notice: the token “")
        assert "ends in 22 h 59 min" in said
        assert said in answer.result["content"][0]["text"]
        assert said in (await client.post(secret, "initialize")).result["instructions"]


def _end_within_a_day():
    with transaction.atomic():
        DelegatedToken.objects.update(expires_at=timezone.now() + timedelta(hours=23))
        Authority.objects.advance(AuthorityChange.Scope.TOKEN, [DelegatedToken.objects.get().pk])


async def test_a_warm_call_asks_the_database_nothing(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await client.call(secret, "echo__echo")
        asked, run = [], client.hub._database.run
        client.hub._database.run = lambda *arguments: asked.append(arguments)
        for _ in range(20):
            assert (await client.call(secret, "echo__echo")).status == 200
        assert asked == []
        client.hub._database.run = run


async def test_a_revoked_token_is_refused_on_every_worker(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret), hub_client() as other:
        for worker in (client, other):
            assert (await worker.call(secret, "echo__echo")).status == 200
        await in_thread(_revoke)
        for worker in (client, other):
            assert (await worker.call(secret, "echo__echo")).status == 401
        assert len(upstream.calls) == 2


async def test_a_disabled_owner_ends_the_token_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(_disable_alice)
        answer = await client.call(secret, "echo__echo")
        assert answer.status == 401
        assert "owner left" in answer.json["error"]["message"]
        assert len(upstream.calls) == 1


def _disable_alice():
    alice = User.objects.get(email="alice@example.com")
    alice.is_active = False
    alice.save()


async def test_a_deleted_toolkit_ends_its_tokens_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(lambda: Toolkit.objects.get(alias="work").delete_for_good(by=cast.OPERATOR, now=timezone.now()))
        answer = await client.call(secret, "echo__echo")
        assert answer.status == 401
        assert "toolkit deleted" in answer.json["error"]["message"]


async def test_a_removed_server_takes_its_tools_along_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(lambda: Server.objects.get().remove(by=cast.OPERATOR, now=timezone.now()))
        assert "is not in toolkit" in (await client.call(secret, "echo__echo")).json["error"]["message"]


async def test_nothing_is_allowed_when_the_database_is_not_heard_of(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200

        def gone():
            raise Unavailable("gone")

        client.hub._cache.current = gone
        answer = await client.call(secret, "echo__echo")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert len(upstream.calls) == 1


async def test_an_answer_that_cannot_be_recorded_is_withheld(hub_client, in_thread, settings):
    async with stage(hub_client, in_thread) as (upstream, client, secret):

        async def refuse(row):
            raise NotRecorded("disk full")

        client.hub._recorder.record = refuse
        withheld = await client.call(secret, "echo__echo")
        assert (withheld.status, "may have run" in withheld.json["error"]["message"]) == (503, True)
        settings.NEXUS_ACTIVITY = "best-effort"
        assert (await client.call(secret, "echo__echo")).status == 200
        await client.hub._accounting.touch()
        warning = await in_thread(Drop.objects.warning, timezone.now())
        assert warning.startswith("In the last 24 hours 1 call was answered")


async def test_while_rows_cannot_be_taken_nothing_is_called(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):

        async def refuse(row):
            raise NotRecorded("disk full")

        record, client.hub._recorder.record = client.hub._recorder.record, refuse
        await client.call(secret, "echo__echo")
        client.hub._recorder.record = record
        refused = await client.call(secret, "echo__echo")
        assert (refused.status, "nothing was called" in refused.json["error"]["message"]) == (503, True)
        assert len(upstream.calls) == 1
        client.hub._accounting._closed_until = 0  # a second later
        assert (await client.call(secret, "echo__echo")).status == 200


class HeldBody:
    """A client that sends its headers, and its body when it is told."""

    def __init__(self, client, secret, method="tools/call", params=None):
        self.sent, self.go_on, self.messages = asyncio.Event(), asyncio.Event(), []
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        self.body = json.dumps(body).encode()
        headers = {"host": "localhost", "authorization": f"Bearer {secret}", "content-type": "application/json"}
        scope = {
            "type": "http", "method": "POST", "path": "/hub/mcp", "query_string": b"", "client": ("203.0.113.9", 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        self.task = asyncio.create_task(client.hub(scope, self.receive, self.send))

    async def receive(self):
        self.sent.set()
        await self.go_on.wait()
        return {"type": "http.request", "body": self.body}

    async def send(self, message):
        self.messages.append(message)

    async def status(self):
        self.go_on.set()
        await self.task
        return self.messages[0]["status"]


ECHO = {"name": "echo__echo", "arguments": {}}


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/call", ECHO), ("tools/list", {}), ("initialize", {}), ("tools/call", {"name": "nexus_status"})],
)
async def test_requests_of_a_cold_token_whose_bodies_come_after_its_revocation_are_refused(
    hub_client, in_thread, method, params
):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        held = [HeldBody(client, secret, method, params) for _ in range(5)]
        for request in held:
            await request.sent.wait()
        await in_thread(_revoke)
        assert [await request.status() for request in held] == [401] * 5
        assert upstream.calls == []


async def test_a_token_pushed_out_of_the_cache_is_decided_anew(hub_client, in_thread, monkeypatch):
    monkeypatch.setattr(authority, "MAX_TOKENS", 1)
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        held = HeldBody(client, secret, "tools/call", ECHO)
        await held.sent.wait()
        other = await in_thread(_another_token)
        assert (await client.post(other)).status == 200
        await in_thread(_revoke_first)
        assert await held.status() == 401
        assert upstream.calls == []


def _another_token():
    alice = User.objects.get(email="alice@example.com")
    return cast.make_token(alice, Toolkit.objects.get(alias="work"), "other").key.text


def _revoke_first():
    DelegatedToken.objects.get(name="n8n").revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())


async def test_a_tool_that_is_no_longer_listed_is_gone_and_finds_its_place_again(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        echo = upstream.tools.pop(0)
        assert [tool["name"] for tool in (await client.post(secret)).result["tools"]] == ["nexus_status"]
        assert "is not in toolkit" in (await client.call(secret, "echo__echo")).json["error"]["message"]
        upstream.tools.insert(0, echo)
        next(iter(client.hub._upstreams._states.values())).listed_at = 0.0  # a minute has passed
        names = [tool["name"] for tool in (await client.post(secret)).result["tools"]]
        assert names == ["echo__echo", "nexus_status"]


@pytest.mark.parametrize(
    "raw", [b'"result":[]', b'"result":"x"', b'"result":null', b'"x":1', b'"result":{"isError":"no"}']
)
async def test_an_odd_answer_of_a_server_is_never_a_failure_of_ours_and_is_recorded(hub_client, in_thread, raw):
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    async with stage(hub_client, in_thread, answers={"echo": raw}) as (upstream, client, secret):
        answer = await client.post(secret, "tools/call", {**ECHO, "_meta": meta})
        assert answer.status == 200
        assert await in_thread(Call.objects.count) == 1


async def test_a_failure_of_ours_is_recorded_too(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):

        async def fail(context):
            raise ZeroDivisionError

        client.hub._methods._older["ping"] = fail
        assert (await client.post(secret, "ping")).status == 500
        assert (await in_thread(Call.objects.get)).outcome == "failed"


async def test_a_token_sent_in_addresses_over_and_over_writes_one_event_a_minute(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        for _ in range(20):
            answer = await client.send("GET", "/hub/mcp", query=f"token={secret}")
            assert answer.status == 400
        assert await in_thread(Event.objects.filter(action="token.in_url").count) == 1


async def test_activity_says_what_a_refused_call_attempted(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        await client.call(secret, "echo__echo", query="profile=sales")
        await client.send("GET", "/hub/mcp", query=f"token={secret}")
        await in_thread(_revoke)
        await client.call(secret, "echo__echo")
        rows = await in_thread(lambda: list(Call.objects.order_by("at").values_list("method", "tool", "outcome")))
        attempt = ("tools/call", "echo__echo", "refused")
        assert rows == [attempt, ("GET /hub/mcp", "", "refused"), attempt]
