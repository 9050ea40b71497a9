"""What the page of a token says of its calls: the last accepted, the first refused, and both generations live."""

from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast
from tokens import uses

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def call(token, at, outcome="ok"):
    Call.objects.create(
        at=at, account_id=token.account_id, owner_id=token.owner_id, owner_email="", toolkit_id=token.toolkit_id,
        toolkit_alias="work", token_public_id=token.public_id, token_name=token.name, outcome=outcome, hub_ms=1,
    )  # fmt: skip


def test_of_a_revoked_token_it_says_the_last_accepted_and_the_first_refused(as_bob, bob, work):
    now = timezone.now()
    token = cast.make_token(bob, work, now=now - timedelta(hours=5)).token
    moments = [now - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10)]
    call(token, moments[0])
    call(token, moments[1])
    token.revoke(by=cast.OPERATOR, reason="leaked", now=moments[2])
    call(token, moments[3], "refused")
    call(token, moments[4], "refused")
    token.refresh_from_db()
    use = uses.of([token], now)[token.public_id]
    assert (use.last_accepted_at, use.first_refused_at) == (moments[1], moments[3])
    page = as_bob.get(f"/tokens/{token.public_id}/").content.decode()
    assert "First refused" in page


@pytest.fixture
def overlap(bob, work):
    """A token that was replaced two hours ago, and its successor, with calls of both."""
    now = timezone.now()
    old = cast.make_token(bob, work, now=now - timedelta(hours=5)).token
    new = old.replace(by=cast.OPERATOR, now=now - timedelta(hours=3)).token
    call(old, now - timedelta(hours=4))
    type(old).objects.activate(new.pk, now=now - timedelta(hours=2))
    for minutes in (100, 90):
        call(old, now - timedelta(minutes=minutes))
    for minutes in (80, 60, 1):
        call(new, now - timedelta(minutes=minutes))
    old.refresh_from_db()
    new.refresh_from_db()
    return old, new


def test_in_an_overlap_both_count_since_the_replacement_and_the_old_one_goes_silent(overlap):
    old, new = overlap
    now = timezone.now()
    used = uses.of([new, old], now)
    assert (used[old.public_id].calls, used[new.public_id].calls) == (2, 3)
    assert uses.silent_since(old, used[old.public_id], now) == used[old.public_id].last_accepted_at
    assert uses.silent_since(new, used[new.public_id], now) is None
    call(old, now)
    assert uses.silent_since(old, uses.of([new, old], now)[old.public_id], now) is None


def test_the_part_that_is_renewed_is_the_part_of_the_page(as_bob, as_charlie, overlap):
    old, _ = overlap
    address = f"/tokens/{old.public_id}/generations/"
    part = as_bob.get(address).content.decode()
    assert f'data-refresh="{address}"' in part
    assert "silent since then" in part
    assert f'data-refresh="{address}"' in as_bob.get(f"/tokens/{old.public_id}/").content.decode()
    assert as_charlie.get(address).status_code == 404
