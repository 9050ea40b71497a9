"""What a client of a hub sees when it asks too often, and what its neighbours see."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from django.utils import timezone

from activity.models import Call
from nexus.hub import limits
from tests import cast
from tests.hub.upstream import running_upstream
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]
MOST = 120  # requests after which a token at one call a second must have been refused


@asynccontextmanager
async def two_tokens(hub_client, in_thread, **fields):
    async with running_upstream(**fields) as upstream:
        secrets = await in_thread(_prepare, upstream)
        async with hub_client() as client:
            yield upstream, client, *secrets


def _prepare(upstream):
    alice = cast.make_user("Alice")
    server = cast.make_server(url=upstream.url)
    server.remember_tools(cast.raw(*upstream.tools), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo"])
    return [cast.make_token(alice, toolkit, name).key.text for name in ("noisy", "quiet")]


@pytest.fixture
def _one_a_second(settings, monkeypatch):
    settings.NEXUS_RATE_TOKEN = 1
    settings.REDIS_URL = ""
    monkeypatch.setattr(limits, "HOLD", 0.001)


async def _refused(client, secret):
    """Ask until it is too much."""
    for _ in range(MOST):
        answer = await client.call(secret, "echo__echo", {"text": "x"})
        if answer.status != 200:
            for place in client.hub._limits._places.values():
                place[0].refill = 0.001  # a slow test must not find room again
            return answer
    raise AssertionError("never refused")


@pytest.mark.usefixtures("_one_a_second")
async def test_too_many_calls_are_a_429_that_says_when_to_try_again(hub_client, in_thread):
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        answer = await _refused(client, noisy)
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["cache-control"] == "no-store"
        assert "www-authenticate" not in answer.headers  # no client may start a sign-in over this
        assert answer.headers["nexus-token-id"]
        assert answer.json["error"]["data"]["limit"] == "token"
        calls = len(upstream.calls)
        assert (await client.call(noisy, "echo__echo")).status == 429
        assert len(upstream.calls) == calls


@pytest.mark.usefixtures("_one_a_second")
async def test_another_token_of_the_same_toolkit_goes_on(hub_client, in_thread):
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        await _refused(client, noisy)
        assert (await client.call(quiet, "echo__echo")).status == 200


@pytest.mark.usefixtures("_one_a_second")
async def test_every_method_and_the_token_s_own_state_count(hub_client, in_thread):
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        await _refused(client, noisy)
        sent = {"authorization": f"Bearer {noisy}"}
        assert (await client.send("GET", "/hub/token/verify", headers=sent)).status == 429
        assert (await client.send("GET", "/hub/mcp", headers=sent)).status == 429
        assert (await client.post(noisy, "ping")).status == 429


@pytest.mark.usefixtures("_one_a_second")
async def test_refusals_leave_at_most_sixty_rows_and_lines_of_the_log_a_minute(
    hub_client, in_thread, time_machine, caplog
):
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        time_machine.move_to(timezone.now(), tick=False)
        await _refused(client, noisy)
        await asyncio.gather(*(client.call(noisy, "echo__echo") for _ in range(100)))
        rows = await in_thread(lambda: list(Call.objects.filter(outcome="refused")))
        lines = [record for record in caplog.records if "too_many" in str(record.msg)]
        assert len(lines) == len(rows) == 60
        assert rows[0].token_name == "noisy"
        assert rows[0].reason.startswith("This token is allowed 1 calls per second.")


async def test_so_many_calls_under_way_are_answered_and_one_more_is_refused(hub_client, in_thread):
    hold = asyncio.Event()
    async with two_tokens(hub_client, in_thread, hold=hold) as (upstream, client, noisy, quiet):
        await client.post(noisy, "ping")
        ((token, _, _),) = client.hub._limits._places.values()
        token.under_way[limits.CALLS.kind] = limits.CALLS.of_token - 1
        last = asyncio.create_task(client.call(noisy, "echo__echo"))
        await upstream.arrived.wait()
        answer = await client.call(noisy, "echo__echo")
        assert answer.status == 429
        assert "This token is allowed 1000 calls at once." in answer.json["error"]["message"]
        other = asyncio.create_task(client.call(quiet, "echo__echo"))
        hold.set()
        assert [(await last).status, (await other).status] == [200, 200]
        assert (await client.call(noisy, "echo__echo")).status == 200


async def test_a_burst_that_is_a_little_too_large_waits_and_gets_through(hub_client, in_thread, settings):
    settings.NEXUS_RATE_TOKEN = 40
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        answers = await asyncio.gather(*(client.call(noisy, "echo__echo") for _ in range(60)))
        assert {answer.status for answer in answers} == {200}


async def test_a_token_revoked_while_its_call_is_held_back_is_refused(hub_client, in_thread, settings):
    settings.REDIS_URL = ""
    async with two_tokens(hub_client, in_thread) as (upstream, client, noisy, quiet):
        await client.post(noisy, "ping")
        ((token, _, _),) = client.hub._limits._places.values()
        token.level, token.refill = 0, 0.001
        call = asyncio.create_task(client.call(noisy, "echo__echo"))
        verify = asyncio.create_task(
            client.send("GET", "/hub/token/verify", headers={"authorization": f"Bearer {noisy}"})
        )
        while client.hub._limits._held < 2:
            await asyncio.sleep(0)
        await in_thread(_revoke_noisy)
        token.level = 10
        assert [(await call).status, (await verify).status] == [401, 401]
        assert upstream.calls == []


def _revoke_noisy():
    token = DelegatedToken.objects.get(name="noisy")
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())


async def test_a_call_that_fails_or_is_given_up_is_no_longer_under_way(hub_client, in_thread):
    hold = asyncio.Event()
    async with two_tokens(hub_client, in_thread, hold=hold) as (upstream, client, noisy, quiet):
        call = asyncio.create_task(client.call(noisy, "echo__echo"))
        await upstream.arrived.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        hold.set()
        await client.send("POST", "/hub/mcp", b"[", headers={"authorization": f"Bearer {noisy}"})
        places = client.hub._limits._places.values()
        assert [bucket.under_way for place in places for bucket in place] == [[0, 0]] * 3
