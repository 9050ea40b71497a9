"""REST for people, accounts, members, servers, toolkits and authorizations: the pages' own acts."""

import pytest
from django.core import mail
from django.utils import timezone

from profiles.events import Event
from profiles.models import Authorization, Grant, Member, Server, Toolkit
from tests import cast, rest

pytestmark = [pytest.mark.django_db(databases="__all__")]


@pytest.fixture
def ask(alice, acme):
    return rest.person(alice, acme)


@pytest.fixture
def stale(alice, acme):
    return rest.person(alice, acme, confirmed_ago=3600)


def test_a_person_reads_and_changes_what_is_said_of_them(ask, alice):
    assert ask("patch", "me", {"time_zone": "Europe/Berlin"}).json()["time_zone"] == "Europe/Berlin"
    assert ask("patch", "me", {"email": "x@example.com"}).status_code == 400
    assert ask("patch", "me", {"time_zone": "Mars"}).status_code == 400
    alice.refresh_from_db()
    assert (alice.email, alice.time_zone, alice.name) == ("alice@example.com", "Europe/Berlin", "Alice")


def test_notifications_change_in_part(ask):
    assert ask("patch", "notifications", {"sends_mail": False}).json()["sends_mail"] is False
    changed = ask("patch", "notifications", {"mail_stages": ["24h"]}).json()
    assert changed == {"sends_mail": False, "mail_stages": ["24h"]}


def test_accounts_are_listed_with_the_role_there(ask, acme):
    assert {(row["name"], row["role"]) for row in ask.rows("accounts")} == {("Alice", "owner"), ("Acme", "owner")}
    made = ask("post", "accounts", {"name": "Beta"}).json()
    assert ask("patch", f"accounts/{made['id']}", {"name": "Gamma"}).json()["name"] == "Gamma"


def test_pausing_is_quick_and_resuming_needs_a_person_who_has_confirmed(stale, ask, alice, acme, work):
    by_key = rest.key(alice, acme, "accounts:write", "profiles:write")
    for path in (f"accounts/{acme.pk}", f"profiles/{work.pk}"):
        assert stale("post", f"{path}/pause").json()["paused_at"]
        refused = [stale("post", f"{path}/resume"), by_key("post", f"{path}/resume")]
        assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "needs_person")] * 2
        assert all(answer.json()["href"].startswith("http") for answer in refused)
        assert ask("post", f"{path}/resume").json()["paused_at"] is None


def test_members_are_changed_by_who_manages_them(ask, stale, acme, bob, work):
    member = Member.objects.get(account=acme, user=bob)
    assert {row["email"] for row in ask.rows("members")} == {"alice@example.com", "bob@example.com"}
    assert stale("patch", f"members/{member.pk}", {"role": "admin"}).json()["code"] == "needs_person"
    changed = stale("patch", f"members/{member.pk}", {"role": "end_user"})
    assert changed.json()["role"] == "end_user"
    assert ask("patch", f"members/{member.pk}", {"profiles": [str(work.pk)]}).json()["profiles"] == [str(work.pk)]
    assert ask("delete", f"members/{member.pk}").status_code == 204
    assert not Member.objects.filter(pk=member.pk).exists()


def test_who_leaves_an_organization_has_nothing_there_any_more(ask, acme, alice, bob, charlie, work):
    token = cast.make_token(bob, work).token
    assert rest.person(charlie)("post", f"accounts/{acme.pk}/leave").status_code == 404
    assert rest.person(bob)("post", f"accounts/{bob.personal_account.pk}/leave").json()["code"] == "conflict"
    assert rest.person(bob)("post", f"accounts/{acme.pk}/leave").status_code == 204
    token.refresh_from_db()
    assert (acme.role_of(bob), token.revoke_reason) == (None, "left")
    assert ask("post", f"accounts/{acme.pk}/leave").status_code == 400
    assert acme.role_of(alice) == "owner"


def test_the_last_owner_stays(ask, acme, alice):
    own = Member.objects.get(account=acme, user=alice)
    for answer in (ask("delete", f"members/{own.pk}"), ask("patch", f"members/{own.pk}", {"role": "member"})):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert Member.objects.get(pk=own.pk).role == "owner"


def test_servers_are_changed_in_part_and_removed(ask, acme):
    own, of_all = cast.make_server("own", account=acme), cast.make_server("catalog")
    assert {row["slug"] for row in ask.rows("servers")} == {"own", "catalog"}
    assert [row["name"] for row in ask.rows(f"servers/{own.pk}/tools")] == ["add", "echo"]
    assert ask("patch", f"servers/{own.pk}", {"timeout_s": 5}).json()["timeout_s"] == 5
    assert ask("put", f"servers/{own.pk}/sign-in", {"authentication": "bearer"}).json()["authentication"] == "bearer"
    assert ask("patch", f"servers/{of_all.pk}", {"timeout_s": 5}).status_code == 403
    assert ask("delete", f"servers/{own.pk}").status_code == 204
    assert [row["slug"] for row in ask.rows("servers")] == ["catalog"]


def test_a_server_that_does_not_answer_is_not_added(ask):
    answer = ask("post", "servers", {"name": "Dead", "url": "http://127.0.0.1:9/mcp"}, Idempotency_Key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "unreachable")
    assert ask("post", "servers", {"name": "Odd", "url": "ftp://x"}).json()["errors"]["url"]
    assert not Server.objects.exists()


def test_a_server_that_answers_is_added_with_what_it_lists(ask, upstream_url):
    made = ask("post", "servers", {"name": "Echo", "url": upstream_url})
    assert (made.status_code, made.json()["slug"]) == (201, "echo")
    assert ask.rows(f"servers/{made.json()['id']}/tools")


