"""People, accounts, servers and toolkits in the Django admin."""

import pytest
from django.test import Client
from django.utils import timezone

from profiles.admin_forms import MemberFormSet
from profiles.events import Action, Event
from profiles.models import Account, Authorization, Grant, Member, Server, Toolkit, User
from tests import cast
from tokens.models import Authority, DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")
USERS, ACCOUNTS, SERVERS = "/admin/profiles/user/", "/admin/profiles/account/", "/admin/profiles/server/"


@pytest.fixture
def sam(db):
    return cast.make_user("Sam", is_staff=True)


@pytest.fixture
def staff(sam):
    """Sam's browser; they confirmed who they are just now."""
    browser = Client()
    browser.force_login(sam)
    browser.post("/accounts/confirm/", {"password": cast.PASSWORD})
    return browser


def person(user, **changes):
    form = {"name": user.name, "time_zone": user.time_zone, **changes}
    return {name: value for name, value in form.items() if value}


def members(account, *rows, **more):
    form = {"members-TOTAL_FORMS": str(len(rows)), "members-INITIAL_FORMS": str(account.members.count())}
    for number, row in enumerate(rows):
        form |= {f"members-{number}-{key}": str(value) for key, value in row.items()}
    return form | more


def of(member, **changes):
    return {"id": member.pk, "account": member.account_id, "role": member.role, **changes}


def test_new_authority_needs_a_confirmation(sam, alice):
    browser = Client()
    browser.force_login(sam)
    for path in (f"{USERS}add/", f"{SERVERS}add/", f"{USERS}{alice.pk}/change/"):
        assert browser.get(path).url.startswith("/accounts/confirm/")
        assert browser.post(path, {"is_staff": "on"}).url.startswith("/accounts/confirm/")
    assert not User.objects.get(pk=alice.pk).is_staff


def test_a_new_person_has_a_personal_account_and_no_password(staff):
    answer = staff.post(f"{USERS}add/", {"email": "Dora@Example.com", "name": "Dora", "time_zone": "UTC"}, follow=True)
    dora = User.objects.get(email="dora@example.com")
    assert not dora.has_usable_password()
    assert dora.personal_account.members.get().role == "owner"
    assert "manage.py sign_in_link dora@example.com" in answer.content.decode()
    assert Event.objects.filter(action=Action.USER_ADDED, subject_id=str(dora.pk)).exists()


def test_an_address_is_taken_once_whatever_its_case(staff, alice):
    answer = staff.post(f"{USERS}add/", {"email": "ALICE@example.com", "time_zone": "UTC"})
    assert "Somebody here has this address already" in answer.content.decode()


def test_no_page_shows_or_sets_a_password(staff, alice):
    page = staff.get(f"{USERS}{alice.pk}/change/").content.decode()
    assert alice.password not in page
    staff.post(f"{USERS}{alice.pk}/change/", person(alice, password="x", is_superuser="on", email="x@example.com"))
    after = User.objects.get(pk=alice.pk)
    assert (after.password, after.is_superuser, after.email) == (alice.password, False, alice.email)
    assert staff.get(f"{USERS}{alice.pk}/password/").status_code in (302, 404)


def act(browser, path, name, *rows, **given):
    return browser.post(path, {"action": name, "_selected_action": [str(row.pk) for row in rows], **given})


def test_disabling_a_person_says_first_what_it_hits(staff, alice, work):
    token = cast.make_token(alice, work, "n8n production").token
    DelegatedToken.objects.touch({token.pk: timezone.now()})
    cast.make_key(alice, work.account)
    page = act(staff, USERS, "disable", alice).content.decode()
    for said in ("alice@example.com", "Ends: 1 token.", "Used in the last hour: n8n production", "1 management key"):
        assert said in page
    assert User.objects.get(pk=alice.pk).is_active


def test_disabling_a_person_tells_the_hubs_and_is_an_event(staff, alice, work):
    cast.make_token(alice, work)
    before = Authority.objects.get().epoch
    act(staff, USERS, "disable", alice, confirmed="1")
    assert not User.objects.get(pk=alice.pk).is_active
    assert not DelegatedToken.objects.living(timezone.now()).exists()
    assert Authority.objects.get().epoch > before
    event = Event.objects.get(action=Action.USER_DISABLED)
    assert (event.actor_label, event.subject_label) == ("sam@example.com", "alice@example.com")
    act(staff, USERS, "enable", alice)
    assert User.objects.get(pk=alice.pk).is_active
    assert Event.objects.filter(action=Action.USER_ENABLED).count() == 1


def test_nobody_disables_themselves(staff, sam):
    act(staff, USERS, "disable", sam, confirmed="1")
    assert User.objects.get(pk=sam.pk).is_active


