"""Row 35: guesses of one address are limited to twenty a second, and nobody else feels it."""

import asyncio
import time
from collections import Counter

import pytest

from nexus.hub import guesses
from nexus.hub.authority import Database
from nexus.hub.guesses import Guesses, TooManyGuesses
from tests import cast
from tests.hub.conftest import run_in_thread, running_hub
from tests.hub.upstream import running_upstream
from tests.security.conftest import EVERYTHING
from tokens import keys, lookup

HOUSE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
GUESSES, AT_ONCE = 3_000, 100


def prepare(url):
    alice = cast.make_user("Alice")
    toolkit = cast.make_toolkit(alice.personal_account, "work", cast.make_server(url=url), allowed=["echo"])
    return [cast.make_token(alice, toolkit, name).key.text for name in ("cached", "at home", "later")]


async def verify(client, secret, peer=HOUSE):
    return await client.send("GET", "/hub/token/verify", headers={"authorization": f"Bearer {secret}"}, peer=peer)


@EVERYTHING
@pytest.mark.sqlite
async def test_a_flood_of_guesses_is_held_off_and_real_tokens_go_on():
    async with running_upstream() as upstream:
        cached, at_home, later = await run_in_thread(prepare, upstream.url)
        async with running_hub() as client:
            assert (await verify(client, cached)).status == 200
            begun = time.monotonic()
            invented = [keys.make(keys.Kind.DELEGATED).text for _ in range(GUESSES)]
            flood = []
            for number in range(0, GUESSES, AT_ONCE):
                flood += [asyncio.create_task(verify(client, text)) for text in invented[number : number + AT_ONCE]]
                await asyncio.sleep(0)
            known = [await verify(client, cached) for _ in range(20)]
            elsewhere = await verify(client, at_home, peer=ELSEWHERE)
            answers = await asyncio.gather(*flood)
            lasted = time.monotonic() - begun
            turn = await verify(client, later)
    statuses = Counter(answer.status for answer in answers)
    assert statuses[401] <= guesses.RATE * (lasted + 1)
    assert statuses[401] + statuses[429] == GUESSES
    assert {answer.headers["retry-after"] for answer in answers if answer.status == 429} == {"1"}
    assert {answer.status for answer in known} == {200}
    assert (elsewhere.status, turn.status) == (200, 200)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


async def nothing():
    return None


async def found():
    await asyncio.sleep(0)
    return "a token"


async def test_twenty_a_second_and_not_one_more():
    clock = Clock()
    kept = Guesses(clock)
    for _ in range(3):
        for _ in range(guesses.RATE):
            await kept.look(HOUSE, nothing)
        waiting = asyncio.create_task(kept.look(HOUSE, nothing))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await kept.look(ELSEWHERE, nothing) is None
        clock.now += 1


async def test_tokens_that_are_found_count_for_nothing():
    kept = Guesses(Clock())
    assert set(await asyncio.gather(*(kept.look(HOUSE, found) for _ in range(500)))) == {"a token"}


async def test_whoever_waits_is_let_in_when_the_second_is_over(monkeypatch):
    kept = Guesses()
    await asyncio.gather(*(kept.look(HOUSE, nothing) for _ in range(guesses.RATE)))
    assert await kept.look(HOUSE, found) == "a token"
    monkeypatch.setattr(guesses, "PATIENCE", 0.01)
    await asyncio.gather(*(kept.look(HOUSE, nothing) for _ in range(guesses.RATE - 1)), return_exceptions=True)
    with pytest.raises(TooManyGuesses):
        await asyncio.gather(*(kept.look(HOUSE, nothing) for _ in range(guesses.RATE)))
    with pytest.raises(TooManyGuesses):
        await kept.look(HOUSE, found)


async def test_a_client_that_goes_away_while_it_waits_keeps_nobody_out():
    clock = Clock()
    kept = Guesses(clock)
    for _ in range(guesses.RATE):
        await kept.look(HOUSE, nothing)
    waiting = [asyncio.create_task(kept.look(HOUSE, found)) for _ in range(5)]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    clock.now += 1
    assert await kept.look(HOUSE, found) == "a token"
    assert not kept._askers[HOUSE].under_way


async def test_addresses_that_ask_no_more_are_forgotten():
    clock = Clock()
    kept = Guesses(clock)
    for number in range(100):
        await kept.look(f"198.51.100.{number}", nothing)
    clock.now += guesses.FORGET_AFTER + 1
    await kept.look(HOUSE, nothing)
    assert list(kept._askers) == [HOUSE]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.7", HOUSE, True),
        (HOUSE, "203.0.113.8", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no address: at all", "no address: either", False),
    ],
)
def test_an_ipv6_customer_has_one_address(one, other, is_same):
    assert (guesses.subject(one) == guesses.subject(other)) is is_same


class Counting(Database):
    asked = 0

    async def run(self, function, *arguments):
        self.asked += function is lookup.token_with
        return await super().run(function, *arguments)


@EVERYTHING
@pytest.mark.sqlite
async def test_all_who_come_first_with_one_token_wait_for_one_look_at_the_database():
    async with running_upstream() as upstream:
        secret, *_ = await run_in_thread(prepare, upstream.url)
        async with running_hub() as client:
            database = client.hub._cache._database = Counting()
            answers = await asyncio.gather(*(verify(client, secret) for _ in range(200)))
            assert ({answer.status for answer in answers}, database.asked) == ({200}, 1)
            given_up = asyncio.create_task(verify(client, keys.make(keys.Kind.DELEGATED).text))
            await asyncio.sleep(0)
            given_up.cancel()  # the look goes on, and leaves nothing behind
            assert (await verify(client, keys.make(keys.Kind.DELEGATED).text)).status == 401
            await database.stop()