def test_a_toolkit_is_made_filled_and_deleted(ask, acme):
    server = cast.make_server()
    made = ask("post", "profiles", {"alias": "support", "name": "Support"}).json()
    path = f"profiles/{made['id']}"
    assert ask("put", f"{path}/servers/{server.pk}", {"allowed": ["nothing"]}).status_code == 400
    assert ask("put", f"{path}/servers/{server.pk}", {"allowed": ["echo"]}).json()["slug"] == "echo"
    rows = ask.rows(f"{path}/tools?is_allowed=true")
    assert [row["name"] for row in rows] == ["echo__echo"]
    assert ask("patch", f"{path}/tools/{rows[0]['id']}", {"title": "Say"}).json()["title"] == "Say"
    assert ask("patch", path, {"alias": "help"}).json()["alias"] == "help"
    assert ask("get", path).json()["tools"] == 1
    assert ask("delete", f"{path}/servers/{server.pk}").status_code == 204
    assert ask("delete", path).status_code == 204
    default = Toolkit.objects.get(account=acme, is_default=True)
    assert ask("delete", f"profiles/{default.pk}").json()["code"] == "conflict"


def test_what_a_server_altered_is_approved_as_it_was_seen(ask, work):
    server = work.servers.get()
    server.remember_tools(cast.raw(cast.definition("echo", title="Other"), cast.definition("add")), now=timezone.now())
    row = ask.rows(f"profiles/{work.pk}/tools?is_allowed=true")[0]
    assert row["has_changed"] is True
    digests = {row["name"]: row["digest"], "gone": "0" * 64}
    answer = ask("post", f"profiles/{work.pk}/approve", {"digests": digests}).json()
    assert answer == {"approved": ["echo__echo"], "altered_again": ["gone"]}


@pytest.mark.parametrize("name", ["\0", "\ud800", ""])
def test_a_name_that_no_tool_has_is_refused_before_it_is_looked_up(ask, work, name):
    answer = ask("post", f"profiles/{work.pk}/approve", {"digests": {name: "x"}})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["digests"])


def test_authorizations_are_reserved_and_ended_and_never_made_or_shown(ask, acme, alice, work):
    server = work.servers.get()
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    made = Authorization.objects.connect(server, acme, alice, Grant("s3cret"), by=cast.OPERATOR, now=timezone.now())
    path = f"authorizations/{made.pk}"
    changed = ask("patch", path, {"visibility": "organization", "profiles": [str(work.pk)]})
    assert (changed.json()["visibility"], changed.json()["profiles"]) == ("organization", [str(work.pk)])
    assert b"s3cret" not in changed.content
    assert ask("post", "authorizations", {}).json()["code"] == "needs_person"
    assert ask("delete", path).status_code == 204
    assert ask("get", path).status_code == 404


def test_an_invitation_is_mailed_and_shows_no_link(ask, stale, acme, monkeypatch, django_capture_on_commit_callbacks):
    from profiles import api_members

    sent = []
    monkeypatch.setattr(api_members.emails, "invitation", lambda invitation, secret: sent.append(secret))
    body = {"email": "dora@example.com", "role": "member"}
    assert stale("post", "invitations", body).json()["code"] == "needs_person"
    with django_capture_on_commit_callbacks(execute=True):
        made = ask("post", "invitations", body)
    assert (made.status_code, len(sent)) == (201, 1)
    assert sent[0] not in made.content.decode()
    assert ask("post", f"invitations/{made.json()['id']}/cancel").json()["state"] == "cancelled"
    assert ask("post", f"invitations/{made.json()['id']}/cancel").status_code == 409
    assert not mail.outbox


def test_toolkits_are_assigned_to_invited_end_users_alone(ask, acme, work):
    invited = {"email": "dora@example.com", "role": "member", "profiles": [str(work.pk)]}
    answer = ask("post", "invitations", invited)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["profiles"])
    assert not acme.invitations.exists()


def test_a_key_sees_its_own_account_and_no_other(alice, acme, work):
    by_key = rest.key(alice, acme, "profiles:read", "accounts:read", "profiles:write")
    assert {row["account"] for row in by_key.rows("profiles")} == {str(acme.pk)}
    assert [row["name"] for row in by_key.rows("accounts")] == ["Acme"]
    own = alice.personal_account
    assert by_key("get", f"accounts/{own.pk}").status_code == 404
    assert by_key("post", "profiles", {"account": str(own.pk), "alias": "x", "name": "X"}).status_code == 404
    made = by_key("post", "profiles", {"alias": "x", "name": "X"})
    assert made.json()["account"] == str(acme.pk)
    assert "by key Terraform" in Event.objects.get(action="toolkit.created", subject_id=made.json()["id"]).actor_label


def test_a_key_without_the_scope_is_told_which_it_needs(alice, acme):
    answer = rest.key(alice, acme, "tokens:read")("post", "profiles", {"alias": "x", "name": "X"})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert "profiles:write" in answer["WWW-Authenticate"]


LISTS = ["accounts", "members", "invitations", "servers", "profiles", "authorizations"]


@pytest.mark.parametrize("noun", LISTS)
def test_no_list_asks_more_often_for_more_rows(ask, acme, alice, noun, django_assert_max_num_queries):
    for number in range(6):
        server = cast.make_server(f"s{number}", account=acme)
        server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
        cast.make_toolkit(acme, f"t{number}", server)
        Authorization.objects.connect(server, acme, alice, Grant("x"), by=cast.OPERATOR, now=timezone.now())
        acme.add_member(cast.make_user(f"P{number}"), "member", by=cast.OPERATOR, now=timezone.now())
    with django_assert_max_num_queries(6):
        ask("get", noun)
