"""Applications of an account: registered, looked at, changed, disabled and removed by who manages it."""

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher
from django.contrib.sessions.models import Session
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import User
from profiles.permissions import Role
from tests import cast
from tests.cast import OPERATOR
from tests.tokens.conftest import browser_of
from tokens import keys, lookup
from tokens.models import AccessToken, Application, Connection, DelegatedToken, OAuthSession

pytestmark = pytest.mark.django_db(databases="__all__")
SECRET = re.compile(r"\bnxsk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b")
NEW = "/applications/new/"


def text(answer):
    return html.unescape(answer.content.decode())


@pytest.fixture
def form():
    return {
        "name": "Support desk", "kind": "people", "signs_in": "on", "redirect_uris": "https://app.example.com/callback",
        "exchanges": "on", "client_type": "confidential", "role": "end_user", "request_key": str(uuid4()),
    }  # fmt: skip


@pytest.fixture
def machine_form(work):
    return {
        "name": "Night report", "kind": "machine", "role": "end_user", "toolkits": [str(work.pk)],
        "request_key": str(uuid4()),
    }  # fmt: skip


@pytest.fixture
def desk(acme, alice):
    return Application.objects.register(
        acme, user=alice, name="Support desk", redirect_uris=["https://app.example.com/callback"], may_exchange=True,
        request_key=uuid4(), by=OPERATOR, now=timezone.now(),
    ).application  # fmt: skip


@pytest.fixture
def report(acme, alice, work):
    return Application.objects.register_machine(
        acme, user=alice, name="Night report", role=Role.END_USER, toolkits=[work], request_key=uuid4(), by=OPERATOR,
        now=timezone.now(),
    ).application  # fmt: skip


def exchanged(owner, toolkit, application, name="exchanged"):
    token = cast.make_token(owner, toolkit, name).token
    DelegatedToken.objects.filter(pk=token.pk).update(
        exchanges=1, actors=[{"client_id": application.client_id, "name": application.name}]
    )
    return DelegatedToken.objects.get(pk=token.pk)


def refused(secret, kind=keys.Kind.ACCESS):
    return lookup.token_with(keys.digest(secret), kind)[1].refusal(timezone.now().timestamp())


def actions(account):
    return list(Event.objects.filter(account_id=account.pk).order_by("at").values_list("action", flat=True))


# Registering


def test_registering_shows_the_secret_once(as_alice, form, acme, alice):
    answer = as_alice.post(NEW, form)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    secret = SECRET.search(text(answer))[0]
    application = Application.objects.get()
    assert (application.account, application.user, application.name) == (acme, alice, "Support desk")
    assert application.kinds == ["Signs people in", "Exchanges tokens"]
    assert identify_hasher(application.client_secret).algorithm == "nexus_sha256"
    assert check_password(secret, application.client_secret)
    assert secret.endswith(application.secret_last_four)
    assert secret.split("_")[1] == application.client_id
    for path in ("/applications/", f"/applications/{application.client_id}/", NEW):
        assert secret[20:] not in text(as_alice.get(path))
    kept = [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [str(vars(event)) for event in Event.objects.all()]
    assert not any(secret[20:40] in each for each in kept)
    event = Event.objects.get(action=Action.APPLICATION_REGISTERED)
    assert event.actor_label == "alice@example.com"
    assert event.after["redirect_uris"] == ["https://app.example.com/callback"]


def test_a_public_application_gets_no_secret(as_alice, form):
    page = text(as_alice.post(NEW, {**form, "client_type": "public"}))
    assert not keys.ANYWHERE.search(page)
    assert "has no secret" in page
    assert "client_id=" in page
    assert "civic-mcp-client" not in page
    assert not Application.objects.get().is_confidential


def test_an_application_on_its_own_gets_a_machine_with_a_role(as_alice, machine_form, acme, work):
    cast.make_toolkit(acme, "sales")
    page = text(as_alice.post(NEW, machine_form))
    application = Application.objects.get()
    assert SECRET.search(page)
    assert "grant_type=client_credentials" in page
    assert application.kinds == ["On its own"]
    assert application.machine.is_machine
    assert acme.role_of(application.machine) is Role.END_USER
    usable = lookup.token_with(cast.make_token(application.machine, work).key.digest, keys.Kind.DELEGATED)[1]
    assert usable.may_use
    assert list(application.member.assigned_toolkits.all()) == [work]
    event = Event.objects.get(subject_kind="application")
    assert (event.action, event.after["role"], event.after["toolkits"]) == (
        Action.APPLICATION_REGISTERED, "end_user", ["work"],
    )  # fmt: skip


def test_of_the_other_kind_s_fields_nothing_is_read(as_alice, machine_form):
    answer = as_alice.post(NEW, {**machine_form, "redirect_uris": "javascript:alert(1)", "exchanges": "on"})
    assert answer.status_code == 200
    application = Application.objects.get()
    assert (application.redirect_uris, application.may_exchange) == ("", False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "a\u202eb"}, "plain characters"),
        ({"name": "x" * 81}, "at most 80"),
        ({"kind": ""}, "acts for people or on its own"),
        ({"kind": "robot"}, "not one of the available choices"),
        ({"signs_in": "", "exchanges": ""}, "Say what it does"),
        ({"redirect_uris": ""}, "at least one address"),
        ({"redirect_uris": "https://a.example/\njavascript:alert(1)"}, "Line 2: It is not an address"),
        ({"redirect_uris": "http://a.example/\nhttps://a.example/#x"}, "Line 2: It has a fragment"),
        ({"redirect_uris": "\n".join(f"https://a.example/{n}" for n in range(11))}, "at most 10"),
        ({"redirect_uris": "x" * 7000}, "at most 6000"),
        ({"client_type": "other"}, "not one of the available choices"),
        ({"request_key": "x"}, ""),
    ],
    ids=str,
)
def test_bad_input_is_told_and_registers_nothing(as_alice, form, given, says):
    answer = as_alice.post(NEW, {**form, **given})
    assert answer.status_code == 422
    assert says in text(answer)
    assert not Application.objects.exists()


