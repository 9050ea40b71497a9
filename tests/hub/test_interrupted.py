"""What begins in one state of things and goes on in another: servers that hang, break off, move, or are left."""

import asyncio

import pytest
from django.utils import timezone

from profiles.models import Authorization, Server
from profiles.models.authorizations import Grant
from profiles.upstream import hearing, leg
from profiles.upstream.errors import NoAnswer
from profiles.upstream.leg import Leg
from tests import cast
from tests.hub.raw_server import raw_server
from tests.hub.speaking import speaking
from tests.hub.test_eras import call, initialized, post, stage

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]
SOON = 10  # seconds


async def test_all_who_ask_a_hanging_server_wait_for_one_probe(monkeypatch):
    monkeypatch.setattr(leg, "LIST_TIMEOUT", 0.3)

    async def never(number, request, writer):
        await asyncio.Event().wait()

    async with raw_server(never) as (_, raw):
        asked = Leg(raw.url)
        requests = [asyncio.create_task(asked.request("tools/list", b"{}", principal=str(who))) for who in range(20)]
        done, waiting = await asyncio.wait(requests, timeout=0.3 * len(requests))
        asked.close()
        assert not waiting
        assert {type(request.exception()) for request in done} == {NoAnswer}
        assert len(raw.bodies) == 1


async def test_the_stream_of_a_session_that_breaks_off_once_is_taken_up_again(hub_client, in_thread, monkeypatch):
    monkeypatch.setattr(hearing, "RECONNECT_AFTER", 0.01)
    async with stage(hub_client, in_thread, is_modern=False) as (server, client, secret):
        session = await initialized(client, secret)
        await post(client, secret, session, call("count"))
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await stream.began()
        await asyncio.wait_for(server.listening.wait(), SOON)
        server.listening.clear()
        server.streams.pop().write(b"0\r\n\r\n")
        await asyncio.wait_for(server.listening.wait(), SOON)
        server.tell("notifications/resources/updated", uri="test://one")
        assert (await asyncio.wait_for(stream.event(), SOON))["params"]["uri"] == "test://one"
        stream.go_away()
        await stream.task


async def test_a_server_that_moves_while_a_session_opens_is_asked_at_its_new_address(hub_client, in_thread):
    async with stage(hub_client, in_thread, is_modern=False) as (old, client, secret), speaking(False) as new:
        session = await initialized(client, secret)
        opening = asyncio.Event()
        answer = old.post

        async def hang(reader, writer, head, message):
            if message.get("method") == "initialize":
                opening.set()
                await asyncio.Event().wait()
            await answer(reader, writer, head, message)

        old.post = hang
        caught = asyncio.create_task(post(client, secret, session, call("count")))
        await asyncio.wait_for(opening.wait(), SOON)
        await in_thread(_move, new.url)
        moved = await asyncio.wait_for(post(client, secret, session, call("count")), SOON)
        assert "isError" not in moved.result
        assert new.methods().count("tools/call") == 1
        told = (await asyncio.wait_for(caught, SOON)).result
        assert told["isError"] is True
        assert "its address was changed" in told["content"][0]["text"]
        again = await post(client, secret, session, call("count"))
        assert "isError" not in again.result
        assert "tools/call" not in old.methods()


def _move(url):
    Server.objects.get().change(tools=None, by=cast.OPERATOR, now=timezone.now(), url=url)


@pytest.mark.parametrize("is_modern", [False, True])
async def test_a_stream_ends_at_the_server_when_the_authorization_it_uses_has_ended(hub_client, in_thread, is_modern):
    async with stage(hub_client, in_thread, is_modern=is_modern) as (server, client, secret):
        await in_thread(_connect)
        session = await initialized(client, secret)
        await post(client, secret, session, call("count"))
        stream = client.begin(secret, method="GET", mcp_session_id=session)
        await stream.began()
        await asyncio.wait_for(server.listening.wait(), SOON)
        assert b"Authorization: Bearer alices-own\r\n" in server.heads[-1]
        listened = server.streams[-1]
        await in_thread(_end)
        await asyncio.wait_for(listened.wait_closed(), SOON)  # by us
        stream.go_away()
        await stream.task


def _connect():
    Server.objects.update(authentication="bearer")
    server = Server.objects.get()
    account = server.toolkits.get().account
    alice = account.members.get(user__name="Alice").user
    Authorization.objects.connect(server, account, alice, Grant("alices-own"), by=cast.OPERATOR, now=timezone.now())


def _end():
    Authorization.objects.get().end(by=cast.OPERATOR, now=timezone.now())
