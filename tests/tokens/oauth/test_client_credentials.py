"""Client credentials: an application acts as its machine, on one toolkit."""

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.oauth.flow import Program, error_of, make_confidential, make_machine
from tokens import keys
from tokens.lookup import token_with
from tokens.models import AccessToken, Connection, OAuthSession, RefreshToken
from tokens.oauth import failures

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def sales(acme):
    return cast.make_toolkit(acme, "sales")


def toolkit_of(answer) -> str:
    assert answer.status_code == 200, answer.content
    _, known = token_with(keys.digest(answer.json()["access_token"]), keys.Kind.ACCESS)
    assert known.refusal(timezone.now().timestamp()) is None
    return known.toolkit_alias


def test_the_only_toolkit_of_the_machine_needs_no_name(acme, work):
    application = make_machine(acme, work)
    answer = Program(application).credentials()
    assert toolkit_of(answer) == "work"
    content = answer.json()
    assert set(content) == {"access_token", "token_type", "expires_in", "scope"}
    assert (content["expires_in"], content["scope"]) == (3600, "mcp")
    token, session = AccessToken.objects.get(), OAuthSession.objects.get()
    assert (token.user, token.expires) == (application.machine, session.ends_at)
    assert not RefreshToken.objects.exists()
    assert Event.objects.get(action="session.began").actor_label == "Nightly job"


def test_tokens_that_follow_each_other_share_one_connection(acme, work):
    program = Program(make_machine(acme, work))
    for _ in range(3):
        program.credentials()
    assert (Connection.objects.count(), OAuthSession.objects.count()) == (1, 3)


def test_one_of_several_toolkits_must_be_named(acme, work, sales):
    program = Program(make_machine(acme, work, sales))
    assert error_of(program.credentials()) == (400, "invalid_target")
    assert "profile=" in program.credentials().json()["error_description"]


def test_the_toolkit_is_named_in_any_of_the_ways(acme, work, sales, settings):
    program, hub = Program(make_machine(acme, work, sales)), f"{settings.NEXUS_BASE_URL}/hub/mcp"
    account = str(acme.pk)
    for form in (
        {"resource": f"{hub}?profile=sales"}, {"resource": f"{hub}?accountId={account}&profile=sales"},
        {"nexus_profile": "sales"}, {"civic_profile": "sales", "civic_account": account}, {"nexus_profile": sales.pk},
        {"resource": hub, "nexus_profile": "sales", "nexus_account": account},
    ):  # fmt: skip
        assert toolkit_of(program.credentials(**form)) == "sales", form


def test_a_toolkit_that_is_not_the_machines_is_an_invalid_target(acme, work, sales, alice, settings):
    program, hub = Program(make_machine(acme, work)), f"{settings.NEXUS_BASE_URL}/hub/mcp"
    for form in (
        {"nexus_profile": "sales"}, {"nexus_profile": "never-was"}, {"resource": f"{hub}?profile=sales"},
        {"nexus_profile": "work", "civic_profile": "sales"}, {"resource": "https://elsewhere.example.com/"},
        {"nexus_account": "acme"}, {"nexus_account": str(work.pk)},
        {"resource": f"{hub}?profile=work", "nexus_profile": "sales"},
    ):  # fmt: skip
        assert error_of(program.credentials(**form)) == (400, "invalid_target"), form
    assert not Connection.objects.exists()
    absent, foreign = (program.credentials(nexus_profile=name).json() for name in ("absent", "sales"))
    assert foreign["error_description"].replace("sales", "absent") == absent["error_description"]


def test_a_machine_without_any_toolkit_is_told_so(acme):
    assert error_of(Program(make_machine(acme)).credentials()) == (400, "invalid_target")


def test_a_machine_that_was_disabled_or_an_application_without_one_gets_nothing(acme, work):
    application = make_machine(acme, work)
    application.machine.disable(by=cast.OPERATOR, now=timezone.now())
    without = make_confidential(acme, authorization_grant_type="client-credentials")
    for one in (application, without):
        assert error_of(Program(one).credentials()) == (400, "unauthorized_client")


def test_disabling_the_machine_ends_its_tokens(acme, work):
    application = make_machine(acme, work)
    secret = Program(application).credentials().json()["access_token"]
    application.machine.disable(by=cast.OPERATOR, now=timezone.now())
    _, known = token_with(keys.digest(secret), keys.Kind.ACCESS)
    assert known.refusal(timezone.now().timestamp())


def test_a_public_client_gets_no_token_alone(acme, work):
    public = cast.make_application(acme, authorization_grant_type="client-credentials")
    assert error_of(Program(public).credentials()) == (400, "unauthorized_client")


def test_a_scope_of_people_is_refused(acme, work):
    assert error_of(Program(make_machine(acme, work)).credentials(scope="mcp tokens:issue")) == (400, "invalid_scope")


def test_a_machine_does_not_use_other_grants(acme, work):
    program = Program(make_machine(acme, work))
    assert error_of(program.redeem("x")) == (400, "unauthorized_client")
    assert error_of(program.refresh("x")) == (400, "invalid_grant")


def test_a_token_costs_few_queries(acme, work, django_assert_max_num_queries):
    program = Program(make_machine(acme, work))
    program.credentials()
    with django_assert_max_num_queries(17):  # savepoints included
        program.credentials()


def test_an_application_that_asks_at_each_call_is_told_to_keep_its_token(acme, work, monkeypatch):
    monkeypatch.setattr(failures, "OF_APPLICATION", failures.Limit(most=3, every=60))
    busy, other = Program(make_machine(acme, work)), Program(make_machine(acme, work, name="Other"))
    assert [busy.credentials().status_code for _ in range(3)] == [200, 200, 200]
    answer = busy.credentials()
    assert error_of(answer) == (429, "invalid_request")
    assert int(answer["Retry-After"]) >= 1
    assert "Keep each for its hour" in answer.json()["error_description"]
    assert other.credentials().status_code == 200
