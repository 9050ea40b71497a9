"""The refresh grant: each token once, up to the end of the session."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.oauth.flow import Program, error_of, make_code
from tokens import keys
from tokens.lookup import token_with
from tokens.models import AccessToken, Connection, OAuthSession, RefreshToken
from tokens.models.connections import REFRESH_LIFE

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
INVALID_GRANT = (400, "invalid_grant")


def is_taken(access_token: str) -> bool:
    _, known = token_with(keys.digest(access_token), keys.Kind.ACCESS)
    return known is not None and known.refusal(timezone.now().timestamp()) is None


def test_a_refresh_gives_both_tokens_anew_and_leaves_the_previous_access_token(program, signed_in):
    content = program.refresh(signed_in["refresh_token"]).json()
    assert set(content) == set(signed_in)
    assert content["refresh_token"] != signed_in["refresh_token"]
    assert is_taken(content["access_token"])
    assert is_taken(signed_in["access_token"])
    assert OAuthSession.objects.count() == 1


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(program, signed_in):
    second = program.refresh(signed_in["refresh_token"]).json()
    again = program.refresh(signed_in["refresh_token"], headers={"User-Agent": "thief/1"})
    assert error_of(again) == INVALID_GRANT
    assert error_of(program.refresh(second["refresh_token"])) == INVALID_GRANT
    assert not is_taken(second["access_token"])
    assert not is_taken(signed_in["access_token"])
    event = Event.objects.get(action="session.refresh_reused")
    assert (event.agent, event.address, event.actor_label) == ("thief/1", "127.0.0.1", "Claude Code")


def test_reuse_ends_what_was_exchanged_in_the_session(alice, work, program, signed_in):
    issued = cast.make_token(alice, work)
    type(issued.token).objects.filter(pk=issued.token.pk).update(session=OAuthSession.objects.get())
    for _ in range(2):
        program.refresh(signed_in["refresh_token"])
    issued.token.refresh_from_db()
    assert issued.token.revoke_reason == "parent"


def test_another_session_of_the_same_consent_goes_on(alice, work, claude, program, signed_in):
    other = program.redeem(make_code(alice, work, claude)).json()
    for _ in range(2):
        program.refresh(signed_in["refresh_token"])
    assert is_taken(other["access_token"])
    assert program.refresh(other["refresh_token"]).status_code == 200


def test_each_refresh_postpones_the_end_but_never_past_the_sessions(alice, work, claude, program, time_machine):
    begun = timezone.now()
    time_machine.move_to(begun, tick=False)
    token = program.redeem(make_code(alice, work, claude)).json()["refresh_token"]
    session = OAuthSession.objects.get()
    for day in (13, 26):
        now = begun + timedelta(days=day)
        time_machine.move_to(now, tick=False)
        token = program.refresh(token).json()["refresh_token"]
        newest = RefreshToken.objects.get(revoked=None)
        assert newest.expires_at == min(now + REFRESH_LIFE, session.ends_at)
    time_machine.move_to(session.ends_at, tick=False)
    assert error_of(program.refresh(token)) == INVALID_GRANT


def test_a_session_that_is_not_refreshed_for_two_weeks_is_over(program, signed_in, time_machine):
    time_machine.move_to(timezone.now() + REFRESH_LIFE, tick=False)
    answer = program.refresh(signed_in["refresh_token"])
    assert error_of(answer) == INVALID_GRANT
    assert "not used for too long" in answer.json()["error_description"]


def test_scope_may_be_narrowed_and_later_asked_for_again_but_never_widened(alice, work, claude, program):
    connection = Connection.objects.connect(
        claude, alice, work, scope="mcp tokens:read", by=cast.OPERATOR, now=timezone.now()
    )
    code = make_code(alice, work, claude, scope="mcp tokens:read")
    Connection.objects.filter(pk=connection.pk).update(scope="mcp tokens:read tokens:issue")
    token = program.redeem(code).json()["refresh_token"]
    for asked, given in (("mcp", "mcp"), (None, "mcp tokens:read"), ("tokens:read mcp", "tokens:read mcp")):
        content = program.refresh(token, scope=asked).json()
        assert content["scope"] == given
        token = content["refresh_token"]
    assert error_of(program.refresh(token, scope="mcp tokens:issue")) == (400, "invalid_scope")
    Connection.objects.filter(pk=connection.pk).update(scope="mcp")
    assert program.refresh(token).json()["scope"] == "mcp"  # the refusal before has not spent it


def test_the_resource_may_be_repeated_and_no_other_named(acme, program, signed_in, settings):
    cast.make_toolkit(acme, "sales")
    hub = f"{settings.NEXUS_BASE_URL}/hub/mcp"
    another_toolkit = program.refresh(signed_in["refresh_token"], resource=f"{hub}?profile=sales")
    assert error_of(another_toolkit) == (400, "invalid_grant")  # at which clients sign in anew, for that toolkit
    for resource in ("https://elsewhere.example.com/", [hub, "x"]):
        assert error_of(program.refresh(signed_in["refresh_token"], resource=resource)) == (400, "invalid_target")
    token = signed_in["refresh_token"]
    for resource in (hub, f"{hub}?profile=work"):
        token = program.refresh(token, resource=resource).json()["refresh_token"]


def test_another_client_gets_nothing_for_a_refresh_token_and_ends_nothing(program, signed_in):
    other = Program(cast.make_application(name="Other"))
    for _ in range(2):
        assert error_of(other.refresh(signed_in["refresh_token"])) == INVALID_GRANT
    assert program.refresh(signed_in["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", list(keys.Kind), ids=[kind.name.lower() for kind in keys.Kind])
def test_what_is_no_refresh_token_is_unknown(program, kind):
    assert error_of(program.refresh(keys.make(kind).text)) == INVALID_GRANT


def test_an_access_token_refreshes_nothing(program, signed_in):
    assert error_of(program.refresh(signed_in["access_token"])) == INVALID_GRANT


def end_by_revocation(alice, acme, work):
    Connection.objects.get().revoke(by=cast.OPERATOR, now=timezone.now())


def end_by_session(alice, acme, work):
    OAuthSession.objects.get().end(by=cast.OPERATOR, now=timezone.now())


def end_by_disabling(alice, acme, work):
    alice.disable(by=cast.OPERATOR, now=timezone.now())


def end_by_deleting_the_toolkit(alice, acme, work):
    work.delete_for_good(by=cast.OPERATOR, now=timezone.now())


def end_by_taking_the_toolkit_away(alice, acme, work):
    acme.members.filter(user=alice).update(role="end_user")


ENDS = [
    end_by_revocation,
    end_by_session,
    end_by_disabling,
    end_by_deleting_the_toolkit,
    end_by_taking_the_toolkit_away,
]


@pytest.mark.parametrize("end", ENDS, ids=[end.__name__ for end in ENDS])
def test_nothing_is_refreshed_once_the_right_has_ended(alice, acme, work, program, signed_in, end):
    end(alice, acme, work)
    assert error_of(program.refresh(signed_in["refresh_token"])) == INVALID_GRANT


def test_a_disabled_application_is_no_client_any_more(claude, program, signed_in):
    type(claude).objects.filter(pk=claude.pk).update(disabled_at=timezone.now())
    answer = program.refresh(signed_in["refresh_token"])
    assert error_of(answer) == (401, "invalid_client")
    assert not is_taken(signed_in["access_token"])


def test_a_pause_does_not_end_the_session(work, program, signed_in):
    type(work).objects.filter(pk=work.pk).update(paused_at=timezone.now())
    assert program.refresh(signed_in["refresh_token"]).status_code == 200


def test_a_refresh_costs_few_queries(program, signed_in, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        program.refresh(signed_in["refresh_token"])


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_of_refreshes_at_once_one_wins_and_the_others_are_reuse(alice, work, claude):
    token = Program(claude).redeem(make_code(alice, work, claude)).json()["refresh_token"]
    answers, start = [], threading.Barrier(4)

    def refresh() -> None:
        program = Program(claude)
        start.wait()
        answers.append(program.refresh(token).status_code)
        connections.close_all()

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 400, 400, 400]
    assert OAuthSession.objects.get().ended_at
    assert (AccessToken.objects.count(), RefreshToken.objects.filter(revoked=None).count()) == (2, 1)
