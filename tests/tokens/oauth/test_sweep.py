"""What the sweep of the OAuth tables deletes, and what it must leave."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.flow import error_of, make_code
from tokens import tasks
from tokens.models import AccessToken, DelegatedToken, Grant, OAuthSession, RefreshToken, connections, granting

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
DAY = timedelta(days=1)


def test_codes_go_a_day_after_their_end(alice, work, claude, program, time_machine):
    now = timezone.now()
    program.redeem(make_code(alice, work, claude))
    make_code(alice, work, claude)
    time_machine.move_to(now + DAY)
    tasks.sweep_oauth()
    assert Grant.objects.count() == 2
    time_machine.move_to(now + DAY + timedelta(minutes=2))
    tasks.sweep_oauth()
    assert not Grant.objects.exists()
    assert OAuthSession.objects.get().ended_at is None


def test_access_tokens_go_a_day_after_their_end_but_the_first_of_a_living_session(program, signed_in, time_machine):
    begun, token = timezone.now(), signed_in["refresh_token"]
    for hours in (1, 2):
        time_machine.move_to(begun + timedelta(hours=hours))
        token = program.refresh(token).json()["refresh_token"]
    time_machine.move_to(begun + timedelta(days=2))
    tasks.sweep_oauth()
    assert AccessToken.objects.count() == 1
    assert RefreshToken.objects.count() == 3  # spent ones are known as such while the session lasts
    assert program.refresh(token).status_code == 200
    assert error_of(program.refresh(token)) == (400, "invalid_grant")
    assert OAuthSession.objects.get().ended_at


def test_sessions_and_their_tokens_go_thirty_days_after_their_end(program, signed_in, time_machine):
    now = timezone.now()
    OAuthSession.objects.get().end(by=cast.OPERATOR, now=now)
    time_machine.move_to(now + 30 * DAY)
    tasks.sweep_oauth()
    assert RefreshToken.objects.exists()
    time_machine.move_to(now + 30 * DAY + timedelta(minutes=1))
    tasks.sweep_oauth()
    assert not RefreshToken.objects.exists()
    assert not OAuthSession.objects.exists()


def test_a_session_that_a_delegated_token_came_of_stays(alice, work, signed_in, time_machine):
    cast.make_token(alice, work)
    DelegatedToken.objects.update(session=OAuthSession.objects.get())
    time_machine.move_to(timezone.now() + 90 * DAY)
    tasks.sweep_oauth()
    assert OAuthSession.objects.exists()


def test_it_goes_in_batches_and_by_the_command(alice, work, claude, monkeypatch, capsys):
    monkeypatch.setattr(granting, "SWEEP_BATCH", 2)
    monkeypatch.setattr(connections, "SWEEP_BATCH", 2)
    for _ in range(5):
        make_code(alice, work, claude, now=timezone.now() - 2 * DAY)
        cast.make_access_token(alice, work, claude, now=timezone.now() - 90 * DAY)
    call_command("sweep_tokens")
    assert (
        capsys.readouterr().out.splitlines()[-1] == "OAuth codes, tokens and sessions deleted: 15, clients forgotten: 0"
    )
    assert not Grant.objects.exists()
    assert not OAuthSession.objects.exists()
