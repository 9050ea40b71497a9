"""Pages read calls as they were counted by minute and hour; nobody sees more in a count than in the rows."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from activity.models import HourRollup, MinuteRollup, rollups_for
from activity.models.latency import BOUNDS, SLOWEST, UNTIMED, bucket_of, percentile

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def count(account, owner, at=NOON, model=MinuteRollup, **fields):
    values = {
        "toolkit_id": uuid.UUID(int=1), "toolkit_alias": "work", "token_public_id": "abc", "token_name": "n8n",
        "server": "echo", "tool": "echo__echo", "outcome": "ok", "latency": 4, "calls": 1,
    }  # fmt: skip
    return model.objects.create(account_id=account.pk, owner_id=owner.pk, at=at, **values | fields)


def test_a_chart_has_the_calls_of_each_stretch_of_time_and_the_empty_ones_too(alice, acme):
    count(acme, alice, calls=3)
    count(acme, alice, NOON + MINUTE, outcome="refused", latency=0)
    count(acme, alice, NOON + 11 * MINUTE, calls=2, latency=10)
    slots = MinuteRollup.objects.of_account(acme, alice).per_interval(NOON, 5 * MINUTE, 4)
    assert [(slot.calls, slot.errors) for slot in slots] == [(4, 1), (0, 0), (2, 0), (0, 0)]
    assert slots[0].percentile(0.5) < BOUNDS[4] < slots[2].percentile(0.5) <= BOUNDS[10]
    assert slots[1].percentile(0.95) is None


def test_a_member_has_counted_what_their_own_tokens_did(alice, bob, charlie, acme):
    count(acme, alice, calls=3)
    count(acme, bob, calls=4, token_public_id="def")
    seen = {
        user.pk: sum(calls for _, calls in MinuteRollup.objects.of_account(acme, user).by("tool"))
        for user in (alice, bob, charlie)
    }
    assert seen == {alice.pk: 7, bob.pk: 4, charlie.pk: 0}


def test_a_range_takes_in_the_whole_hour_in_which_it_begins(alice, acme):
    count(acme, alice, model=HourRollup, calls=5)
    found = HourRollup.objects.of_account(acme, alice)
    assert found.between(NOON + MINUTE, NOON + 2 * MINUTE).by("tool", "server") == [("echo__echo", "echo", 5)]
    assert not found.between(NOON + 60 * MINUTE, NOON + 90 * MINUTE).exists()


def test_what_is_long_or_long_ago_is_read_by_the_hour():
    day = timedelta(days=1)
    assert rollups_for(NOON - day, NOON, NOON) is MinuteRollup
    assert rollups_for(NOON - 7 * day, NOON, NOON) is HourRollup
    assert rollups_for(NOON - 5 * day, NOON - 4 * day, NOON) is HourRollup


@pytest.mark.parametrize("milliseconds", [0.2, 1, 3.7, 120, 59_000])
def test_a_percentile_is_right_within_the_width_of_a_bucket(milliseconds):
    found = percentile({bucket_of(milliseconds): 100}, 0.5)
    assert found is not None
    assert milliseconds / 2**0.5 <= found <= milliseconds * 2**0.5 or milliseconds < 1


def test_streams_are_counted_and_not_timed():
    assert percentile({UNTIMED: 5}, 0.5) is None
    assert percentile({UNTIMED: 5, 0: 1}, 0.95) < 1
    assert percentile({}, 0.5) is None
    assert bucket_of(1e9) == SLOWEST


def test_the_median_of_a_range_leaves_out_refusals(alice, acme):
    count(acme, alice, calls=10, latency=20)
    count(acme, alice, calls=1000, latency=0, outcome="refused")
    assert MinuteRollup.objects.of_account(acme, alice).percentile(0.5) > BOUNDS[18]
    whole = MinuteRollup.objects.of_account(acme, alice).together(NOON)
    assert (whole.calls, whole.errors, whole.percentile(0.5)) == (1010, 1000, pytest.approx(BOUNDS[19] * 2**0.25))
