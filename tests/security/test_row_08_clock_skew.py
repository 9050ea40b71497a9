"""Row 8: clocks that differ. A hub decides by its own clock, without leeway, and a lease goes by no wall clock at all."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from nexus.hub import lease
from profiles.models import Attempts
from tests import cast
from tokens import keys, lookup
from tokens.models import DelegatedToken, HubProcess

pytestmark = pytest.mark.django_db(databases="__all__")
SKEW = timedelta(seconds=90)


@pytest.fixture
def authority(alice, work):
    issued = cast.make_token(alice, work)
    found = lookup.token_with(keys.digest(issued.key.text), keys.Kind.DELEGATED)[1]
    assert found
    return found


@pytest.mark.parametrize("seconds", [-90, -1, -0.001, 0, 0.001, 90])
def test_there_is_no_leeway_on_a_token_of_ours(authority, seconds):
    refusal = authority.refusal(authority.ends_at + seconds)
    assert refusal is (lookup.Refusal.EXPIRED if seconds >= 0 else None)


def test_a_hub_whose_clock_is_behind_lengthens_a_life_by_that_much_and_never_after_the_sweep(alice, work):
    """The clock of the machine is NTP's business; what a sweep or a person has ended, no clock revives."""
    issued = cast.make_token(alice, work, life=timedelta(days=1))
    DelegatedToken.objects.all().sweep(issued.token.expires_at)
    found = lookup.token_with(keys.digest(issued.key.text), keys.Kind.DELEGATED)[1]
    behind = issued.token.expires_at - SKEW
    assert found.refusal(behind.timestamp()) is lookup.Refusal.EXPIRED


def test_a_revocation_holds_at_any_clock(alice, work):
    issued = cast.make_token(alice, work)
    issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now() + SKEW)  # a portal that is ahead
    found = lookup.token_with(keys.digest(issued.key.text), keys.Kind.DELEGATED)[1]
    for seconds in (-90, 0, 90):
        assert found.refusal(time.time() + seconds) is lookup.Refusal.REVOKED


def test_the_lease_goes_by_the_clock_since_the_start_and_waits_by_the_database_s_own(monkeypatch):
    """A wall clock that jumps makes no lease longer: CLOCK_BOOTTIME here, clock_timestamp() of PostgreSQL there."""
    before = lease.boot_time()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert lease.boot_time() - before < 1
    if connection.vendor == "postgresql":
        HubProcess.objects.all().delete()  # that of a live hub of another test
        HubProcess.objects.create(confirmed_epoch=0, renewed_at=timezone.now() - timedelta(hours=1))
        begun = time.monotonic()
        HubProcess.objects.wait_for(10)  # a hub that has not renewed is not waited for
        assert time.monotonic() - begun < 1


def test_a_clock_that_goes_back_opens_a_limit_again_and_locks_nobody_out(db):
    ahead = timezone.now() + SKEW * 60
    assert all(Attempts.objects.take("x", 3, now=ahead) for _ in range(3))
    assert not Attempts.objects.take("x", 3, now=ahead)
    assert Attempts.objects.take("x", 3, now=timezone.now())


def test_limits_are_counted_in_one_statement_and_never_checked_before(db, django_assert_num_queries):
    """TOB-PYPI26-2: check-then-set lets two through."""
    with django_assert_num_queries(2):
        Attempts.objects.take("x", 3, now=timezone.now())
