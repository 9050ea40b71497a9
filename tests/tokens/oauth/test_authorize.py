from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.tokens.conftest import browser_of
from tests.tokens.oauth.authorizing import (
    CHALLENGE,
    HUB,
    LOOPBACK,
    address_of,
    allow,
    answer_in,
    request_of,
    resource_of,
)  # fmt: skip
from tokens.models import Application, Connection, Grant, Policy
from tokens.models.connections import CODE_LIFE

pytestmark = pytest.mark.django_db(databases="__all__")
WEB = "https://client.example/callback"


def text(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def native(db):
    """A client that registered itself, with a loopback address."""
    return cast.make_application()


@pytest.fixture
def site(db):
    """A client that registered itself, with an address of its own."""
    return cast.make_application(name="Chat", redirect_uris=WEB)


def test_whoever_is_not_signed_in_signs_in_and_comes_back_with_all_of_it(client, native, work):
    address = address_of(native, resource=resource_of(work))
    for _ in range(2):  # clients look before they open a browser
        answer = client.get(address)
        assert answer.status_code == 303
        assert urlsplit(answer["Location"]).path == "/accounts/login/"
        assert parse_qs(urlsplit(answer["Location"]).query)["next"] == [address]
        assert answer["Cache-Control"] == "no-store"
    assert not Connection.objects.exists()


def test_the_way_through_sign_in_leads_back(client, native, alice, work):
    address = address_of(native, resource=resource_of(work))
    sign_in = client.get(address)["Location"]
    page = text(client.get(sign_in))
    assert "/oauth/authorize?" in page
    assert "/accounts/signup/?next=/oauth/authorize%3F" in page
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    answer = client.post("/accounts/login/", {"login": alice.email, "password": cast.PASSWORD, "next": address})
    assert answer["Location"] == address
    answer = allow(client, address, work)  # who has just signed in need not confirm
    assert "code" in answer_in(answer)


@pytest.mark.parametrize("path", ["/oauth/authorize", "/authorize"])
def test_the_page_says_who_asks_where_it_goes_and_for_whom(as_alice, native, work, path):
    address = address_of(native, path, resource=resource_of(work))
    first, second = as_alice.get(address), as_alice.get(address)
    assert first.status_code == second.status_code == 200
    page = text(first)
    for said in ("Claude Code", "Nobody has checked the name", "127.0.0.1:43210", "alice@example.com", "Acme", "Work",
                 "echo__echo", "1 tool of 1 server", "Change the URL in your client", "Any program on this computer"):  # fmt: skip
        assert said in page, said
    assert "echo__add" not in page
    assert not Grant.objects.exists()
    assert not Connection.objects.exists()


def test_a_code_is_bound_to_the_consent_the_client_and_its_challenge(as_alice, alice, native, work):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        answer = answer_in(allow(browser_of(alice), address_of(native, resource=resource_of(work)), work, days="1"))
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("xyz/1+2", settings.NEXUS_BASE_URL)
    grant, connection = Grant.objects.get(code=answer["code"]), Connection.objects.get()
    assert (grant.application, grant.user, grant.connection) == (native, alice, connection)
    assert (connection.toolkit, connection.scope, connection.lasts) == (work, "mcp", timedelta(days=1))
    assert (grant.redirect_uri, grant.scope, grant.resource) == (LOOPBACK, "mcp", [HUB])
    assert (grant.code_challenge, grant.code_challenge_method) == (CHALLENGE, "S256")
    assert grant.expires == now + CODE_LIFE
    assert grant.session_ends_at == now + timedelta(days=1)
    event = Event.objects.get(action=Action.APPLICATION_CONNECTED)
    assert event.after == {"toolkit": "work", "scope": "mcp", "client_id": native.client_id}


def test_the_code_lies_in_no_column_and_no_event(as_alice, native, work):
    code = answer_in(allow(as_alice, address_of(native), work))["code"]
    assert code not in str(list(Grant.objects.values())) + str(list(Event.objects.values()))


def test_cancel_tells_the_client_and_connects_nothing(as_alice, native, work):
    answer = answer_in(as_alice.post(address_of(native), {"decision": "cancel"}))
    assert answer["error"] == "access_denied"
    assert (answer["state"], answer["iss"]) == ("xyz/1+2", settings.NEXUS_BASE_URL)
    assert not Connection.objects.exists()


@pytest.mark.parametrize("decision", [{}, {"decision": "yes"}, {"decision": ""}])
def test_nothing_but_allow_allows(as_alice, native, work, decision):
    sent = {"toolkit": str(work.pk), "days": "7"} | decision
    assert as_alice.post(address_of(native), sent).status_code == 422
    assert not Grant.objects.exists()


@pytest.mark.parametrize("fields", [{"days": "31"}, {"days": ""}, {"days": "-1"}, {"toolkit": ""}, {"toolkit": "x"}])
def test_what_cannot_be_chosen_is_asked_again(as_alice, native, work, fields):
    sent = {"decision": "allow", "toolkit": str(work.pk), "days": "7"} | fields
    assert as_alice.post(address_of(native), sent).status_code == 422
    assert not Connection.objects.exists()


FATAL = {
    "no client": {"client_id": None},
    "unknown client": {"client_id": "nobody"},
    "unknown document": {"client_id": "https://unknown.example/client.json"},
    "two clients": {"client_id": ["a", "b"]},
    "two redirects": {"redirect_uri": [LOOPBACK, LOOPBACK]},
    "another redirect": {"redirect_uri": "https://evil.example/"},
}


@pytest.mark.parametrize("changes", FATAL.values(), ids=FATAL)
def test_without_a_sure_address_nobody_is_sent_anywhere(as_alice, native, work, changes):
    answer = as_alice.get(address_of(native, **changes))
    assert answer.status_code == 400
    assert "This request cannot be answered" in text(answer)
    assert "Location" not in answer


def test_an_unknown_client_is_told_so_before_anybody_signs_in(client, native):
    assert client.get(address_of(native, client_id="nobody")).status_code == 400
    assert client.get(address_of(native, client_id="https://new.example/client.json")).status_code == 303


def test_a_disabled_application_gets_no_further(as_alice, client, native, work):
    Application.objects.update(disabled_at=timezone.now())
    for browser in (as_alice, client):
        assert browser.get(address_of(native)).status_code == 400


WRONG = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "no PKCE": ({"code_challenge": None}, "invalid_request"),
    "empty challenge": ({"code_challenge": ""}, "invalid_request"),
    "short challenge": ({"code_challenge": "abc"}, "invalid_request"),
    "plain by default": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "unknown scope": ({"scope": "mcp admin"}, "invalid_scope"),
    "another server": ({"resource": "https://other.example/mcp"}, "invalid_target"),
    "no address": ({"resource": "http://["}, "invalid_target"),
    "an address that changes": ({"resource": HUB.replace("/hub", "\u2100/hub")}, "invalid_target"),
    "a query without end": ({"resource": f"{HUB}?{'&'.join(['a=1'] * 101)}"}, "invalid_target"),
    "two toolkits": ({"resource": [f"{HUB}?profile=a", f"{HUB}?profile=b"]}, "invalid_target"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "form_post": ({"response_mode": "form_post"}, "invalid_request"),
    "request object": ({"request": "eyJ"}, "request_not_supported"),
    "request by address": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "two scopes": ({"scope": ["mcp", "mcp"]}, "invalid_request"),
    "two challenges": ({"code_challenge": [CHALLENGE, CHALLENGE]}, "invalid_request"),
    "unknown prompt": ({"prompt": "dance"}, "invalid_request"),
    "none and more": ({"prompt": "none login"}, "invalid_request"),
    "silent, not agreed": ({"prompt": "none"}, "consent_required"),
}


@pytest.mark.parametrize(("changes", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_to_the_client_with_state_and_issuer(as_alice, native, work, changes, code):
    answer = as_alice.get(address_of(native, **changes))
    said = answer_in(answer)
    assert said["error"] == code
    assert said["error_description"].isascii()
    assert (said["state"], said["iss"]) == ("xyz/1+2", settings.NEXUS_BASE_URL)
    assert answer["Location"].startswith(LOOPBACK + "?")
    assert not Grant.objects.exists()


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"silent, not agreed"}))
def test_what_is_wrong_is_refused_to_a_form_too(as_alice, native, work, name):
    changes, code = WRONG[name]
    assert answer_in(allow(as_alice, address_of(native, **changes), work))["error"] == code


