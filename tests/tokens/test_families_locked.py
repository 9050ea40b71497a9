"""Acts on one family at the same time: each sees every generation, and none waits for another in a circle."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.utils import timezone

from tests import cast
from tests.cast import OPERATOR
from tests.tokens.test_ended_meanwhile import alone, waiting
from tests.upstreams import wait_for
from tokens.models import DelegatedToken

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(connections["default"].vendor != "postgresql", reason="SQLite has one writer at a time"),
]


def living(token):
    return DelegatedToken.objects.filter(family=token.family).living(timezone.now())


def replaced(token):
    return token.replace(by=OPERATOR, now=timezone.now()).token


@pytest.fixture
def current(alice, work):
    return cast.make_token(alice, work).token


@pytest.fixture
def overlapping(current):
    successor = replaced(current)
    DelegatedToken.objects.activate(successor.pk, now=timezone.now())
    return current


def while_it_is_replaced(token, act):
    """Begin the act after the family has got a successor, and before that is committed; return what it gives."""
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            replaced(token)
            acting = threads.submit(alone, act)
            wait_for(lambda: acting.done() or waiting() == 1, "the act")
        return acting.result()


def test_a_successor_that_is_being_made_ends_with_its_family(overlapping):
    assert while_it_is_replaced(
        overlapping, lambda: overlapping.revoke(by=OPERATOR, reason="leaked", now=timezone.now())
    )
    assert not living(overlapping).exists()


def test_a_family_whose_pending_token_gives_way_meanwhile_still_ends(current):
    replaced(current)
    act = lambda: current.end_family(by=OPERATOR, reason="leaked", now=timezone.now())  # noqa: E731
    assert while_it_is_replaced(current, act)
    assert not living(current).exists()


def test_a_successor_that_is_being_made_is_paused_with_its_family(current):
    assert while_it_is_replaced(current, lambda: current.pause(by=OPERATOR, now=timezone.now()))
    assert not living(current).filter(paused_at=None).exists()


def test_a_successor_that_is_being_made_is_kept_to_the_same_addresses(current):
    act = lambda: current.keep_to(["10.0.0.0/8"], by=OPERATOR, now=timezone.now())  # noqa: E731
    assert while_it_is_replaced(current, act)
    assert list(living(current).values_list("networks", flat=True)) == [["10.0.0.0/8"]] * 2


def test_a_successor_that_is_being_made_is_kept_to_the_same_tools(current):
    act = lambda: current.keep_to_tools(["echo__echo"], by=OPERATOR, now=timezone.now())  # noqa: E731
    assert while_it_is_replaced(current, act)
    assert list(living(current).values_list("tools", flat=True)) == [["echo__echo"]] * 2


@pytest.mark.parametrize("act", ["revoke", "pause"])
def test_a_first_use_and_the_end_or_pause_of_its_predecessor_do_not_wait_in_a_circle(current, act):
    successor, now = replaced(current), timezone.now()
    how = {"by": OPERATOR, "now": now} | ({"reason": "leaked"} if act == "revoke" else {})
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            DelegatedToken.objects.select_for_update().get(pk=current.pk)
            acting = threads.submit(alone, lambda: getattr(current, act)(**how))
            wait_for(lambda: waiting() == 1, "the act")
            using = threads.submit(alone, lambda: DelegatedToken.objects.activate(successor.pk, now=now))
            wait_for(lambda: waiting() == 2, "the first use")
        assert acting.result()
        assert using.result() in (True, False)
    if act == "revoke":
        assert not living(current).exists()


def test_a_replacement_during_a_first_use_replaces_what_is_current_then(current):
    successor = replaced(current)
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            DelegatedToken.objects.activate(successor.pk, now=timezone.now())
            replacing = threads.submit(alone, lambda: replaced(current))
            wait_for(lambda: replacing.done() or waiting() == 1, "the replacement")
        assert replacing.result().generation == successor.generation + 1
    assert sorted(living(current).values_list("stage", flat=True)) == ["current", "overlapping", "pending"]


def test_a_replaced_token_that_is_paused_has_a_successor_that_is_paused(current):
    current.pause(by=OPERATOR, now=timezone.now())
    successor = replaced(current)
    assert successor.paused_at is not None
    assert current.resume(by=OPERATOR, now=timezone.now())
    assert not living(current).exclude(paused_at=None).exists()
