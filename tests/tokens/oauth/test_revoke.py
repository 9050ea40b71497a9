"""Revocation: a client ends what came of its own tokens, and learns nothing of others."""

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.oauth.flow import Program, error_of, make_code, make_confidential
from tokens import keys
from tokens.lookup import token_with
from tokens.models import Authority, DelegatedToken, OAuthSession

pytestmark = pytest.mark.django_db(databases="__all__")


def revoke(program, token, **form):
    return program.post("/oauth/revoke", token=token, **form)


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
def test_either_token_ends_the_session(program, signed_in, name, hint):
    epoch = Authority.objects.get().epoch
    answer = revoke(program, signed_in[name], token_type_hint=hint)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Cache-Control"] == "no-store"
    assert Authority.objects.get().epoch == epoch + 1
    _, known = token_with(keys.digest(signed_in["access_token"]), keys.Kind.ACCESS)
    assert known.refusal(timezone.now().timestamp()).value == "revoked"
    assert error_of(program.refresh(signed_in["refresh_token"])) == (400, "invalid_grant")
    event = Event.objects.get(action="session.ended")
    assert (event.actor_kind, event.reason) == ("app", "revoked by the application")
    assert revoke(program, signed_in[name]).status_code == 200


def test_another_session_of_the_consent_goes_on(alice, work, claude, program, signed_in):
    other = program.redeem(make_code(alice, work, claude)).json()
    revoke(program, signed_in["refresh_token"])
    assert program.refresh(other["refresh_token"]).status_code == 200


def test_a_token_of_another_client_an_unknown_and_a_malformed_one_are_answered_alike(signed_in, alice, work):
    other = Program(cast.make_application(name="Other"))
    delegated = cast.make_token(alice, work)
    tokens = [*(signed_in[name] for name in ("access_token", "refresh_token")), delegated.key.text, "x", "ü" * 9000]
    tokens += [keys.make(kind).text for kind in keys.Kind]
    for token in tokens:
        answer = revoke(other, token)
        assert (answer.status_code, answer.content) == (200, b""), token
    assert OAuthSession.objects.get().ended_at is None
    assert DelegatedToken.objects.get().revoked_at is None


def test_a_missing_token_is_said(program):
    for form in ({}, {"token": ""}):
        assert error_of(program.post("/oauth/revoke", **form)) == (400, "invalid_request")


def test_a_client_revokes_what_it_exchanged_and_what_was_narrowed_from_it(alice, acme, work):
    robot, other = make_confidential(acme, "Robot"), make_confidential(acme, "Other")
    parent, child = cast.make_token(alice, work, "a"), cast.make_token(alice, work, "b")
    actor = {"client_id": robot.client_id, "name": "Robot"}
    last = {"client_id": other.client_id, "name": "Other"}
    DelegatedToken.objects.filter(pk=parent.token.pk).update(actors=[actor], exchanges=1)
    DelegatedToken.objects.filter(pk=child.token.pk).update(actors=[last, actor], exchanges=2, parent=parent.token)
    assert revoke(Program(robot), child.key.text).status_code == 200  # the last one exchanged it
    assert DelegatedToken.objects.filter(revoked_at=None).count() == 2
    assert revoke(Program(robot), parent.key.text).status_code == 200
    assert dict(DelegatedToken.objects.values_list("name", "revoke_reason")) == {"a": "unneeded", "b": "parent"}


def test_a_client_that_does_not_say_who_it_is_revokes_nothing(signed_in):
    answer = Program(None).post("/oauth/revoke", token=signed_in["refresh_token"])
    assert error_of(answer) == (401, "invalid_client")
    assert OAuthSession.objects.get().ended_at is None