def test_a_doubled_state_is_refused_and_not_sent_back(as_alice, native, work):
    said = answer_in(as_alice.get(address_of(native, state=["a", "b"])))
    assert said["error"] == "invalid_request"
    assert "state" not in said


def test_an_application_of_another_grant_may_not_sign_people_in(as_alice, acme, work):
    robot = cast.make_application(acme, "Robot", authorization_grant_type="client-credentials")
    assert answer_in(as_alice.get(address_of(robot)))["error"] == "unauthorized_client"


@pytest.mark.parametrize("scope", [None, "", "mcp", "mcp offline_access", "openid profile email", "offline_access"])
def test_scopes_that_clients_ask_from_habit_are_left_out(as_alice, native, work, scope):
    answer_in(allow(as_alice, address_of(native, scope=scope), work))
    assert Grant.objects.get().scope == "mcp"


def test_a_client_without_state_gets_none(as_alice, native, work):
    assert answer_in(allow(as_alice, address_of(native, state=None), work)).keys() == {"code", "iss"}


def test_the_only_registered_address_need_not_be_sent(as_alice, site, native, work):
    answer = allow(as_alice, address_of(site, redirect_uri=None), work)
    assert answer["Location"].startswith(f"{WEB}?code=")
    two = cast.make_application(name="Two", redirect_uris=f"{WEB} {WEB}/2")
    assert as_alice.get(address_of(two, redirect_uri=None)).status_code == 400


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/callback", "http://127.0.0.1/callback"])
def test_a_loopback_address_may_have_any_port(as_alice, native, work, uri):
    assert allow(as_alice, address_of(native, redirect_uri=uri), work)["Location"].startswith(f"{uri}?code=")