@pytest.mark.parametrize("role", ["owner", "admin", "king"])
def test_a_machine_never_manages(as_alice, machine_form, role):
    assert as_alice.post(NEW, {**machine_form, "role": role}).status_code == 422
    assert not User.objects.filter(is_machine=True).exists()


def test_a_toolkit_of_another_account_is_not_assigned(as_alice, machine_form, charlie):
    foreign = cast.make_toolkit(charlie.personal_account, "theirs")
    assert as_alice.post(NEW, {**machine_form, "toolkits": [str(foreign.pk)]}).status_code == 422
    assert as_alice.post(NEW, {**machine_form, "toolkits": []}).status_code == 422
    assert not User.objects.filter(is_machine=True).exists()


@pytest.mark.parametrize("kind", ["people", "machine"])
def test_the_same_request_again_makes_no_second_one_and_shows_no_secret(as_alice, form, machine_form, kind):
    data = form if kind == "people" else machine_form
    as_alice.post(NEW, data)
    again = as_alice.post(NEW, data)
    assert again.status_code == 409
    assert not keys.ANYWHERE.search(text(again))
    assert Application.objects.count() == 1
    assert User.objects.filter(is_machine=True).count() == (kind == "machine")


def test_another_person_with_the_same_key_makes_one_of_their_own(as_alice, as_charlie, form):
    as_alice.post(NEW, form)
    as_charlie.post("/accounts/confirm/", {"password": cast.PASSWORD})
    assert as_charlie.post(NEW, form).status_code == 200
    assert Application.objects.count() == 2


def test_who_has_not_confirmed_is_asked_first_and_finds_the_form_filled_in(stale_alice, form):
    answer = stale_alice.post(NEW, form)
    assert answer.status_code == 303
    assert answer["Location"].startswith("/accounts/confirm/")
    assert not Application.objects.exists()
    stale_alice.post("/accounts/confirm/", {"password": cast.PASSWORD})
    page = text(stale_alice.get(NEW))
    assert 'value="Support desk"' in page
    assert "https://app.example.com/callback" in page
    assert not Application.objects.exists()


# Who may


PATHS = ["", "edit/", "secret/", "disable/", "enable/", "remove/"]


@pytest.mark.parametrize("path", PATHS)
def test_for_members_and_strangers_it_is_not_there(as_bob, as_charlie, desk, path):
    for browser in (as_bob, as_charlie):
        browser.post("/accounts/confirm/", {"password": cast.PASSWORD})
        for method in ("get", "post"):
            answer = getattr(browser, method)(
                f"/applications/{desk.client_id}/{path}", {"replaces": desk.secret_last_four}
            )
            assert answer.status_code in (404, 405), (method, path)
    desk.refresh_from_db()
    assert desk.disabled_at is None


