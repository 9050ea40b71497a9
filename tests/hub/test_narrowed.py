"""Tokens for less than their toolkit: some of its tools, those that only read, resources and prompts as they fit."""

from contextlib import asynccontextmanager

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.models import Toolkit, ToolkitTool
from profiles.models.entries import Choice
from tests import cast
from tests.hub.speaking import TOOLS, speaking
from tests.hub.upstream import running_upstream
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def stage(hub_client, in_thread, **limits):
    """A token for less than the toolkit “work”, which allows echo and add and marks echo as only reading."""
    async with running_upstream() as upstream:
        issued = await in_thread(_prepare, upstream, limits)
        async with hub_client() as client:
            yield upstream, client, issued


def _prepare(upstream, limits):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo", "add"])
    mark("echo")
    return cast.make_token(alice, toolkit, **limits)


def mark(*names):
    """Mark exactly these tools as only reading, as the page of the toolkit does."""
    toolkit = Toolkit.objects.get(alias="work")
    entries = toolkit.entries.all()
    chosen = frozenset(entries.filter(tool__name__in=names).values_list("tool_id", flat=True))
    allowed = frozenset(entries.filter(is_allowed=True).values_list("tool_id", flat=True))
    server = toolkit.servers.get()
    toolkit.choose(server, Choice(allowed, chosen), by=cast.OPERATOR, now=timezone.now())


def names(answer):
    return [tool["name"] for tool in answer.result["tools"]]


@pytest.mark.parametrize(
    "limits", [{"tools": ["echo__echo"]}, {"is_read_only": True}, {"tools": ["echo__echo"], "is_read_only": True}],
    ids=["tools", "read-only", "both"],
)  # fmt: skip
async def test_it_lists_and_calls_its_own_tools_only(hub_client, in_thread, limits):
    async with stage(hub_client, in_thread, **limits) as (upstream, client, issued):
        secret = issued.key.text
        assert names(await client.post(secret)) == ["echo__echo", "nexus_status"]
        assert (await client.call(secret, "echo__echo", {"text": "hello"})).status == 200
        for name in ("echo__add", "add", "ECHO__ADD"):
            refused = await client.call(secret, name)
            assert refused.json["error"]["code"] == -32602, name
            assert "is not in toolkit" in refused.json["error"]["message"]
        assert [call["name"] for call in upstream.calls] == ["echo"]


async def test_a_token_for_all_is_not_affected_by_one_for_less(hub_client, in_thread):
    async with stage(hub_client, in_thread, tools=["echo__add"]) as (_, client, issued):
        whole = await in_thread(lambda: cast.make_token(issued.token.owner, issued.token.toolkit, "all").key.text)
        for _ in range(2):
            assert names(await client.post(whole)) == ["echo__echo", "echo__add", "nexus_status"]
            assert names(await client.post(issued.key.text)) == ["echo__add", "nexus_status"]


async def test_a_mark_that_is_taken_away_counts_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_read_only=True) as (upstream, client, issued):
        secret = issued.key.text
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(mark, "add")
        assert "is not in toolkit" in (await client.call(secret, "echo__echo")).json["error"]["message"]
        assert names(await client.post(secret)) == ["echo__add", "nexus_status"]


async def test_a_tool_that_the_toolkit_gives_up_is_gone_for_the_token_too(hub_client, in_thread):
    async with stage(hub_client, in_thread, tools=["echo__echo"]) as (upstream, client, issued):
        secret = issued.key.text
        assert (await client.call(secret, "echo__echo")).status == 200
        await in_thread(_disallow_echo)
        assert "is not in toolkit" in (await client.call(secret, "echo__echo")).json["error"]["message"]
        assert len(upstream.calls) == 1


def _disallow_echo():
    toolkit = Toolkit.objects.get(alias="work")
    add = frozenset(ToolkitTool.objects.filter(tool__name="add").values_list("tool_id", flat=True))
    toolkit.choose(toolkit.servers.get(), Choice(add), by=cast.OPERATOR, now=timezone.now())


async def test_a_successor_is_kept_to_the_same(hub_client, in_thread):
    async with stage(hub_client, in_thread, tools=["echo__add"], is_read_only=False) as (_, client, issued):
        new = await in_thread(lambda: issued.token.replace(by=cast.OPERATOR, now=timezone.now()))
        assert names(await client.post(new.key.text)) == ["echo__add", "nexus_status"]


async def test_a_narrowed_token_in_use_asks_the_database_nothing(hub_client, in_thread):
    async with stage(hub_client, in_thread, tools=["echo__echo"], networks=["203.0.113.0/24"]) as (_, client, issued):
        await client.call(issued.key.text, "echo__echo")
        asked = []
        original = client.hub._database._call

        def counted(function, *args):
            with CaptureQueriesContext(connections["default"]) as captured:
                result = original(function, *args)
            asked.append((function, len(captured)))
            return result

        client.hub._database._call = counted
        for _ in range(5):
            assert (await client.call(issued.key.text, "echo__echo")).status == 200
        assert asked == []


@pytest.mark.parametrize(
    ("limits", "sees"), [({}, True), ({"is_read_only": True}, True), ({"tools": ["s__echo"]}, False)],
    ids=["all", "read-only", "tools"],
)  # fmt: skip
async def test_resources_and_prompts_are_for_tokens_whose_tools_are_not_named(hub_client, in_thread, limits, sees):
    async with speaking(True) as server, hub_client() as client:
        secret = await in_thread(_prepare_speaking, server, limits)
        listed = await client.post(secret, "resources/list")
        assert [resource["uri"] for resource in listed.result["resources"]] == (["test://one"] if sees else [])
        before = len(server.received)
        read = await client.post(secret, "resources/read", {"uri": "test://one"})
        assert ("result" in read.json) is sees
        if not sees:
            for method, params in (
                ("prompts/get", {"name": "s__greet"}),
                ("completion/complete", {"ref": {"type": "ref/resource", "uri": "test://of/{name}"},
                                         "argument": {"name": "name", "value": ""}}),
            ):  # fmt: skip
                assert (await client.post(secret, method, params)).json["error"]["code"] == -32602
            assert len(server.received) == before
            began = await client.post(secret, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                      "clientInfo": {"name": "t", "version": "1"}})  # fmt: skip
            assert not {"resources", "prompts", "completions"} & set(began.result["capabilities"])


def _prepare_speaking(server, limits):
    alice = cast.make_user("Alice")
    names = [tool["name"] for tool in TOOLS]
    stored = cast.make_server("s", tools=names, url=server.url)
    stored.remember_tools(cast.raw(*TOOLS), now=timezone.now())
    toolkit = cast.make_toolkit(
        alice.personal_account, "work", stored, allowed=names, offers_resources=True, offers_prompts=True
    )
    toolkit.entries.filter(tool__name="echo").update(is_marked_read_only=True)
    return cast.make_token(alice, toolkit, **limits).key.text


async def test_limits_that_cannot_be_read_open_nothing(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, issued):
        await in_thread(lambda: DelegatedToken.objects.update(networks=["anywhere"]))
        assert (await client.call(issued.key.text, "echo__echo")).status == 503
        assert upstream.calls == []