def test_an_application_with_a_scheme_of_its_own_is_named_by_it(as_alice, work):
    uri = "cursor://anysphere.cursor-mcp/oauth/callback"
    cursor = cast.make_application(
        name="Cursor", redirect_uris=f"{uri} https://www.cursor.com/cb http://localhost:8787/cb"
    )
    address = address_of(cursor, redirect_uri=uri)
    page = as_alice.get(address)
    assert "cursor:" in text(page)
    assert "form-action 'self' cursor:;" in page["Content-Security-Policy"] + ";"
    assert allow(as_alice, address, work)["Location"].startswith(f"{uri}?code=")


SOURCES = {
    LOOPBACK: "http://127.0.0.1:43210",
    "http://[::1]:4000/cb": "http://*:4000",
    "http://localhost:4000/cb": "http://localhost:4000",
    "https://client.example:8443/cb?x=1": "https://client.example:8443",
}


@pytest.mark.parametrize(("uri", "source"), SOURCES.items(), ids=SOURCES)
def test_the_form_may_lead_to_that_client_and_nowhere_else(as_alice, work, uri, source):
    application = cast.make_application(redirect_uris=uri)
    policy = as_alice.get(address_of(application, redirect_uri=uri))["Content-Security-Policy"]
    assert [part.strip() for part in policy.split(";") if "form-action" in part] == [f"form-action 'self' {source}"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self';" in as_alice.get("/")["Content-Security-Policy"] + ";"


def test_names_are_shown_as_they_are_and_never_run(as_alice, work):
    application = cast.make_application(name="<script>x</script>\u202eedoC")
    page = text(as_alice.get(address_of(application)))
    assert "<script>x" not in page
    assert "\\u{202e}" in page


def test_an_application_of_an_account_is_said_to_be_one(as_alice, acme, work):
    assert "Registered in Nexus by Acme" in text(as_alice.get(address_of(cast.make_application(acme, "Robot"))))


def test_a_document_is_named_by_its_host(as_alice, work):
    application = cast.make_application(client_id="https://claude.ai/oauth/claude-code-client-metadata")
    Application.objects.update(registration_source="cimd")
    assert 'in a document at <strong class="mono">claude.ai</strong>' in text(as_alice.get(address_of(application)))


def test_the_warning_of_loopback_is_for_those_that_have_nothing_else(as_alice, work):
    mixed = cast.make_application(redirect_uris=f"http://127.0.0.1/callback {WEB}")
    page = text(as_alice.get(address_of(mixed)))
    assert "a program on this computer" in page
    assert "can claim this name" not in page


def test_with_no_toolkit_named_there_is_a_choice_of_those_one_may_use(as_bob, bob, acme, work, native):
    sales = cast.make_toolkit(acme, "sales")
    cast.make_toolkit(cast.make_account("Other"), "secret-plans")
    page = text(as_bob.get(address_of(native)))
    for said in (f'value="{work.pk}"', f'value="{sales.pk}"', "Acme", "It allows no tool yet"):
        assert said in page
    assert "secret-plans" not in page
    answer_in(allow(as_bob, address_of(native), sales))
    assert Connection.objects.get().toolkit == sales


@pytest.mark.parametrize("resource", [f"{HUB}?profile=work", f"{HUB}?accountId={{account}}&profile={{id}}"])
def test_a_named_toolkit_is_fixed(as_alice, acme, work, native, resource):
    sales = cast.make_toolkit(acme, "sales")
    address = address_of(native, resource=resource.format(account=acme.pk, id=work.pk))
    assert 'type="radio"' not in text(as_alice.get(address))
    assert allow(as_alice, address, sales).status_code == 422
    assert not Connection.objects.exists()


def test_an_alias_in_two_accounts_leaves_the_choice_between_them(as_alice, alice, acme, work, native):
    own = cast.make_toolkit(alice.memberships.exclude(account=acme).get().account, "work")
    page = text(as_alice.get(address_of(native, resource=f"{HUB}?profile=work")))
    assert f'value="{own.pk}"' in page
    assert f'value="{work.pk}"' in page
    assert page.count('type="radio"') == 2


@pytest.mark.parametrize("query", ["?profile=work", "?accountId={account}&profile=work", "?accountId={account}", "?accountId=x",
                                   "?profile=nothing"])  # fmt: skip
def test_what_a_person_may_not_use_is_not_there_for_them(as_charlie, acme, work, native, query):
    address = address_of(native, resource=HUB + query.format(account=acme.pk))
    answer = as_charlie.get(address)
    assert answer.status_code == 404
    assert "No toolkit for you here" in text(answer)
    assert "Acme" not in text(answer)
    assert allow(as_charlie, address, work).status_code == 404
    assert answer_in(as_charlie.post(address, {"decision": "cancel"}))["error"] == "access_denied"
    assert not Connection.objects.exists()


def test_missing_sign_ins_are_said_before(as_alice, acme, work, native):
    work.servers.get().sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    page = text(as_alice.get(address_of(native)))
    assert "You are not connected to Echo" in page


def test_old_sign_ins_are_confirmed_first_and_the_choice_is_kept(stale_alice, native, acme, work):
    sales = cast.make_toolkit(acme, "sales")
    address = address_of(native)
    asked = allow(stale_alice, address, sales, days="1")
    assert urlsplit(asked["Location"]).path == "/accounts/confirm/"
    assert not Connection.objects.exists()
    back = stale_alice.post("/accounts/confirm/", {"password": cast.PASSWORD, "next": address})
    assert back["Location"] == address
    page = text(stale_alice.get(address))
    assert "Thank you for confirming" in page
    assert f'value="{sales.pk}" required checked' in page
    assert '<option value="1" selected>' in page
    assert "Thank you for confirming" not in text(stale_alice.get(address))
    answer_in(allow(stale_alice, address, sales))


def test_cancel_needs_no_confirmation(stale_alice, native, work):
    assert answer_in(stale_alice.post(address_of(native), {"decision": "cancel"}))["error"] == "access_denied"


def test_a_site_that_was_allowed_comes_through_at_once_for_that_toolkit(as_alice, acme, site, work):
    sales = cast.make_toolkit(acme, "sales")
    address = address_of(site, redirect_uri=WEB, resource=resource_of(work))
    answer_in(allow(as_alice, address, work, days="1"))
    assert "code" in answer_in(as_alice.get(address))
    assert Connection.objects.count() == 1
    latest = Grant.objects.latest("pk")
    assert latest.session_ends_at - latest.expires > timedelta(hours=23)
    assert as_alice.get(address_of(site, redirect_uri=WEB, resource=resource_of(sales))).status_code == 200
    assert as_alice.get(address_of(site, redirect_uri=WEB)).status_code == 200
    for prompt in ("consent", "select_account"):
        assert as_alice.get(f"{address}&prompt={prompt}").status_code == 200
    assert "code" in answer_in(as_alice.get(f"{address}&prompt=none"))


def test_what_was_revoked_is_asked_again(as_alice, site, work):
    address = address_of(site, redirect_uri=WEB, resource=resource_of(work))
    answer_in(allow(as_alice, address, work))
    Connection.objects.get().revoke(by=cast.OPERATOR, now=timezone.now())
    assert as_alice.get(address).status_code == 200


def test_a_toolkit_that_is_no_longer_ones_own_is_not_given_again(as_bob, bob, acme, site, work):
    address = address_of(site, redirect_uri=WEB, resource=resource_of(work))
    answer_in(allow(as_bob, address, work))
    bob.memberships.get(account=acme).delete()
    assert as_bob.get(address).status_code == 404


def test_coming_through_at_once_needs_a_fresh_sign_in_too(as_alice, stale_alice, site, work):
    address = address_of(site, redirect_uri=WEB, resource=resource_of(work))
    answer_in(allow(as_alice, address, work))
    asked = stale_alice.get(address)
    assert urlsplit(asked["Location"]).path == "/accounts/confirm/"
    assert answer_in(stale_alice.get(f"{address}&prompt=none"))["error"] == "login_required"


def test_behind_a_form_of_ours_the_way_on_is_a_page(as_alice, site, work):
    address = address_of(site, redirect_uri=WEB, resource=resource_of(work))
    answer_in(allow(as_alice, address, work))
    answer = as_alice.get(address, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200
    assert f'content="0;url={WEB}?code=' in text(answer)


def test_a_program_on_the_computer_always_sees_the_page_again(as_alice, native, work):
    address = address_of(native, resource=resource_of(work))
    answer_in(allow(as_alice, address, work, days="1"))
    page = as_alice.get(address)
    assert page.status_code == 200
    assert "you agreed to this before" in text(page)
    assert '<option value="1" selected>' in text(page)
    assert answer_in(as_alice.get(f"{address}&prompt=none"))["error"] == "consent_required"


def test_nobody_signed_in_is_said_silently(client, native):
    assert answer_in(client.get(address_of(native, prompt="none")))["error"] == "login_required"


def test_prompt_login_wants_a_fresh_sign_in(as_alice, stale_alice, native, work):
    address = address_of(native, prompt="login")
    assert as_alice.get(address).status_code == 200
    assert urlsplit(stale_alice.get(address)["Location"]).path == "/accounts/confirm/"


def test_a_machine_user_is_nobody_who_could_agree(alice, acme, native, work):
    browser = browser_of(alice, acme)
    alice.is_machine = True
    alice.save(update_fields=["is_machine"])
    for answer in (browser.get(address_of(native)), allow(browser, address_of(native), work)):
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (303, "/accounts/login/")


@pytest.mark.parametrize("of", ["account", "toolkit"])
def test_the_policy_of_account_and_toolkit_bounds_the_session(as_alice, acme, native, work, of):
    assert "at the latest" not in as_alice.get(address_of(native)).text
    Policy.objects.create(account=acme, toolkit=work if of == "toolkit" else None, max_life_days=2)
    assert "after 2 days at the latest" in as_alice.get(address_of(native)).text
    allow(as_alice, address_of(native), work, days="30")
    grant = Grant.objects.get()
    assert timedelta(days=1, hours=23) < grant.session_ends_at - timezone.now() <= timedelta(days=2)
    assert Connection.objects.get().lasts == timedelta(days=2)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head"])
def test_other_methods_are_refused(as_alice, native, method):
    assert getattr(as_alice, method)(address_of(native)).status_code == 405


def test_the_form_needs_its_token(alice, native, work):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert allow(browser, address_of(native), work).status_code == 403


def test_an_end_user_chooses_among_what_is_assigned(acme, work, native):
    dora = cast.make_user("Dora")
    member = acme.members.create(user=dora, role="end_user")
    browser = browser_of(dora)
    assert browser.get(address_of(native, resource=resource_of(work))).status_code == 404
    work.assigned_members.add(member)
    assert browser.get(address_of(native, resource=resource_of(work))).status_code == 200


def test_the_page_costs_the_same_for_many_toolkits(as_alice, acme, work, native, django_assert_max_num_queries):
    for index in range(12):
        cast.make_toolkit(acme, f"toolkit-{index}", work.servers.get(), allowed=["echo", "add"])
    with django_assert_max_num_queries(10):
        assert as_alice.get(address_of(native)).status_code == 200


def test_a_request_has_what_a_client_sends(native):
    assert request_of(native, state=None).keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "code_challenge", "code_challenge_method", "resource",
    }  # fmt: skip


def test_whoever_is_somebody_else_signs_out_and_comes_back(as_alice, native, work):
    address = address_of(native)
    assert 'form="sign-out"' in text(as_alice.get(address))
    assert as_alice.post("/accounts/logout/", {"next": address})["Location"] == address
    assert urlsplit(as_alice.get(address)["Location"]).path == "/accounts/login/"