def test_members_see_no_list_and_no_way_to_it(as_bob, as_alice, desk):
    assert as_bob.get("/applications/").status_code == 404
    assert as_bob.get(NEW).status_code == 404
    assert 'href="/applications/"' not in text(as_bob.get("/tokens/"))
    assert 'href="/applications/"' in text(as_alice.get("/tokens/"))


def test_an_admin_manages_those_that_an_owner_made(acme, desk):
    dora = cast.make_user("Dora")
    acme.add_member(dora, Role.ADMIN, by=OPERATOR, now=timezone.now())
    assert "Support desk" in text(browser_of(dora, acme).get("/applications/"))


def test_self_registered_ones_are_of_no_account(as_alice):
    other = cast.make_application(name="Editor")
    assert "Editor" not in text(as_alice.get("/applications/"))
    assert as_alice.get(f"/applications/{other.client_id}/").status_code == 404


# Looking


def test_the_list_tells_what_each_does_and_what_lives_of_it(as_alice, alice, work, desk, report):
    cast.make_access_token(alice, work, desk)
    exchanged(alice, work, desk)
    page = text(as_alice.get("/applications/"))
    for words in (desk.client_id, report.client_id, "Signs people in, Exchanges tokens", "On its own", "never"):
        assert words in page
    assert page.count('class="number">1<') == 2


def test_the_list_asks_as_often_for_many_as_for_one(as_alice, acme, alice, desk, django_assert_num_queries):
    as_alice.get("/applications/")
    for count in (0, 10):
        for number in range(count):
            Application.objects.register(
                acme, user=alice, name=f"app {number}", may_exchange=True, request_key=uuid4(), by=OPERATOR,
                now=timezone.now(),
            )  # fmt: skip
        with django_assert_num_queries(7):
            as_alice.get("/applications/")


def test_its_page_shows_facts_addresses_and_what_came_of_it(as_alice, alice, bob, work, desk):
    cast.make_access_token(bob, work, desk)
    token = exchanged(alice, work, desk)
    page = text(as_alice.get(f"/applications/{desk.client_id}/"))
    for words in ("bob@example.com", token.masked, desk.masked, "https://app.example.com/callback", "/oauth/authorize"):
        assert words in page
    assert "registered an application" in page
    assert desk.client_secret not in page


def test_of_people_elsewhere_only_the_number_is_told(as_alice, charlie, desk):
    theirs = cast.make_toolkit(charlie.personal_account, "private")
    cast.make_access_token(charlie, theirs, desk)
    page = text(as_alice.get(f"/applications/{desk.client_id}/"))
    assert "And 1 of people in other accounts" in page
    assert "charlie@example.com" not in page
    assert "Private" not in page


# Changing


def test_a_new_name_needs_no_confirmation_and_a_new_address_does(stale_alice, desk):
    path = f"/applications/{desk.client_id}/edit/"
    data = {"name": "Desk", "signs_in": "on", "redirect_uris": "https://app.example.com/callback", "exchanges": "on"}
    assert stale_alice.post(path, data).status_code == 302
    answer = stale_alice.post(path, {**data, "redirect_uris": "https://other.example/callback"})
    assert answer.status_code == 303
    desk.refresh_from_db()
    assert (desk.name, desk.redirect_uris) == ("Desk", "https://app.example.com/callback")
    event = Event.objects.get(action=Action.APPLICATION_CHANGED)
    assert (event.before, event.after) == ({"name": "Support desk"}, {"name": "Desk"})


def test_a_confirmed_person_adds_addresses(as_alice, desk):
    data = {
        "name": desk.name,
        "signs_in": "on",
        "redirect_uris": "https://a.example/\n\ncursor://x/y\nhttps://a.example/",
    }
    assert as_alice.post(f"/applications/{desk.client_id}/edit/", data).status_code == 302
    desk.refresh_from_db()
    assert desk.redirect_uris.split() == ["https://a.example/", "cursor://x/y"]
    assert not desk.may_exchange


