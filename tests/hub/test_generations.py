"""A successor takes over at its first call, and the old token lives on for the overlap."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.hub.upstream import running_upstream
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def stage(hub_client, in_thread, overlap=timedelta(hours=24)):
    """A running hub, Alice's token, and the successor that she has just made."""
    async with running_upstream() as upstream:
        old, new = await in_thread(_prepare, upstream, overlap)
        async with hub_client() as client:
            yield client, old, new


def _prepare(upstream, overlap):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    old = cast.make_token(alice, toolkit)
    return old, old.token.replace(by=cast.OPERATOR, overlap=overlap, now=timezone.now())


async def test_both_work_from_the_first_call_of_the_new_one(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, old, new):
        assert (await client.post(old.key.text)).status == 200
        assert (await client.call(new.key.text, "echo__echo", {"text": "new"})).status == 200
        assert (await client.call(old.key.text, "echo__echo", {"text": "old"})).status == 200
        stages = await in_thread(lambda: dict(DelegatedToken.objects.values_list("generation", "stage")))
        assert stages == {1: "overlapping", 2: "current"}


async def test_a_refused_request_does_not_let_the_new_one_take_over(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, _, new):
        assert (await client.post(new.key.text, query="profile=elsewhere")).status == 403
        assert await in_thread(lambda: DelegatedToken.objects.get(pk=new.token.pk).stage) == "pending"


async def test_without_overlap_the_old_one_is_refused_and_its_owner_told(hub_client, in_thread):
    async with stage(hub_client, in_thread, overlap=timedelta()) as (client, old, new):
        assert (await client.post(new.key.text)).status == 200
        for _ in range(3):
            assert (await client.post(old.key.text)).status == 401
        assert (await client.post(new.key.text)).status == 200
        event = await in_thread(lambda: Event.objects.get(action=Action.TOKEN_REUSED))
        assert (event.subject_id, event.address) == (str(old.token.pk), "203.0.113.9")


async def test_an_older_client_keeps_its_session_across_the_replacement(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, old, new):
        opened = await client.post(old.key.text, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                   "clientInfo": {"name": "t", "version": "1"}})  # fmt: skip
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        assert (await client.post(new.key.text, "tools/list", **session)).status == 200
