"""The token endpoint, and the authorization code grant."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.oauth.flow import SECRET, Program, basic, error_of, make_code, make_confidential
from tokens import keys
from tokens.lookup import token_with
from tokens.models import AccessToken, Connection, Grant, OAuthSession, RefreshToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def actions() -> list[str]:
    return list(Event.objects.order_by("at").values_list("action", flat=True))


def test_a_code_gives_an_access_and_a_refresh_token_of_a_new_session(alice, work, claude, program):
    answer = program.redeem(make_code(alice, work, claude), headers={"User-Agent": "claude-code/2"})
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    content = answer.json()
    connection, session = Connection.objects.get(), OAuthSession.objects.get()
    assert content["access_token"].startswith(f"nxso_{connection.public_id}_")
    assert content["refresh_token"].startswith(f"nxsr_{connection.public_id}_")
    assert keys.kind_of(content["access_token"]) is keys.Kind.ACCESS
    assert keys.kind_of(content["refresh_token"]) is keys.Kind.REFRESH
    assert (content["token_type"], content["expires_in"], content["scope"]) == ("Bearer", 3600, "mcp")
    assert set(content) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert (session.agent, session.address) == ("claude-code/2", "127.0.0.1")
    assert Grant.objects.get().session == session
    began = Event.objects.get(action="session.began")
    assert (began.actor_kind, began.actor_label, began.agent) == ("app", "Claude Code", "claude-code/2")
    claude.refresh_from_db()
    assert claude.last_used_at


def test_the_alias_at_the_root_is_the_same_endpoint(alice, work, claude, program):
    form = {"grant_type": "authorization_code", "code": make_code(alice, work, claude), "code_verifier": "v" * 43}
    assert program.post("/token", **form).status_code == 200


def test_the_hub_takes_the_access_token_for_its_toolkit(alice, work, signed_in):
    _, known = token_with(keys.digest(signed_in["access_token"]), keys.Kind.ACCESS)
    assert (known.toolkit_alias, known.owner_email) == ("work", "alice@example.com")
    assert known.refusal(timezone.now().timestamp()) is None


def test_no_table_holds_a_secret(signed_in):
    rows = [*AccessToken.objects.values(), *RefreshToken.objects.values(), *Grant.objects.values()]
    assert signed_in["access_token"] not in str(rows)
    assert signed_in["refresh_token"] not in str(rows)


def test_no_token_outlives_its_session(alice, work, claude, program):
    answer = program.redeem(make_code(alice, work, claude, session_life=timedelta(minutes=20))).json()
    assert 1190 < answer["expires_in"] <= 1200
    session = OAuthSession.objects.get()
    assert RefreshToken.objects.get().expires_at == AccessToken.objects.get().expires == session.ends_at


def test_a_code_that_comes_twice_ends_the_session_and_what_came_of_it(alice, work, claude, program):
    code = make_code(alice, work, claude)
    first = program.redeem(code).json()
    again = program.redeem(code, headers={"User-Agent": "thief/1"})
    assert error_of(again) == (400, "invalid_grant")
    assert OAuthSession.objects.get().ended_at
    _, known = token_with(keys.digest(first["access_token"]), keys.Kind.ACCESS)
    assert known.refusal(timezone.now().timestamp()).value == "revoked"
    assert error_of(program.refresh(first["refresh_token"])) == (400, "invalid_grant")
    event = Event.objects.get(action="session.code_reused")
    assert (event.agent, event.address) == ("thief/1", "127.0.0.1")
    program.redeem(code)
    assert actions().count("session.code_reused") == 1


WRONG = {
    "a wrong verifier": {"code_verifier": "w" * 43},
    "no verifier": {"code_verifier": None},
    "an empty verifier": {"code_verifier": ""},
    "a short verifier": {"code_verifier": "v" * 42},
    "another redirect": {"redirect_uri": "http://127.0.0.1:4712/callback"},
    "a longer redirect": {"redirect_uri": "http://127.0.0.1:4711/callback/"},
}


@pytest.mark.parametrize("form", WRONG.values(), ids=WRONG.keys())
def test_one_wrong_attempt_spends_the_code(alice, work, claude, program, form):
    code = make_code(alice, work, claude)
    assert error_of(program.redeem(code, **form)) == (400, "invalid_grant")
    assert error_of(program.redeem(code)) == (400, "invalid_grant")
    assert not OAuthSession.objects.exists()


def test_plain_pkce_is_refused_even_where_a_row_has_it(alice, work, claude, program):
    code = make_code(alice, work, claude, code_challenge="v" * 43, code_challenge_method="plain")
    assert error_of(program.redeem(code)) == (400, "invalid_grant")
    bare = make_code(alice, work, claude, code_challenge="", code_challenge_method="")
    assert error_of(program.redeem(bare, code_verifier="")) == (400, "invalid_grant")


def test_a_code_is_good_for_a_minute(alice, work, claude, program, time_machine):
    now = timezone.now()
    code = make_code(alice, work, claude, now=now)
    time_machine.move_to(now + timedelta(minutes=1), tick=False)
    assert error_of(program.redeem(code)) == (400, "invalid_grant")


def test_another_client_gets_nothing_for_a_code_and_ends_nothing_with_it(alice, work, claude, program):
    code, other = make_code(alice, work, claude), Program(cast.make_application(name="Other"))
    assert error_of(other.redeem(code)) == (400, "invalid_grant")
    assert other.redeem(code).content == other.redeem("never-was").content
    assert program.redeem(code).status_code == 200
    assert error_of(other.redeem(code)) == (400, "invalid_grant")
    assert OAuthSession.objects.get().ended_at is None


def test_a_code_is_worth_nothing_once_the_consent_or_the_access_has_ended(alice, bob, acme, work, claude, program):
    disconnected, left = make_code(alice, work, claude), make_code(bob, work, claude)
    Connection.objects.get(owner=alice).revoke(by=cast.OPERATOR, now=timezone.now())
    acme.members.get(user=bob).remove(by=cast.OPERATOR, now=timezone.now())
    for code in (disconnected, left):
        assert error_of(program.redeem(code)) == (400, "invalid_grant")
    assert not OAuthSession.objects.exists()


def test_the_resource_may_be_repeated_in_any_of_its_forms(alice, acme, work, claude, program, settings):
    base = settings.NEXUS_BASE_URL
    for resource in (
        f"{base}/hub/mcp", f"{base}/mcp", f"{base}/hub/mcp?profile=work", f"{base}/hub/mcp?profile={work.pk}",
        f"{base}/hub/mcp?accountId={acme.pk}&profile=work", [f"{base}/hub/mcp", f"{base}/mcp?profile=work"],
    ):  # fmt: skip
        answer = program.redeem(make_code(alice, work, claude), resource=resource)
        assert answer.status_code == 200, (resource, answer.content)
    assert {tuple(token.resource) for token in AccessToken.objects.all()} == {(f"{base}/hub/mcp",)}


def test_another_resource_is_an_invalid_target(alice, acme, work, claude, program, settings):
    base = settings.NEXUS_BASE_URL
    cast.make_toolkit(acme, "sales")
    for resource in (
        "https://elsewhere.example.com/mcp", f"{base}/", f"{base}/hub/mcp?profile=sales", "x", f"{base}/hub/mcp#x",
        f"{base}/hub/mcp?accountId={work.pk}", f"{base}/hub/mcp?accountId=acme",
        [f"{base}/hub/mcp", "https://elsewhere.example.com/mcp"],
        [f"{base}/hub/mcp?profile=work", f"{base}/hub/mcp?profile=sales"], "http://[", f"{base}/hub/mcp?{'a=1&' * 101}",
    ):  # fmt: skip
        answer = program.redeem(make_code(alice, work, claude), resource=resource)
        assert error_of(answer) == (400, "invalid_target"), resource
    assert not OAuthSession.objects.exists()


REFUSED_GRANTS = {
    "password": "unsupported_grant_type",
    "implicit": "unsupported_grant_type",
    "token": "unsupported_grant_type",
    "urn:ietf:params:oauth:grant-type:device_code": "unsupported_grant_type",
    "client_credentials": "unauthorized_client",
    "": "invalid_request",
    None: "invalid_request",
}


@pytest.mark.parametrize(("grant_type", "code"), REFUSED_GRANTS.items(), ids=map(str, REFUSED_GRANTS))
def test_grants_that_are_not_for_this_client_are_refused(program, grant_type, code):
    assert error_of(program.post("/oauth/token", grant_type=grant_type, username="a", password="b")) == (400, code)


@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
def test_a_missing_code_or_refresh_token_is_said(program, grant_type):
    for form in ({}, {"code": "", "refresh_token": ""}):
        assert error_of(program.post("/oauth/token", grant_type=grant_type, **form)) == (400, "invalid_request")


def test_words_of_the_library_in_the_form_mean_nothing(alice, work, claude, program):
    forged = {"client": "1", "user": "1", "scopes": "admin", "connection": "1", "expires_in": "999999"}
    answer = program.redeem(make_code(alice, work, claude), **forged).json()
    assert (answer["scope"], answer["expires_in"]) == ("mcp", 3600)
    assert AccessToken.objects.get().user == alice


def test_what_is_no_form_is_refused_in_the_form_of_the_rfc(program):
    client = Client()
    refused = {
        405: client.get("/oauth/token"),
        415: client.post("/oauth/token", {"grant_type": "x"}, content_type="application/json"),
        413: program.post("/oauth/token", filler="x" * 70_000),
        400: program.post("/oauth/token?grant_type=refresh_token"),
    }
    for status, answer in refused.items():
        assert error_of(answer) == (status, "invalid_request")
    assert error_of(program.redeem(["a", "b"])) == (400, "invalid_request")
    assert error_of(program.redeem("\0")) == (400, "invalid_request")


def test_a_confidential_client_signs_in_by_header_or_form(alice, work):
    application = make_confidential()
    by_form = Program(application).redeem(make_code(alice, work, application))
    by_header = Program(None).redeem(make_code(alice, work, application), headers=basic(application.client_id))
    assert (by_form.status_code, by_header.status_code) == (200, 200)
    assert SECRET not in str(Event.objects.values())


def test_redeeming_a_code_costs_few_queries(alice, work, claude, program, django_assert_max_num_queries):
    code = make_code(alice, work, claude)
    with django_assert_max_num_queries(24):
        program.redeem(code)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_of_two_redemptions_at_once_one_succeeds_and_nothing_of_it_lives(alice, work, claude):
    code, answers, start = make_code(alice, work, claude), [], threading.Barrier(4)

    def redeem() -> None:
        program = Program(claude)
        start.wait()
        answers.append(program.redeem(code).status_code)
        connections.close_all()

    threads = [threading.Thread(target=redeem) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 400, 400, 400]
    assert OAuthSession.objects.get().ended_at
    assert actions().count("session.code_reused") == 1