def test_bad_edits_change_nothing(as_alice, desk):
    path = f"/applications/{desk.client_id}/edit/"
    for given in (
        {"signs_in": ""},
        {"signs_in": "on", "redirect_uris": "http://a.example/"},
        {"name": "", "exchanges": "on"},
    ):
        answer = as_alice.post(path, {"name": "x", **given})
        assert answer.status_code == 422
    assert not Event.objects.filter(action=Action.APPLICATION_CHANGED).exists()


def test_without_exchange_what_it_exchanged_ends(as_alice, alice, work, desk, report):
    token, other = exchanged(alice, work, desk), exchanged(alice, work, report, "other")
    data = {"name": desk.name, "signs_in": "on", "redirect_uris": desk.redirect_uris}
    as_alice.post(f"/applications/{desk.client_id}/edit/", data)
    token.refresh_from_db()
    other.refresh_from_db()
    assert (bool(token.revoked_at), bool(other.revoked_at)) == (True, False)


def test_without_signing_people_in_the_sessions_of_those_it_signed_in_end(as_alice, alice, work, desk, acme):
    _, secret = cast.make_access_token(alice, work, desk)
    _, elsewhere = cast.make_access_token(alice, work, cast.make_application(acme, "Other"))
    page = text(as_alice.get(f"/applications/{desk.client_id}/edit/"))
    assert "Unticked, whoever is signed in with it is signed out" in page
    as_alice.post(f"/applications/{desk.client_id}/edit/", {"name": desk.name, "exchanges": "on"})
    assert (refused(secret), refused(elsewhere)) == (lookup.Refusal.REVOKED, None)
    assert "application.disconnected" in actions(acme)


def test_a_machine_s_role_and_toolkits_are_changed_and_felt_at_once(as_alice, stale_alice, acme, work, report):
    sales = cast.make_toolkit(acme, "sales")
    path = f"/applications/{report.client_id}/edit/"
    data = {"name": "Night report", "role": "end_user", "toolkits": [str(sales.pk)]}
    assert stale_alice.post(path, data).status_code == 303
    assert stale_alice.post(path, {**data, "role": "member"}).status_code == 303
    epoch = lookup.epoch()
    assert as_alice.post(path, data).status_code == 302
    assert lookup.epoch() > epoch
    assert list(report.member.assigned_toolkits.all()) == [sales]
    assert as_alice.post(path, {"name": "Daily report", "role": "member"}).status_code == 302
    assert report.member.role == "member"
    report.machine.refresh_from_db()
    assert str(report.machine) == "Daily report (machine)"
    assert as_alice.post(path, {"name": "x", "role": "owner"}).status_code == 422


def test_a_machine_that_left_the_account_is_told_of(as_alice, report, work):
    report.member.remove(by=OPERATOR, now=timezone.now())
    path = f"/applications/{report.client_id}/"
    assert "no longer a member" in text(as_alice.get(path))
    answer = as_alice.post(f"{path}edit/", {"name": "x", "role": "end_user", "toolkits": [str(work.pk)]})
    assert answer.status_code == 422
    assert "no longer a member" in text(answer)


# Its secret


def test_replacing_the_secret_ends_the_old_one_and_shows_the_new_one_once(as_alice, desk):
    path = f"/applications/{desk.client_id}/secret/"
    before = desk.client_secret
    assert f'name="replaces" value="{desk.secret_last_four}"' in text(as_alice.get(path))
    answer = as_alice.post(path, {"replaces": desk.secret_last_four})
    assert answer["Cache-Control"] == "no-store"
    secret = SECRET.search(text(answer))[0]
    again = as_alice.post(path, {"replaces": desk.secret_last_four})
    assert again.status_code == 409
    assert not keys.ANYWHERE.search(text(again))
    desk.refresh_from_db()
    assert check_password(secret, desk.client_secret)
    assert desk.client_secret != before
    assert Event.objects.filter(action=Action.APPLICATION_SECRET_REPLACED).count() == 1


def test_replacing_the_secret_needs_a_confirmation(stale_alice, desk):
    answer = stale_alice.post(f"/applications/{desk.client_id}/secret/", {"replaces": desk.secret_last_four})
    assert answer.status_code == 303
    assert not Event.objects.filter(action=Action.APPLICATION_SECRET_REPLACED).exists()


def test_a_public_application_has_no_secret_to_replace(as_alice, acme, alice):
    public = Application.objects.register(
        acme, user=alice, name="Page", may_exchange=True, is_confidential=False, request_key=uuid4(), by=OPERATOR,
        now=timezone.now(),
    ).application  # fmt: skip
    answer = as_alice.post(f"/applications/{public.client_id}/secret/", {"replaces": ""})
    assert "it has no secret" in text(answer)
    assert public.replace_secret("", by=OPERATOR, now=timezone.now()) is None