def test_an_account_is_paused_and_resumed_with_all_its_tokens(staff, acme):
    assert "Nothing is revoked" in act(staff, ACCOUNTS, "pause", acme).content.decode()
    act(staff, ACCOUNTS, "pause", acme, confirmed="1")
    assert Account.objects.get(pk=acme.pk).paused_at
    act(staff, ACCOUNTS, "resume", acme)
    assert Account.objects.get(pk=acme.pk).paused_at is None
    assert {event.actor_label for event in Event.objects.filter(action__startswith="account.")} == {"sam@example.com"}


def test_an_authorization_shows_no_secret_and_ends(staff, acme, alice, work):
    server = work.servers.get()
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    found = Authorization.objects.connect(
        server, acme, alice, Grant("s3cret-of-echo"), by=cast.OPERATOR, now=timezone.now()
    )
    path = "/admin/profiles/authorization/"
    for page in (staff.get(path), staff.get(f"{path}{found.pk}/change/")):
        text = page.content.decode()
        assert ("alice@example.com" in text, found.encrypted_secret in text, "s3cret" in text) == (True, False, False)
    act(staff, path, "end", found, confirmed="1")
    assert Authorization.objects.get(pk=found.pk).revoked_at


def test_the_events_of_one_thing_are_found_from_its_page(staff, alice, acme):
    acme.pause(by=cast.OPERATOR, now=timezone.now())
    link = f"/admin/profiles/event/?subject=account:{acme.pk}"
    assert link in staff.get(f"{ACCOUNTS}{acme.pk}/change/").content.decode()
    assert [event.action for event in staff.get(link).context["cl"].result_list] == [Action.ACCOUNT_PAUSED]


def test_who_becomes_staff_is_an_event(staff, alice):
    staff.post(f"{USERS}{alice.pk}/change/", person(alice, is_staff="on"))
    assert User.objects.get(pk=alice.pk).is_staff
    assert Event.objects.get(action=Action.USER_CHANGED).after == {"is_staff": True}


def test_nobody_takes_their_own_rights(staff, sam):
    answer = staff.post(f"{USERS}{sam.pk}/change/", person(sam))
    assert "You cannot take this from yourself" in answer.content.decode()
    assert User.objects.get(pk=sam.pk).is_staff


def test_deleting_a_person_is_refused_with_advice(staff, alice):
    answer = staff.post(f"{USERS}{alice.pk}/delete/", {"post": "yes"}, follow=True)
    assert "Disable the person instead" in answer.content.decode()
    assert User.objects.filter(pk=alice.pk).exists()


def test_members_come_change_and_go_with_an_event_each(staff, acme, alice, bob, charlie):
    first, second = (acme.members.get(user=user) for user in (alice, bob))
    rows = [of(first), of(second, role="admin"), {"user": "CHARLIE@example.com", "role": "member", "account": acme.pk}]
    assert staff.post(f"{ACCOUNTS}{acme.pk}/change/", members(acme, *rows)).status_code == 302
    assert dict(acme.members.values_list("user__name", "role")) == {
        "Alice": "owner",
        "Bob": "admin",
        "Charlie": "member",
    }
    third = acme.members.get(user=charlie)
    staff.post(
        f"{ACCOUNTS}{acme.pk}/change/", members(acme, of(first), of(second, DELETE="on", role="admin"), of(third))
    )
    assert not Member.objects.filter(pk=second.pk).exists()
    done = [event.action for event in Event.objects.filter(action__startswith="member.").order_by("at")]
    assert done == [Action.MEMBER_CHANGED, Action.MEMBER_ADDED, Action.MEMBER_REMOVED] or len(done) == 3


def test_an_account_keeps_an_owner(staff, acme, alice, bob):
    first, second = (acme.members.get(user=user) for user in (alice, bob))
    answer = staff.post(f"{ACCOUNTS}{acme.pk}/change/", members(acme, of(first, role="member"), of(second)))
    assert "An account needs an owner" in answer.content.decode()
    assert acme.members.get(user=alice).role == "owner"


def test_an_owner_who_is_disabled_owns_nothing(staff, acme, alice, bob):
    bob.disable(by=cast.OPERATOR, now=timezone.now())
    acme.members.filter(user=bob).update(role="owner")
    first, second = (acme.members.get(user=user) for user in (alice, bob))
    for gone in ({"role": "member"}, {"DELETE": "on"}):
        answer = staff.post(f"{ACCOUNTS}{acme.pk}/change/", members(acme, of(first, **gone), of(second)))
        assert "An account needs an owner" in answer.content.decode()
    assert acme.members.get(user=alice).role == "owner"


