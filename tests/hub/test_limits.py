"""Rates and caps: exact in one process, shared by many through Redis, kept without it."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.hub import replies
from nexus.hub.limits import CALLS, FORGET_AFTER, STREAMS, Limits
from nexus.hub.slices import Slices
from tests.servers import start_redis
from tokens.keys import Kind
from tokens.lookup import TokenAuthority

RATES = {"token": 30, "toolkit": 50, "account": 80}
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def authority(token=1, toolkit=1, account=1):
    return TokenAuthority(
        kind=Kind.DELEGATED, actors="", token_id=token, public_id=f"t{token}", last_four="abcd", name="n8n", stage="current", expires_at=LATER,
        ends_at=LATER.timestamp(), revoked_at=None, revoke_reason="", is_paused=False, owner_id=1, owner_email="",
        owner_is_there=True, may_use=True, account_id=uuid.UUID(int=account), account_name="Acme",
        account_is_paused=False, toolkit_id=uuid.UUID(int=toolkit), toolkit_alias="work", toolkit_name="Work",
        toolkit_is_paused=False, toolkit_is_archived=False, toolkit_deleted_at=None,
    )  # fmt: skip


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def _rates(settings):
    for name, rate in RATES.items():
        setattr(settings, f"NEXUS_RATE_{name.upper()}", rate)


def granted(limits, asking, times=1000):
    return sum(limits.take(asking) is None for _ in range(times))


REQUESTS = st.lists(
    st.tuples(
        st.floats(0, 3, allow_nan=False),
        st.integers(1, 4),  # token; two each have a toolkit
        st.integers(1, 60),
    ),
    max_size=40,
)


@given(REQUESTS)
def test_no_sequence_is_granted_more_than_the_burst_and_the_rate_of_any_level(requests):
    clock, counts = Clock(), {}
    limits = Limits(clock=clock)
    for pause, token, times in requests:
        clock.now += pause
        toolkit = (token + 1) // 2
        number = granted(limits, authority(token, toolkit), times)
        for key in (("token", token), ("toolkit", toolkit), ("account", 1)):
            counts[key] = counts.get(key, 0) + number
        for (level, _), total in counts.items():
            burst = max(RATES[level], 20)
            assert total <= burst + RATES[level] * (clock.now - 1000) + 1e-6


def test_a_rate_that_is_kept_is_never_refused():
    clock = Clock()
    limits = Limits(clock=clock)
    for _ in range(500):
        assert limits.take(authority()) is None
        clock.now += 1.001 / RATES["token"]


def test_the_refusal_says_whose_limit_it_is_and_when_there_is_room():
    clock = Clock()
    limits = Limits(clock=clock)
    assert granted(limits, authority(1)) == 30
    wait = limits.take(authority(1))
    assert (wait.whose, wait.allowed, wait.what) == ("token", 30, "calls per second")
    assert 0 < wait.seconds <= 1 / 30
    assert granted(limits, authority(2)) == 20
    assert limits.take(authority(3)).whose == "toolkit"
    assert granted(limits, authority(4, toolkit=2)) == 30
    assert limits.take(authority(5, toolkit=3)).whose == "account"
    clock.now += limits.take(authority(1)).seconds + 1e-6
    assert limits.take(authority(1)) is None


def test_what_is_refused_costs_no_level_anything():
    limits = Limits(clock=Clock())
    granted(limits, authority(1))
    assert granted(limits, authority(2)) == 20


def test_another_account_is_not_concerned():
    limits = Limits(clock=Clock())
    granted(limits, authority(1))
    assert granted(limits, authority(2, toolkit=2, account=2), 30) == 30


@pytest.mark.parametrize("cap", [CALLS, STREAMS])
def test_so_many_are_under_way_at_once_and_no_more(cap):
    limits = Limits(clock=Clock())
    assert [limits.enter(authority(), cap) for _ in range(cap.of_token)] == [None] * cap.of_token
    wait = limits.enter(authority(), cap)
    assert (wait.whose, wait.allowed, wait.what) == ("token", cap.of_token, cap.what)
    other = STREAMS if cap is CALLS else CALLS
    assert limits.enter(authority(), other) is None
    limits.leave(authority(), cap)
    assert limits.enter(authority(), cap) is None


def test_the_tokens_of_an_account_share_what_may_be_under_way():
    limits = Limits(clock=Clock())
    for number in range(CALLS.of_account):
        assert limits.enter(authority(number)) is None
    assert limits.enter(authority(CALLS.of_account)).whose == "account"


def test_what_is_unused_for_a_minute_is_forgotten_but_not_what_is_under_way():
    clock = Clock()
    limits = Limits(clock=clock)
    for number in range(500):
        limits.take(authority(number, toolkit=number, account=number))
    limits.enter(authority(7, toolkit=7, account=7), STREAMS)
    clock.now += FORGET_AFTER + 1
    limits.take(authority(1000))
    assert set(limits._places) == {authority(7).credential, authority(1000).credential}
    assert len(limits._toolkits) == len(limits._accounts) == 2
    limits.leave(authority(7, toolkit=7, account=7), STREAMS)


def test_the_reply_is_a_429_that_says_when_to_try_again():
    limits = Limits(clock=Clock())
    granted(limits, authority())
    reply = replies.too_many(limits.take(authority()))
    assert (reply.status, reply.refusal, reply.outcome) == (429, "too_many", "refused")
    assert (b"retry-after", b"1") in reply.headers
    error = json.loads(reply.body)["error"]
    assert error["message"] == "This token is allowed 30 calls per second. Try again in 1 s."
    assert error["data"].pop("help").endswith("/guide/troubleshooting/#too-many")
    assert error["data"] == {"reason": "too_many", "limit": "token", "allowed": 30, "retry_after": 1}


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def own_redis(tmp_path):
    """Return a Redis that the test may stop and start: its address, and the process by which to do so."""
    started = [start_redis(tmp_path)]

    def stop():
        started[0].terminate()
        started[0].wait(10)
        (tmp_path / "redis.sock").unlink(missing_ok=True)

    def start():
        started[0] = start_redis(tmp_path)

    yield f"unix://{tmp_path}/redis.sock", stop, start
    stop()


def test_two_processes_together_keep_to_the_rate(own_redis):
    environment = {**os.environ, "REDIS_URL": own_redis[0], "NEXUS_RATE_TOKEN": "100"}
    command = [sys.executable, "-m", "tests.hub.limited_process", "1.5"]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    begun = time.monotonic()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=30)[0]) for process in processes]
    slices = 2 * (10 + 1)  # what each may grant before it has settled
    assert 100 <= sum(counts) <= 100 + 100 * (time.monotonic() - begun) + slices


async def test_what_one_process_grants_the_other_lacks(own_redis):
    first, second = Limits(Slices(own_redis[0]), clock=Clock()), Limits(Slices(own_redis[0]), clock=Clock())
    await first.start()
    await second.start()
    asking, number = authority(), 0

    def first_is_at_the_end():
        nonlocal number
        number += granted(first, asking, 5)
        return number >= 30

    await until(first_is_at_the_end)
    await until(lambda: not first._slices._spent)
    assert granted(second, asking) <= 10  # its slice: it has not settled yet
    await until(lambda: not second._slices._spent)
    assert second.take(asking).whose == "token"
    await first.stop()
    await second.stop()


async def test_a_burst_is_granted_although_a_slice_is_less(own_redis, settings):
    settings.NEXUS_RATE_TOKEN = settings.NEXUS_RATE_TOOLKIT = settings.NEXUS_RATE_ACCOUNT = 1000
    limits = Limits(Slices(own_redis[0]), clock=Clock())
    await limits.start()
    number = 0

    def asks_on():
        nonlocal number
        number += granted(limits, authority(), 20)
        return number >= 900

    await until(asks_on)
    await limits.stop()


async def test_without_redis_the_process_keeps_to_its_share_and_says_so_once(own_redis, caplog):
    address, stop, start = own_redis
    clocks = Clock(), Clock()
    both = [Limits(Slices(address), clock=clock) for clock in clocks]
    for limits in both:
        await limits.start()
        limits.take(authority())
    await until(lambda: all(limits._slices._processes == 2 for limits in both))
    stop()
    await until(lambda: not any(limits._slices._is_up for limits in both))
    for limits, clock in zip(both, clocks, strict=True):
        clock.now += 100
        assert granted(limits, authority()) == 15
        clock.now += 0.4
        assert granted(limits, authority()) == 6
        assert granted(limits, authority(2, toolkit=2, account=2)) == 15
    said = [record for record in caplog.records if "Redis does not answer" in record.getMessage()]
    assert len(said) == 2  # each once
    start()
    await until(lambda: all(limits._slices._is_up for limits in both))
    assert granted(both[0], authority()) <= 10
    for limits in both:
        await limits.stop()


async def test_a_redis_that_was_never_there_stops_nobody(tmp_path):
    limits = Limits(Slices(f"unix://{tmp_path}/nothing.sock"), clock=Clock())
    await limits.start()
    assert limits.take(authority()) is None
    await until(lambda: not limits._slices._is_up)
    number = granted(limits, authority())
    assert 9 <= number <= 30
    await limits.stop()