# Its end


def test_disabling_refuses_it_and_its_tokens_until_it_is_enabled(as_alice, alice, work, desk):
    _, secret = cast.make_access_token(alice, work, desk)
    token = exchanged(alice, work, desk)
    path, epoch = f"/applications/{desk.client_id}/", lookup.epoch()
    assert "(1) end for good" in text(as_alice.get(f"{path}disable/"))
    assert refused(secret) is None
    as_alice.post(f"{path}disable/")
    assert refused(secret) is lookup.Refusal.REVOKED
    assert lookup.epoch() > epoch
    token.refresh_from_db()
    assert token.revoked_at
    desk.refresh_from_db()
    assert not desk.is_usable(None)
    as_alice.post(f"{path}disable/")
    as_alice.post(f"{path}enable/")
    assert refused(secret) is None
    desk.refresh_from_db()
    assert desk.is_usable(None)
    changes = Event.objects.filter(action=Action.APPLICATION_CHANGED).order_by("at").values_list("before", "after")
    assert list(changes) == [({"disabled": False}, {"disabled": True}), ({"disabled": True}, {"disabled": False})]


def test_enabling_needs_a_confirmation(stale_alice, desk):
    desk.disable(by=OPERATOR, now=timezone.now())
    assert stale_alice.post(f"/applications/{desk.client_id}/enable/").status_code == 303
    desk.refresh_from_db()
    assert desk.disabled_at


def test_removing_ends_all_that_came_of_it(as_alice, alice, bob, acme, work, desk):
    _, secret = cast.make_access_token(bob, work, desk)
    token = exchanged(alice, work, desk)
    session = OAuthSession.objects.get()
    mine = cast.make_token(bob, work, "of the session").token
    DelegatedToken.objects.filter(pk=mine.pk).update(session=session, exchanges=1)
    path = f"/applications/{desk.client_id}/"
    page = text(as_alice.get(f"{path}remove/"))
    assert "1 connection and 1 living session" in page
    assert "1 token that it exchanged" in page
    epoch = lookup.epoch()
    assert as_alice.post(f"{path}remove/").status_code == 302
    assert lookup.epoch() > epoch
    assert lookup.token_with(keys.digest(secret), keys.Kind.ACCESS)[1] is None
    for gone in (token, mine):
        gone.refresh_from_db()
        assert gone.revoked_at
    for model in (Application, Connection, AccessToken):
        assert not model.objects.exists()
    assert {Action.APPLICATION_REMOVED, Action.APPLICATION_DISCONNECTED, Action.TOKEN_REVOKED} <= set(actions(acme))
    assert as_alice.get(path).status_code == 404
    assert as_alice.post(f"{path}remove/").status_code == 404


def test_two_presses_at_once_remove_it_once(desk):
    same = Application.objects.get(pk=desk.pk)
    assert desk.remove(by=OPERATOR, now=timezone.now())
    assert not same.remove(by=OPERATOR, now=timezone.now())
    assert Event.objects.filter(action=Action.APPLICATION_REMOVED).count() == 1


def test_the_machine_of_a_removed_application_can_do_nothing_and_keeps_its_past(as_alice, acme, work, report):
    machine = report.machine
    token = cast.make_token(machine, work).token
    as_alice.post(f"/applications/{report.client_id}/remove/")
    machine.refresh_from_db()
    token.refresh_from_db()
    assert not machine.is_active
    assert acme.role_of(machine) is None
    assert token.revoked_at
    assert token.owner == machine


def test_nobody_is_mailed_for_each_token_that_ends_with_an_application(
    alice, work, desk, mailoutbox, django_capture_on_commit_callbacks
):
    exchanged(alice, work, desk)
    with django_capture_on_commit_callbacks(execute=True):
        desk.remove(by=OPERATOR, now=timezone.now() + timedelta(seconds=1))
    assert mailoutbox == []


@pytest.mark.parametrize("path", ["/applications/%00/", "/applications/x/y/", f"/applications/{'a' * 400}/"])
def test_an_id_that_is_nobody_s_is_refused(as_alice, path):
    assert as_alice.get(path).status_code in (400, 404)
