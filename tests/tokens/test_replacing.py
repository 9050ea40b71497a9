"""Replacing a token: a pending successor, an overlap, one generation of each stage."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tokens import keys
from tokens.models import DelegatedToken, Policy

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def replace(token, **how):
    return token.replace(by=cast.OPERATOR, now=how.pop("now", timezone.now()), **how)


def make_exchanged(token, application):
    digest = DelegatedToken.objects.get(pk=token.pk).digest
    exchange = DelegatedToken.objects.exchange
    return exchange(digest, keys.Kind.DELEGATED, application=application, scopes=frozenset(), lasts=timedelta(days=1),
                    name="child", by=cast.OPERATOR, now=timezone.now()).token  # fmt: skip


def stages(token):
    family = DelegatedToken.objects.filter(family=token.family).order_by("generation")
    return list(family.values_list("stage", flat=True))


def test_the_successor_waits_and_the_old_token_lives_on(alice, work):
    old = cast.make_token(alice, work, "n8n", timedelta(days=14)).token
    new = replace(old).token
    assert (new.name, new.toolkit, new.family, new.generation) == ("n8n", work, old.family, 2)
    assert new.expires_at - new.issued_at == timedelta(days=14)
    assert stages(old) == ["current", "pending"]


def test_its_first_use_starts_the_overlap(alice, work):
    old = cast.make_token(alice, work).token
    new = replace(old, overlap=timedelta(hours=2)).token
    now = timezone.now()
    assert DelegatedToken.objects.activate(new.pk, now=now)
    assert not DelegatedToken.objects.activate(new.pk, now=now)
    old.refresh_from_db()
    assert (old.stage, old.retires_at) == ("overlapping", now + timedelta(hours=2))
    assert stages(old) == ["overlapping", "current"]
    assert Event.objects.filter(action=Action.TOKEN_ACTIVATED).count() == 1


def test_the_overlap_never_outlasts_the_old_token(alice, work):
    old = cast.make_token(alice, work, life=timedelta(hours=1)).token
    new = replace(old, overlap=timedelta(days=7), expires_at=timezone.now() + timedelta(days=7)).token
    DelegatedToken.objects.activate(new.pk, now=timezone.now())
    old.refresh_from_db()
    assert old.retires_at == old.expires_at


def test_without_overlap_the_old_token_ends_at_the_first_use_of_the_new(alice, work):
    old = cast.make_token(alice, work).token
    new = replace(old, overlap=timedelta()).token
    DelegatedToken.objects.activate(new.pk, now=timezone.now())
    assert stages(old) == ["ended", "current"]


def test_asking_again_cancels_the_pending_one_and_gives_another(alice, work):
    old = cast.make_token(alice, work).token
    first, second = replace(old).token, replace(old).token
    first.refresh_from_db()
    assert (first.stage, first.get_revoke_reason_display()) == ("ended", "Replaced")
    assert (second.stage, second.generation) == ("pending", 3)
    assert stages(old) == ["current", "ended", "pending"]


def test_replacing_from_the_pending_or_the_old_one_means_the_family(alice, work):
    old = cast.make_token(alice, work).token
    new = replace(old).token
    newer = replace(new).token
    DelegatedToken.objects.activate(newer.pk, now=timezone.now())
    old.refresh_from_db()
    assert replace(old).token.generation == 4
    assert stages(old) == ["overlapping", "ended", "current", "pending"]


def test_of_three_generations_the_oldest_ends_when_the_newest_is_used(alice, work):
    old = cast.make_token(alice, work).token
    for _ in range(2):
        new = replace(old).token
        DelegatedToken.objects.activate(new.pk, now=timezone.now())
    assert stages(old) == ["ended", "overlapping", "current"]


def test_a_deliberate_revoke_ends_all_generations(alice, work):
    old = cast.make_token(alice, work).token
    new = replace(old).token
    DelegatedToken.objects.activate(new.pk, now=timezone.now())
    pending = replace(new).token
    old.refresh_from_db()
    assert old.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert stages(old) == ["ended", "ended", "ended"]
    pending.refresh_from_db()
    assert pending.revoke_reason == "leaked"


def test_an_ended_family_has_nothing_to_replace(alice, work):
    old = cast.make_token(alice, work).token
    old.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    with pytest.raises(ValidationError, match="nothing to replace"):
        replace(old)


@pytest.mark.parametrize("days", [-1, 8])
def test_the_overlap_is_from_nothing_to_seven_days(alice, work, days):
    with pytest.raises(ValidationError, match="7 days at most"):
        replace(cast.make_token(alice, work).token, overlap=timedelta(days=days))


def test_a_tighter_policy_shortens_what_the_successor_would_have_had(alice, acme, work):
    old = cast.make_token(alice, work, life=timedelta(days=20)).token
    Policy.objects.create(account=acme, max_life_days=5)
    new = replace(old).token
    assert new.expires_at - new.issued_at == timedelta(days=5)
    with pytest.raises(ValidationError, match="at most 5 days"):
        replace(old, expires_at=timezone.now() + timedelta(days=6))


def test_the_limits_go_over_to_the_successor(alice, work):
    old = cast.make_token(alice, work).token
    limits = {"tools": ["echo__echo"], "is_read_only": True, "networks": ["203.0.113.0/24"], "call_cap": 10}
    DelegatedToken.objects.filter(pk=old.pk).update(**limits, calls_taken=4)
    new = replace(old).token
    assert {name: getattr(new, name) for name in limits} == limits
    assert new.calls_taken == 4


def test_the_use_of_an_ended_generation_is_told_once_an_hour(alice, work):
    old = cast.make_token(alice, work).token
    new = replace(old, overlap=timedelta()).token
    DelegatedToken.objects.activate(new.pk, now=timezone.now())
    now = timezone.now()
    assert DelegatedToken.objects.note_reuse(old.pk, by=cast.OPERATOR, now=now)
    assert not DelegatedToken.objects.note_reuse(old.pk, by=cast.OPERATOR, now=now + timedelta(minutes=59))
    assert DelegatedToken.objects.note_reuse(old.pk, by=cast.OPERATOR, now=now + timedelta(minutes=61))
    new.refresh_from_db()
    assert new.stage == "current"


def test_a_policy_ends_the_family_then(alice, acme, work):
    old = cast.make_token(alice, work).token
    Policy.objects.create(account=acme, ends_reused_families=True)
    new = replace(old, overlap=timedelta()).token
    DelegatedToken.objects.activate(new.pk, now=timezone.now())
    DelegatedToken.objects.note_reuse(old.pk, by=cast.OPERATOR, now=timezone.now())
    new.refresh_from_db()
    assert (new.stage, new.revoke_reason) == ("ended", "policy")


def test_a_token_without_successor_is_not_reused_but_only_over(alice, work):
    old = cast.make_token(alice, work).token
    old.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
    assert not DelegatedToken.objects.note_reuse(old.pk, by=cast.OPERATOR, now=timezone.now())


@pytest.mark.parametrize("overlap", [timedelta(), timedelta(hours=1)], ids=["none", "an hour"])
def test_what_was_exchanged_for_the_old_token_lives_no_longer_than_it(alice, acme, work, overlap):
    old = cast.make_token(alice, work).token
    child = make_exchanged(old, cast.make_application(acme, may_exchange=True))
    new = replace(old, overlap=overlap).token
    now = timezone.now()
    DelegatedToken.objects.activate(new.pk, now=now)
    child.refresh_from_db()
    assert child.stage == ("current" if overlap else "ended")
    assert not overlap or child.expires_at == now + overlap
