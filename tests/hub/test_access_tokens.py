"""OAuth access tokens at the hub: bound to one toolkit like a delegated token, and ended with what they came of."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast
from tests.hub.upstream import running_upstream
from tokens.models import Connection

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@asynccontextmanager
async def stage(hub_client, in_thread, **fields):
    """Alice's toolkit “work”, and an access token that Claude Code has for it."""
    async with running_upstream() as upstream:
        toolkit, token, secret = await in_thread(_prepare, upstream, fields)
        async with hub_client() as client:
            yield client, toolkit, token, secret


def _prepare(upstream, fields):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    cast.make_toolkit(alice.personal_account, "play")
    return toolkit, *cast.make_access_token(alice, toolkit, cast.make_application(), **fields)


async def test_a_call_goes_through_and_activity_says_which_application(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, _, token, secret):
        answer = await client.call(secret, "echo__echo", {"text": "hello"})
        assert answer.result["content"] == [{"type": "text", "text": "hello"}]
        assert "nexus-token-warning" not in answer.headers
        row = await in_thread(Call.objects.get)
        assert (row.token_name, row.token_kind, row.actors) == ("Claude Code", "nxso", "Claude Code")
        assert row.masked_token == f"nxso_{token.session.connection.public_id}_…"


async def test_it_is_for_one_toolkit(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, _, _, secret):
        answer = await client.post(secret, query="profile=play")
        assert answer.status == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert 'scope="mcp"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("end", ["session", "connection", "toolkit", "owner"])
async def test_what_it_came_of_ends_it_at_once(hub_client, in_thread, end):
    def act():
        now, connection = timezone.now(), token.session.connection
        subject = {"session": token.session, "connection": connection, "toolkit": toolkit}.get(end)
        if end == "owner":
            connection.owner.disable(by=cast.OPERATOR, now=now)
        elif end == "session":
            subject.end(by=cast.OPERATOR, now=now)
        elif end == "connection":
            subject.revoke(by=cast.OPERATOR, now=now)
        else:
            subject.delete_for_good(by=cast.OPERATOR, now=now)

    async with stage(hub_client, in_thread) as (client, toolkit, token, secret):
        assert (await client.post(secret)).status == 200
        await in_thread(act)
        answer = await client.post(secret)
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_it_ends_after_its_hour(hub_client, in_thread):
    long_ago = timezone.now() - timedelta(hours=2)
    async with stage(hub_client, in_thread, now=long_ago) as (client, _, _, secret):
        answer = await client.post(secret)
        assert answer.status == 401
        assert "sign in again" in answer.json["error"]["message"]


async def test_its_use_is_noted_on_the_connection(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (client, _, _, secret):
        await client.post(secret)
    connection = await in_thread(Connection.objects.get)
    assert connection.last_used_at
