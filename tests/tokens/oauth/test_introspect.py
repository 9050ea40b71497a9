"""Introspection: what a token is good for, by the hub's own rule, to clients of its account."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import cast
from tests.tokens.oauth.flow import Program, basic, error_of, make_code, make_confidential, make_machine
from tokens import keys
from tokens.models import AccessToken, Connection, DelegatedToken, OAuthSession

pytestmark = pytest.mark.django_db(databases="__all__")
INACTIVE = b'{"active": false}'


@pytest.fixture
def robot(acme) -> Program:
    """A confidential client of Acme."""
    return Program(make_confidential(acme))


def introspect(program, token, **form):
    answer = program.post("/oauth/introspect", token=token, **form)
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer


def test_an_access_token_says_whose_it_is_and_for_what(robot, alice, acme, work, claude, signed_in, settings):
    token = AccessToken.objects.get()
    assert introspect(robot, signed_in["access_token"]).json() == {
        "active": True,
        "scope": "mcp",
        "client_id": claude.client_id,
        "username": "alice@example.com",
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "sub": str(alice.pk),
        "aud": f"{settings.NEXUS_BASE_URL}/hub/mcp",
        "iss": settings.NEXUS_BASE_URL,
        "nexus_account": str(acme.pk),
        "nexus_profile": "work",
    }


def test_a_delegated_token_says_who_acts_the_last_one_outside(robot, alice, work):
    issued = cast.make_token(alice, work)
    plain = introspect(robot, issued.key.text, token_type_hint="refresh_token").json()
    assert (plain["active"], plain["username"]) == (True, "alice@example.com")
    assert not {"act", "client_id"} & set(plain)
    chain = [{"client_id": "last", "name": "Last"}, {"client_id": "first", "name": "First"}]
    DelegatedToken.objects.update(actors=chain, exchanges=2)
    chained = introspect(robot, issued.key.text).json()
    assert chained["act"] == chain[0] | {"act": chain[1]}
    assert chained["client_id"] == "last"


def test_a_machines_own_token_is_active_to_it(acme, work):
    program = Program(make_machine(acme, work))
    claims = introspect(program, program.credentials().json()["access_token"]).json()
    assert (claims["active"], claims["client_id"]) == (True, program.application.client_id)


def test_what_the_hub_refuses_is_inactive_and_nothing_else(robot, alice, acme, work, signed_in):
    issued = cast.make_token(alice, work)
    secrets = (issued.key.text, signed_in["access_token"])
    for model, change in ((type(work), {"paused_at": timezone.now()}), (type(acme), {"paused_at": timezone.now()})):
        model.objects.update(**change)
        assert [introspect(robot, secret).content for secret in secrets] == [INACTIVE] * 2
        model.objects.update(paused_at=None)
        assert all(introspect(robot, secret).json()["active"] for secret in secrets)
    issued.token.revoke(by=cast.OPERATOR, reason="other", now=timezone.now())
    OAuthSession.objects.get().end(by=cast.OPERATOR, now=timezone.now())
    assert [introspect(robot, secret).content for secret in secrets] == [INACTIVE] * 2


def test_an_expired_token_is_inactive_from_its_second_on(robot, signed_in, time_machine):
    time_machine.move_to(AccessToken.objects.get().expires, tick=False)
    assert introspect(robot, signed_in["access_token"]).content == INACTIVE


def test_tokens_of_other_accounts_and_what_is_no_token_read_the_same(alice, charlie, work, signed_in):
    stranger = Program(make_confidential(cast.make_account("Other", owner=charlie)))
    foreign = [signed_in["access_token"], signed_in["refresh_token"], cast.make_token(alice, work).key.text]
    absent = [keys.make(kind).text for kind in keys.Kind] + ["x", "ü" * 9000]
    answers = [introspect(stranger, token) for token in foreign + absent]
    assert {answer.content for answer in answers} == {INACTIVE}
    assert {answer.status_code for answer in answers} == {200}


def test_a_registered_client_of_no_account_learns_nothing_of_access_tokens(alice, work):
    registered = Program(make_confidential())
    secret = registered.redeem(make_code(alice, work, registered.application)).json()["access_token"]
    assert introspect(registered, secret).content == INACTIVE


def test_a_refresh_token_is_known_to_its_own_client_alone(robot, alice, work, acme, time_machine):
    own = Program(make_confidential(acme, "Own"))
    token = own.redeem(make_code(alice, work, own.application)).json()["refresh_token"]
    claims = introspect(own, token).json()
    assert (claims["active"], claims["client_id"], claims["scope"]) == (True, own.application.client_id, "mcp")
    assert introspect(robot, token).content == INACTIVE
    newer = own.refresh(token).json()["refresh_token"]
    assert introspect(own, token).content == INACTIVE
    assert introspect(own, newer).json()["active"]
    assert OAuthSession.objects.get().ended_at is None  # looking is no use
    time_machine.move_to(timezone.now() + timedelta(days=14), tick=False)
    assert introspect(own, newer).content == INACTIVE


def test_a_revoked_connection_makes_its_refresh_token_inactive(alice, work, acme):
    own = Program(make_confidential(acme, "Own"))
    token = own.redeem(make_code(alice, work, own.application)).json()["refresh_token"]
    Connection.objects.get().revoke(by=cast.OPERATOR, now=timezone.now())
    assert introspect(own, token).content == INACTIVE


def test_clients_without_a_secret_may_not_introspect(acme, program, signed_in):
    for one in (program, Program(cast.make_application(acme)), Program(None)):
        answer = one.post("/oauth/introspect", token=signed_in["access_token"])
        assert error_of(answer) == (401, "invalid_client")


def test_a_missing_token_is_said(robot):
    assert error_of(robot.post("/oauth/introspect")) == (400, "invalid_request")


def test_looking_costs_three_queries_for_a_real_token_and_two_for_a_guess(robot, signed_in, django_assert_num_queries):
    header, nobody = basic(robot.application.client_id), Program(None)
    with django_assert_num_queries(3):
        nobody.post("/oauth/introspect", headers=header, token=signed_in["access_token"])
    with django_assert_num_queries(2):
        nobody.post("/oauth/introspect", headers=header, token=keys.make(keys.Kind.ACCESS).text)
