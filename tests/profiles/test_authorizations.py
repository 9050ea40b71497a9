from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Account, Authorization, Grant, Server, Toolkit
from profiles.permissions import Role
from tests import cast
from tokens.models import AuthorityChange

NOW = timezone.now()
State = Authorization.State


@pytest.fixture
def notes(acme) -> Server:
    """A server of Acme that wants a bearer token."""
    server = cast.make_server("notes", account=acme)
    server.sign_in_by("bearer", by=cast.OPERATOR, now=NOW)
    return server


@pytest.fixture
def work(acme, notes) -> Toolkit:
    return cast.make_toolkit(acme, "work", notes, allowed=["echo"])


def connect(server, owner, secret="s3cret", *, ago=timedelta(0), assigned=(), shared=False, **grant) -> Authorization:
    found = Authorization.objects.connect(
        server, server.account or owner.personal_account, owner, Grant(secret, **grant), by=cast.OPERATOR, now=NOW - ago
    )
    if shared:
        found.change_visibility("organization", by=cast.OPERATOR, now=NOW)
    if assigned:
        found.assign(assigned, by=cast.OPERATOR, now=NOW)
    return found


def picked(server, owner, toolkit, now=NOW) -> str | None:
    found = Authorization.objects.for_call(
        server, owner_id=owner.pk, account_id=toolkit.account_id, toolkit_id=toolkit.pk, now=now
    )
    return found.secret if found else None


@pytest.mark.sqlite
def test_a_call_takes_the_assigned_before_the_unassigned_and_the_own_before_the_organization_s(notes, work, alice, bob):
    steps = [
        dict(owner=alice, secret="organization", shared=True),
        dict(owner=bob, secret="own"),
        dict(owner=alice, secret="organization assigned", shared=True, assigned=[work], ago=timedelta(days=1)),
        dict(owner=bob, secret="own assigned", assigned=[work], ago=timedelta(days=2)),
        dict(owner=bob, secret="own assigned, newer", assigned=[work], ago=timedelta(days=1)),
    ]
    for step in steps:
        connect(notes, **step)
        assert picked(notes, bob, work) == step["secret"]


def test_nobody_gets_what_is_another_person_s(notes, work, alice, bob, charlie):
    connect(notes, alice, "alice's")
    connect(notes, alice, "alice's, assigned", assigned=[work])
    assert picked(notes, bob, work) is None
    assert picked(notes, charlie, work) is None


def test_another_account_gets_nothing_of_the_organization_s(alice, bob):
    shared = cast.make_server("shared")
    shared.sign_in_by("bearer", by=cast.OPERATOR, now=NOW)
    connect(shared, alice, shared=True)
    elsewhere = cast.make_toolkit(bob.personal_account, "mine", shared)
    assert picked(shared, bob, elsewhere) is None
    assert picked(shared, alice, elsewhere) is None


def test_what_is_assigned_to_a_toolkit_is_for_that_alone(acme, notes, work, bob):
    other = cast.make_toolkit(acme, "other", notes)
    connect(notes, bob, assigned=[other])
    assert picked(notes, bob, work) is None
    assert picked(notes, bob, other) == "s3cret"


def test_what_ended_died_expired_or_was_stored_for_another_address_is_not_used(notes, work, bob):
    ended, dead = connect(notes, bob), connect(notes, bob)
    ended.end(by=cast.OPERATOR, now=NOW)
    dead.die("refused", by=cast.OPERATOR, now=NOW)
    connect(notes, bob, expires_at=NOW)
    Authorization.objects.filter(pk=connect(notes, bob).pk).update(url="https://elsewhere.example.com/mcp")
    Authorization.objects.filter(pk=connect(notes, bob).pk).update(kind="header")
    assert picked(notes, bob, work) is None


def test_a_credential_never_follows_a_server_to_another_address(notes, work, bob):
    found = connect(notes, bob)
    notes.change(url="https://evil.example.com/mcp", tools=None, by=cast.OPERATOR, now=NOW)
    assert picked(notes, bob, work) is None
    assert Authorization.objects.select_related("server").get(pk=found.pk).state(NOW) == State.ELSEWHERE


