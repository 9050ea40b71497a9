"""A cap on calls holds over processes, generations and crashes; what is not used is given back."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from nexus.hub.caps import BLOCK
from profiles.models import Server
from tests import cast
from tests.hub.upstream import running_upstream
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def stage(hub_client, in_thread, cap):
    async with running_upstream() as upstream:
        issued = await in_thread(_prepare, upstream, cap)
        async with hub_client() as client:
            yield upstream, client, issued


def _prepare(upstream, cap):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    return cast.make_token(alice, toolkit, call_cap=cap)


def taken():
    return DelegatedToken.objects.order_by("-generation").values_list("calls_taken", flat=True)[0]


async def test_the_last_call_is_made_and_the_next_refused_with_the_way_out(hub_client, in_thread):
    async with stage(hub_client, in_thread, 3) as (upstream, client, issued):
        secret = issued.key.text
        for _ in range(3):
            assert (await client.call(secret, "echo__echo")).status == 200
        for _ in range(2):
            refused = await client.call(secret, "echo__echo")
            assert refused.status == 403
            assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
            error = refused.json["error"]
            assert error["data"]["reason"] == "cap_reached"
            assert "Cap reached" in error["message"]
            assert "/install/?profile=work&name=n8n" in error["message"]
        assert len(upstream.calls) == 3
        assert await in_thread(taken) == 3


async def test_only_calls_of_the_tools_of_servers_count(hub_client, in_thread):
    async with stage(hub_client, in_thread, 1) as (upstream, client, issued):
        secret = issued.key.text
        for _ in range(3):
            assert (await client.post(secret)).status == 200
            assert (await client.call(secret, "nexus_status")).status == 200
            assert (await client.call(secret, "echo__add")).json["error"]["code"] == -32602
        assert (await client.call(secret, "echo__echo")).status == 200
        assert (await client.call(secret, "echo__echo")).status == 403
        assert (await client.post(secret)).status == 200  # it still sees what there is
        assert len(upstream.calls) == 1


async def test_a_call_that_a_server_fails_counts_as_one(hub_client, in_thread):
    async with stage(hub_client, in_thread, 1) as (_, client, issued):
        await in_thread(lambda: Server.objects.update(url="http://127.0.0.1:1/mcp"))
        assert (await client.call(issued.key.text, "echo__echo")).status == 200
        assert (await client.call(issued.key.text, "echo__echo")).status == 403


@pytest.mark.parametrize("cap", [7, 60, 100])
async def test_processes_together_never_make_more_calls_than_the_cap(hub_client, in_thread, cap):
    async with (
        stage(hub_client, in_thread, cap) as (upstream, client, issued),
        hub_client() as other,
        hub_client() as third,
    ):
        asked = (worker.call(issued.key.text, "echo__echo") for worker in (client, other, third) for _ in range(cap))
        statuses = [answer.status for answer in await asyncio.gather(*asked)]
        assert set(statuses) == {200, 403}
        assert len(upstream.calls) <= statuses.count(200) <= cap  # one that did not reach the server counts
        assert await in_thread(taken) <= cap
        assert cap - statuses.count(200) <= 3 * BLOCK


async def test_what_a_process_did_not_use_is_given_back_when_it_stops(hub_client, in_thread):
    async with stage(hub_client, in_thread, 1000) as (_, client, issued):
        async with hub_client() as other:
            assert (await other.call(issued.key.text, "echo__echo")).status == 200
            assert await in_thread(taken) == BLOCK
        assert await in_thread(taken) == 1


async def test_what_an_idle_process_holds_is_given_back(hub_client, in_thread):
    async with stage(hub_client, in_thread, 1000) as (_, client, issued):
        caps = client.hub._caps
        assert (await client.call(issued.key.text, "echo__echo")).status == 200
        await caps.give_back()
        assert await in_thread(taken) == BLOCK  # it was used since the last look
        await caps.give_back()
        assert await in_thread(taken) == 1
        assert (await client.call(issued.key.text, "echo__echo")).status == 200


async def test_without_the_database_no_call_is_made(hub_client, in_thread):
    async with stage(hub_client, in_thread, 5) as (upstream, client, issued):
        assert (await client.post(issued.key.text)).status == 200

        def broken(function, *args):
            raise OSError("gone")

        client.hub._database._call = broken
        answer = await client.call(issued.key.text, "echo__echo")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert upstream.calls == []
        del client.hub._database._call
        assert (await client.call(issued.key.text, "echo__echo")).status == 200


async def test_generations_share_what_is_left(hub_client, in_thread):
    async with stage(hub_client, in_thread, 6) as (upstream, client, issued):
        old = issued.key.text
        for _ in range(2):
            await client.call(old, "echo__echo")
        made = await in_thread(
            lambda: issued.token.replace(by=cast.OPERATOR, overlap=timedelta(hours=1), now=timezone.now())
        )
        new = made.key.text
        await client.call(old, "echo__echo")  # counts for the one that waits, too
        statuses = [(await client.call(secret, "echo__echo")).status for secret in (new, old, new, old, new)]
        assert statuses == [200, 200, 200, 403, 403]
        assert len(upstream.calls) == 6


async def test_a_successor_that_was_asleep_knows_what_was_used(hub_client, in_thread):
    async with stage(hub_client, in_thread, 4) as (upstream, client, issued):
        made = await in_thread(lambda: issued.token.replace(by=cast.OPERATOR, now=timezone.now()))
        await in_thread(lambda: DelegatedToken.objects.filter(pk=made.token.pk).update(calls_taken=0))
        for _ in range(3):
            assert (await client.call(issued.key.text, "echo__echo")).status == 200
        statuses = [(await client.call(made.key.text, "echo__echo")).status for _ in range(2)]
        assert statuses == [200, 403]
