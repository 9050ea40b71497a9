"""Each rule on generated histories: it fires when it should, and is silent when not."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from activity.models import Rule
from activity.unexpected.histories import History, Use, client_of, network_of
from activity.unexpected.rules import (
    burst,
    new_client,
    new_network,
    refusals_in_a_row,
    shared,
    used_after_its_end,
)

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
HOUR = NOON.replace(minute=0)
N8N, HOME, OFFICE = "n8n", "203.0.113.0/24", "198.51.100.0/24"


def history(*steps, every=timedelta(minutes=1), **known):
    """Calls, one step each, the last one at noon; a step is (client, network), with "refused" to be refused."""
    start = NOON - every * (len(steps) - 1)
    calls = [Use(start + every * place, step[1], step[0], "refused" in step) for place, step in enumerate(steps)]
    return History(calls, **known)


def values(signs):
    return [sign.value for sign in signs]


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.7", HOME), ("::ffff:203.0.113.9", HOME), ("2001:db8:1:2::3", "2001:db8:1::/48"),
     ("fe80::1%eth0", "fe80::/48"), ("", ""), ("unknown", ""), ("10.0.0.300", ""), ("\u0661.2.3.4", "")],
)  # fmt: skip
def test_addresses_are_told_apart_by_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("name", "agent", "client"),
    [("Claude Code", "", "claude code"), ("claude-code 2.1.7", "", "claude-code"), ("", "python-httpx/0.28.1", "python-httpx"),
     ("", "Mozilla/5.0 (X11)", "mozilla"), ("n8n", "node", "n8n"), ("7", "", "7"), ("", "", ""), ("x" * 200, "", "x" * 50)],
)  # fmt: skip
def test_clients_are_told_apart_by_family(name, agent, client):
    assert client_of(name, agent) == client


def test_each_network_is_seen_once_however_many_calls_come_from_it():
    found = history(*[(N8N, HOME)] * 50, (N8N, OFFICE), (N8N, ""), ("n8n", OFFICE, "refused"))
    assert values(new_network(found)) == [HOME, OFFICE]
    assert values(new_client(found)) == [N8N]


def test_what_comes_after_the_end_is_another_rules():
    found = history((N8N, HOME), (N8N, OFFICE, "refused"), ended_at=NOON)
    assert values(new_network(found)) == [HOME]


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_is_over_five_times_the_busiest_hour_before(seed):
    """Of any history whose busiest hour had 100 calls: 501 are a burst, 500 are none, and 199 never are."""
    dice = random.Random(seed)
    before = {HOUR - timedelta(hours=hours): dice.randint(0, 100) for hours in range(1, 300)}
    before[HOUR - timedelta(hours=dice.randint(1, 299))] = 100

    def seen(now, past=before):
        return values(burst(history((N8N, HOME), hours=past | {HOUR: now})))

    assert seen(501) == [HOUR.isoformat()]
    assert seen(500) == []
    assert seen(199, {}) == []
    assert seen(200, {}) == [HOUR.isoformat()]


def test_a_burst_says_how_many_and_how_many_before():
    (sign,) = burst(history((N8N, HOME), hours={HOUR: 1240, HOUR - timedelta(hours=3): 60}))
    assert "1,240 calls in the hour from 12:00 UTC" in sign.said
    assert "was 60" in sign.said


def test_twenty_refusals_in_a_row_are_seen_and_one_call_that_went_well_breaks_the_row():
    no, yes = (N8N, HOME, "refused"), (N8N, HOME)
    assert len(values(refusals_in_a_row(history(*[no] * 20)))) == 1
    assert values(refusals_in_a_row(history(*[no] * 19))) == []
    assert values(refusals_in_a_row(history(*[no] * 15, yes, *[no] * 19))) == []
    assert values(refusals_in_a_row(history(*[no] * 20, yes))) == []
    assert values(refusals_in_a_row(history(*[no] * 20, every=timedelta(minutes=4)))) == []  # not within an hour


def test_a_row_of_refusals_is_the_same_one_while_it_grows():
    no = (N8N, HOME, "refused")
    known = {"last_accepted_at": NOON - timedelta(hours=2)}
    assert values(refusals_in_a_row(history(*[no] * 20, **known))) == values(
        refusals_in_a_row(history(*[no] * 45, **known))
    )


def test_two_clients_that_take_turns_are_two_services():
    one, other = (N8N, HOME), ("curl", HOME)
    assert values(shared(history(*[one, other] * 4))) == ["curl | n8n"]
    assert values(shared(history(*[other, other, one, one, one] * 4))) == ["curl | n8n"]
    assert values(shared(history(*[one, other] * 3))) == []  # five turns
    assert values(shared(history(*[one] * 20, *[other] * 20))) == []  # one after the other
    assert values(shared(history(*[one, other] * 4, every=timedelta(minutes=15)))) == []  # not within an hour


def test_refused_calls_take_no_turn():
    assert values(shared(history(*[(N8N, HOME), ("curl", OFFICE, "refused")] * 10))) == []


def test_one_client_in_two_networks_is_two_services_unless_both_are_expected():
    steps = [(N8N, HOME), (N8N, OFFICE)] * 4
    pair = f"n8n in {OFFICE} | n8n in {HOME}"
    assert values(shared(history(*steps))) == [pair]
    assert values(shared(history(*steps, expected={Rule.NETWORK: frozenset({HOME})}))) == [pair]
    assert values(shared(history(*steps, expected={Rule.NETWORK: frozenset({HOME, OFFICE})}))) == []


def test_use_after_the_end_is_seen_after_five_minutes_once_for_each_network():
    steps = [(N8N, HOME, "refused")] * 10 + [("curl", OFFICE, "refused")] * 2
    assert values(used_after_its_end(history(*steps, ended_at=NOON - timedelta(hours=1)))) == [HOME, OFFICE]
    assert values(used_after_its_end(history(*steps, ended_at=NOON - timedelta(minutes=5)))) == []
    assert values(used_after_its_end(history(*steps))) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_service_that_does_the_same_day_after_day_is_never_unexpected(seed):
    """One client, from the doors of its house, a steady number of calls, with a refusal now and then."""
    dice = random.Random(seed)
    doors = [HOME, OFFICE]
    expected = {Rule.NETWORK: frozenset(doors), Rule.CLIENT: frozenset({N8N})}
    rate = dice.randint(1, 2000)
    hours = {HOUR - timedelta(hours=back): dice.randint(rate // 2, rate) for back in range(300)}
    steps = [(N8N, dice.choice(doors), *(["refused"] if dice.random() < 0.3 else [])) for _ in range(400)]
    found = history(*steps, every=timedelta(seconds=10), expected=expected, hours=hours)
    assert set(values(new_network(found))) <= expected[Rule.NETWORK]
    assert set(values(new_client(found))) <= expected[Rule.CLIENT]
    for rule in (shared, burst, refusals_in_a_row, used_after_its_end):
        assert values(rule(found)) == [], rule


def test_an_empty_history_says_nothing():
    for rule in (new_network, new_client, burst, refusals_in_a_row, shared, used_after_its_end):
        assert values(rule(History([]))) == []
        assert values(rule(History([], ended_at=NOON, hours={HOUR: 1000}))) == []


def test_what_others_wrote_is_kept_short():
    found = history(*[("a" * 50, HOME), ("b" * 50, OFFICE)] * 4)
    for rule in (new_client, shared):
        for sign in rule(found):
            assert len(sign.value) <= 150
            assert len(sign.said) <= 300