def test_granted_scopes_must_cover_what_is_wanted(acme, bob):
    server = cast.make_server("drive", account=acme)
    server.sign_in_by("oauth", oauth_scopes="read write", by=cast.OPERATOR, now=NOW)
    toolkit = cast.make_toolkit(acme, "files", server)
    narrow = connect(server, bob, "narrow", scopes="read")
    assert narrow.state(NOW) == State.NARROW
    assert picked(server, bob, toolkit) is None
    connect(server, bob, "wide", scopes="write admin read", ago=timedelta(days=1))
    assert picked(server, bob, toolkit) == "wide"


def test_an_expired_token_that_renews_itself_is_still_used(notes, work, bob):
    connect(notes, bob, refresh_token="again", expires_at=NOW - timedelta(hours=1))
    assert picked(notes, bob, work) == "s3cret"


@pytest.mark.parametrize("act", ["connect", "visibility", "assign", "end", "die", "server"])
def test_every_act_is_an_event_and_reaches_the_hubs(notes, work, alice, act):
    found = connect(notes, alice)
    actions = {"server": Action.SERVER_CHANGED, "end": Action.AUTHORIZATION_ENDED, "die": Action.AUTHORIZATION_DIED,
               "connect": Action.AUTHORIZATION_CONNECTED}  # fmt: skip
    action = actions.get(act, Action.AUTHORIZATION_CHANGED)
    before = AuthorityChange.objects.filter(scope="server", subject=str(notes.pk)).count()
    events = Event.objects.filter(action=action).count()
    given = {"by": cast.OPERATOR, "now": NOW}
    match act:
        case "connect":
            connect(notes, alice)
        case "visibility":
            assert found.change_visibility("organization", **given)
            assert not found.change_visibility("organization", **given)
        case "assign":
            assert found.assign([work], **given)
            assert not found.assign([work], **given)
        case "end":
            assert found.end(**given)
            assert not found.end(**given)
        case "die":
            assert found.die("refused", **given)
            assert not found.die("refused", **given)
        case "server":
            assert notes.sign_in_by("header", header_name="X-Key", **given)
            assert not notes.sign_in_by("header", header_name="X-Key", **given)
    assert AuthorityChange.objects.filter(scope="server", subject=str(notes.pk)).count() == before + 1
    assert Event.objects.filter(action=action).count() == events + 1
    assert "s3cret" not in repr([(event.before, event.after, event.reason) for event in Event.objects.all()])


def test_ending_forgets_the_secret_and_the_database_insists(notes, alice):
    found = connect(notes, alice, refresh_token="again")
    with pytest.raises(IntegrityError), transaction.atomic():
        Authorization.objects.filter(pk=found.pk).update(revoked_at=NOW)
    found.end(by=cast.OPERATOR, now=NOW)
    found.refresh_from_db()
    assert (found.encrypted_secret, found.encrypted_refresh_token) == ("", "")


def test_a_new_one_takes_the_place_of_a_dead_one_with_its_toolkits(notes, work, alice):
    dead = connect(notes, alice, assigned=[work], shared=True)
    dead.die("refused", by=cast.OPERATOR, now=NOW)
    new = connect(notes, alice, "new")
    dead.refresh_from_db()
    assert dead.revoked_at
    assert (new.visibility, list(new.toolkits.all())) == ("organization", [work])


@pytest.mark.parametrize(
    ("kind", "status", "challenge", "is_over"),
    [
        ("oauth", 401, "", True), ("oauth", 403, "", False), ("bearer", 401, "", True), ("bearer", 403, "", True),
        ("header", 403, 'Bearer error="insufficient_scope"', False),
    ],
)  # fmt: skip
def test_which_refusals_are_about_the_credential(kind, status, challenge, is_over):
    assert Authorization(kind=kind).is_over_by(status, challenge) == is_over


