"""Row 66: what a server refuses is a tool error that names it and tells the way out; never a 401 of ours, never a retry."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from django.utils import timezone

from activity.models import Call
from profiles.models import Authorization, Server
from profiles.models.authorizations import Grant
from tests import cast
from tests.hub.conftest import run_in_thread, running_hub
from tests.hub.speaking import plain, speaking
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


@asynccontextmanager
async def refusing(status, headers=b""):
    """A modern server that lists a tool, and answers every call of it with this status."""
    async with speaking(True) as server:
        answer = server.post

        async def post(reader, writer, head, message):
            if message.get("method") != "tools/call":
                return await answer(reader, writer, head, message)
            server.received.append(message)
            return plain(writer, status, b"{}", headers)

        server.post = post
        yield server


def prepare(url, **fields):
    alice = cast.make_user("Alice")
    server = cast.make_server(slug="speaker", url=url, tools=["count"])
    Server.objects.filter(pk=server.pk).update(**fields)
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["count"])
    return cast.make_token(alice, toolkit).key.text


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
async def test_a_refusal_of_a_server_is_a_tool_error_that_names_it(transactional_db, status):
    async with refusing(status, b'WWW-Authenticate: Bearer realm="upstream"\r\n') as server, running_hub() as client:
        secret = await run_in_thread(prepare, server.url)
        answer = await client.call(secret, "speaker__count")
        assert answer.status == 200
        assert "www-authenticate" not in answer.headers
        assert answer.result["isError"] is True
        assert "Speaker" in answer.result["content"][0]["text"]
        assert server.methods().count("tools/call") == 1
        assert (await run_in_thread(Call.objects.get)).outcome == "upstream_error"
        assert (await client.post(secret)).status == 200


async def test_who_is_not_connected_is_given_their_link_and_nothing_is_sent(transactional_db):
    async with refusing(401) as server, running_hub() as client:
        secret = await run_in_thread(lambda: prepare(server.url, authentication="bearer"))
        answer = await client.call(secret, "speaker__count")
        assert answer.result["isError"] is True
        assert "/authorizations/connect/" in answer.result["content"][0]["text"]
        assert server.received == []
        listed = await client.post(secret)
        assert [tool["name"] for tool in listed.result["tools"]] == ["speaker__count", "nexus_status"]
        assert listed.result["_meta"]["nexus/servers"][0]["state"] == "not connected"


async def test_a_dead_authorization_is_said_with_the_link_and_nobody_else_s_is_used(transactional_db):
    async with refusing(401) as server, running_hub() as client:
        secret = await run_in_thread(lambda: prepare(server.url, authentication="bearer"))
        await run_in_thread(_connect)
        answer = await client.call(secret, "speaker__count")
        assert "/authorizations/connect/" in answer.result["content"][0]["text"]
        heads = b"".join(server.heads)
        assert b"Authorization: Bearer alices-own\r\n" in heads
        assert b"bobs-own" not in heads
        sent = len(server.received)
        assert (await client.call(secret, "speaker__count")).result["isError"] is True
        assert len(server.received) == sent


def _connect():
    server, now = Server.objects.get(), timezone.now()
    account = server.toolkits.get().account
    bob = cast.make_user("Bob")
    account.members.create(user=bob, role="member")
    for member, word in ((account.members.get(user__name="Alice").user, "alices-own"), (bob, "bobs-own")):
        Authorization.objects.connect(server, account, member, Grant(word), by=cast.OPERATOR, now=now)


async def test_a_call_that_may_have_run_is_not_sent_again(transactional_db):
    async with speaking(True) as server, running_hub() as client:

        async def fall_silent(reader, writer, message, params):
            raise ConnectionError

        server.count = fall_silent
        secret = await run_in_thread(prepare, server.url)
        answer = await client.call(secret, "speaker__count")
        assert answer.result["isError"] is True
        assert server.methods().count("tools/call") == 1
        assert json.dumps(answer.json).count("Speaker") >= 1
        await asyncio.sleep(0)