def test_members_that_changed_meanwhile_are_said_and_nothing_is_saved(staff, acme, alice, bob, monkeypatch):
    first, second = (acme.members.get(user=user) for user in (alice, bob))
    checked = MemberFormSet.clean

    def overtaken(forms):
        checked(forms)
        Member.objects.filter(pk=second.pk).update(role="member")  # the other owner steps down in this moment

    monkeypatch.setattr(MemberFormSet, "clean", overtaken)
    acme.members.filter(user=bob).update(role="owner")
    answer = staff.post(
        f"{ACCOUNTS}{acme.pk}/change/", members(acme, of(first, DELETE="on"), of(second, role="owner")), follow=True
    )
    assert "Nothing was saved. An account needs an owner." in answer.content.decode()
    assert acme.members.filter(user=alice, role="owner").exists()


def test_a_stranger_to_the_instance_becomes_nobodys_member(staff, acme, alice, bob):
    rows = [*(of(acme.members.get(user=user)) for user in (alice, bob)), {"user": "x@example.com", "role": "member"}]
    answer = staff.post(f"{ACCOUNTS}{acme.pk}/change/", members(acme, *rows))
    assert "Nobody here has this address" in answer.content.decode()


def test_an_organization_is_added_with_its_owner(staff, alice):
    rows = {
        "members-TOTAL_FORMS": "1",
        "members-INITIAL_FORMS": "0",
        "members-0-user": alice.email,
        "members-0-role": "owner",
    }
    assert staff.post(f"{ACCOUNTS}add/", {"name": "Globex", **rows}).status_code == 302
    assert Account.objects.get(name="Globex").members.get().user == alice


def test_a_server_is_added_with_what_it_lists(staff, upstream_url):
    answer = staff.post(f"{SERVERS}add/", {"transport": "http", "name": "Echo", "slug": "echo", "url": upstream_url})
    assert answer.status_code == 302
    server = Server.objects.get()
    assert (server.account, server.url) == (None, upstream_url)
    assert server.tools.exists()
    assert Event.objects.filter(action=Action.SERVER_ADDED, actor_label="sam@example.com").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("uvx mcp", "This is not JSON"),
        ('"uvx"', "This is not a list"),
        ("{}", "This is not a list"),
        ("[]", "This is not a list"),
        ('["uvx", 3]', "numbers too"),
        ('["", "x"]', "must be the program"),
        ('["a\\u0000b"]', "null character"),
    ],
)
def test_a_command_that_cannot_be_is_refused_with_the_reason(staff, command, said):
    answer = staff.post(f"{SERVERS}add/", {"transport": "stdio", "name": "X", "command": command})
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"transport": "http", "url": "file:///etc/passwd"},
        {"transport": "http", "url": "http://169.254.169.254/mcp"},
        {"transport": "http", "url": "http://127.0.0.1:9/mcp"},
        {"transport": "http", "url": "https://a.example/mcp", "command": '["x"]'},
        {"transport": "stdio", "url": "https://a.example/mcp", "command": '["x"]'},
        {"transport": "stdio", "command": '["uvx", "mcp-server-time"]'},
        {"transport": "carrier pigeon"},
    ],
)
def test_a_server_that_does_not_list_its_tools_is_not_saved(staff, given):
    answer = staff.post(f"{SERVERS}add/", {"name": "X", **given})
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert not Server.objects.exists()


def test_changing_a_name_tells_and_asks_no_upstream(staff):
    server = cast.make_server()
    form = {"name": "Parrot", "description": "", "url": server.url, "timeout_s": 120, "max_concurrent": 512}
    assert staff.post(f"{SERVERS}{server.pk}/change/", form).status_code == 302
    assert Server.objects.get().name == "Parrot"
    assert Event.objects.get(action=Action.SERVER_CHANGED).before == {"name": "Echo"}


def test_a_server_of_an_account_is_only_read(staff, acme):
    server = cast.make_server(account=acme)
    assert staff.get(f"{SERVERS}{server.pk}/change/").status_code == 200
    assert staff.post(f"{SERVERS}{server.pk}/change/", {"name": "Mine"}).status_code == 403


def test_removing_servers_stops_their_tools(staff, work):
    server = Server.objects.get()
    before = Authority.objects.get().epoch
    assert "Offered in “Work”" in act(staff, SERVERS, "remove", server).content.decode()
    act(staff, SERVERS, "remove", server, confirmed="1")
    assert Server.objects.get().removed_at
    assert Authority.objects.get().epoch > before


def test_a_toolkit_is_renamed_and_nothing_else(staff, work):
    path = f"/admin/profiles/toolkit/{work.pk}/change/"
    staff.post(path, {"name": "Everyday", "description": "", "alias": "other"})
    after = Toolkit.objects.get(pk=work.pk)
    assert (after.name, after.alias) == ("Everyday", "work")
    assert Event.objects.filter(action=Action.TOOLKIT_CHANGED, actor_label="sam@example.com").exists()