def test_one_that_works_stays_beside_a_new_one(notes, alice):
    working = connect(notes, alice)
    connect(notes, alice)
    working.refresh_from_db()
    assert working.revoked_at is None


def test_who_leaves_takes_only_what_they_alone_used(acme, notes, bob):
    own, shared = connect(notes, bob), connect(notes, bob, shared=True)
    acme.members.get(user=bob).remove(by=cast.OPERATOR, now=NOW)
    own.refresh_from_db()
    shared.refresh_from_db()
    assert own.revoked_at
    assert shared.revoked_at is None


def test_a_removed_server_leaves_no_secret_behind(notes, alice):
    found = connect(notes, alice)
    notes.remove(by=cast.OPERATOR, now=NOW)
    found.refresh_from_db()
    assert found.encrypted_secret == ""


@pytest.mark.parametrize(
    "name", ["", "X Key", "Host", "content-length", "Mcp-Session-Id", "a\r\nb", "Proxy-Authorization"]
)
def test_a_header_that_cannot_carry_a_key_is_refused(notes, name):
    with pytest.raises(ValidationError):
        notes.sign_in_by("header", header_name=name, by=cast.OPERATOR, now=NOW)


@pytest.mark.django_db
def test_a_program_is_not_signed_in_at():
    server = Server.objects.create(slug="git", name="Git", transport="stdio", command=["git"])
    with pytest.raises(ValidationError):
        server.sign_in_by("bearer", by=cast.OPERATOR, now=NOW)


def test_another_client_id_does_not_keep_the_old_secret(acme):
    server = cast.make_server("drive", account=acme)
    server.sign_in_by("oauth", oauth_client_id="one", client_secret="first", by=cast.OPERATOR, now=NOW)
    server.sign_in_by("oauth", oauth_client_id="one", oauth_scopes="read", by=cast.OPERATOR, now=NOW)
    assert Server.objects.get(pk=server.pk).oauth_client_secret == "first"
    server.sign_in_by("oauth", oauth_client_id="two", by=cast.OPERATOR, now=NOW)
    assert Server.objects.get(pk=server.pk).oauth_client_secret == ""


def test_installing_needs_a_sign_in_at_each_server_that_wants_one(acme, notes, work, alice, bob):
    open_server = cast.make_server("open", account=acme)
    work.add_server(open_server, allowed=[], by=cast.OPERATOR, now=NOW)
    other = cast.make_toolkit(acme, "other", notes)
    connect(notes, bob, assigned=[other])

    def missing(user):
        return Authorization.objects.missing_for(user, [work, other], now=NOW)

    assert missing(bob) == {work.pk: [notes]}
    assert missing(alice) == {work.pk: [notes], other.pk: [notes]}
    connect(notes, bob, shared=True)
    assert missing(alice) == {}


def test_tools_are_listed_with_the_asker_s_own_else_the_organization_s_and_nobody_else_s(acme, notes, alice, bob):
    def lister(user):
        found = Authorization.objects.for_listing(notes, acme, user=user, now=NOW)
        return found and found.secret

    connect(notes, bob, "bob's")
    assert (lister(bob), lister(alice), lister(None)) == ("bob's", None, None)
    connect(notes, alice, "everybody's", shared=True)
    assert (lister(bob), lister(alice), lister(None)) == ("bob's", "everybody's", "everybody's")


def test_roles_see_and_connect_what_is_theirs(acme, notes, alice, bob, charlie):
    acme.members.create(user=charlie, role=Role.END_USER)
    own = connect(notes, bob)
    assert set(Authorization.objects.seen_by(alice, acme)) == {own}
    connect(notes, alice)
    assert set(Authorization.objects.seen_by(bob, acme)) == {own}
    assert not Authorization.objects.seen_by(charlie, acme)
    assert [Authorization.objects.may_connect(user, acme) for user in (alice, bob, charlie)] == [True, True, False]
    assert not Authorization.objects.may_connect(bob, Account.objects.get(personal_of=alice))
