import asyncio
import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from profiles.models import Authorization, Grant, Server
from profiles.permissions import Role
from tests import cast
from tests.oauth_upstream import running_protected


@pytest.fixture
def notes(acme) -> Server:
    server = cast.make_server("notes", account=acme)
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    return server


def connect(server, account, owner, secret="s3cret-of-somebody", **grant) -> Authorization:
    return Authorization.objects.connect(
        server, account, owner, Grant(secret, **grant), by=cast.OPERATOR, now=timezone.now()
    )


def text(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def test_who_has_nothing_is_told_what_to_do(at_acme, notes):
    page = text(at_acme.get("/authorizations/"))
    assert "Nothing connected" in page
    assert "Connect Notes" in page


def test_the_table_shows_level_scopes_created_expires_and_last_used(at_acme, acme, notes, alice, bob):
    later = timezone.now() + timedelta(days=3)
    connect(notes, acme, bob, scopes="read write", expires_at=later)
    page = text(at_acme.get("/authorizations/"))
    for part in ("Notes", "of bob@example.com", "its owner", "every toolkit", "read write", "Works", "never"):
        assert part in page, part
    assert f"{later:%b %Y}" in page


def test_a_member_sees_their_own_alone(as_bob, acme, notes, alice, bob):
    hidden, own = connect(notes, acme, alice), connect(notes, acme, bob)
    page = as_bob.get("/authorizations/").content.decode()
    assert str(own.pk) in page
    assert str(hidden.pk) not in page
    assert as_bob.get(f"/authorizations/{hidden.pk}/").status_code == 404
    assert as_bob.post(f"/authorizations/{hidden.pk}/end/").status_code == 404


def test_the_list_asks_the_database_as_often_for_twenty_as_for_one(
    at_acme, acme, notes, bob, django_assert_num_queries
):
    connect(notes, acme, bob)
    with django_assert_num_queries(9):
        at_acme.get("/authorizations/")
    for _ in range(20):
        connect(notes, acme, bob)
    with django_assert_num_queries(9):
        at_acme.get("/authorizations/")


def test_a_member_ends_their_own_and_changes_nothing_else(as_bob, acme, notes, bob):
    own = connect(notes, acme, bob)
    assert as_bob.get(f"/authorizations/{own.pk}/").status_code == 200
    assert as_bob.post(f"/authorizations/{own.pk}/visibility/", {"visibility": "organization"}).status_code == 404
    assert as_bob.post(f"/authorizations/{own.pk}/toolkits/").status_code == 404
    as_bob.post(f"/authorizations/{own.pk}/end/")
    own.refresh_from_db()
    assert (own.visibility, own.encrypted_secret) == ("user", "")
    assert own.revoked_at


def test_an_owner_makes_one_organization_wide_assigns_and_ends_it(at_acme, acme, notes, bob):
    work, other = cast.make_toolkit(acme, "work", notes), cast.make_toolkit(acme, "other")
    found = connect(notes, acme, bob)
    at_acme.post(f"/authorizations/{found.pk}/visibility/", {"visibility": "organization"})
    at_acme.post(f"/authorizations/{found.pk}/toolkits/", {"toolkits": [str(work.pk)]})
    found.refresh_from_db()
    assert (found.visibility, list(found.toolkits.all())) == ("organization", [work])
    refused = at_acme.post(f"/authorizations/{found.pk}/toolkits/", {"toolkits": [str(other.pk)]})
    assert refused.status_code == 422
    at_acme.post(f"/authorizations/{found.pk}/visibility/", {"visibility": "everybody"})
    found.refresh_from_db()
    assert found.visibility == "organization"
    assert "has ended" in text(at_acme.post(f"/authorizations/{found.pk}/end/", follow=True))


def test_a_stranger_finds_nothing(as_charlie, acme, notes, alice):
    found = connect(notes, acme, alice)
    for path in ("", "visibility/", "toolkits/", "end/"):
        assert as_charlie.post(f"/authorizations/{found.pk}/{path}").status_code in (404, 405)
    assert as_charlie.get(f"/authorizations/{found.pk}/").status_code == 404
    assert as_charlie.get(f"/authorizations/connect/{notes.pk}/").status_code == 404
    assert as_charlie.get(f"/servers/{notes.pk}/sign-in/").status_code == 404
    found.refresh_from_db()
    assert found.revoked_at is None


def test_an_end_user_connects_nothing_and_is_told_whom_to_ask(acme, notes, charlie):
    acme.members.create(user=charlie, role=Role.END_USER)
    browser = Client()
    browser.force_login(charlie)
    page = browser.get(f"/authorizations/connect/{notes.pk}/")
    assert page.status_code == 403
    assert "Ask an owner or admin" in text(page)
    assert browser.post(f"/authorizations/connect/{notes.pk}/", {"secret": "x"}).status_code == 403
    assert not Authorization.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_secret_is_stored_tried_and_shown_nowhere(at_acme, acme, alice):
    with running_protected() as protected:
        token = asyncio.run(protected.provider.exchange_for("alice")).access_token
        server = cast.make_server("notes", tools=[], url=protected.url, account=acme)
        server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
        answer = at_acme.post(f"/authorizations/connect/{server.pk}/", {"secret": f" Bearer {token}\n"}, follow=True)
        assert "is connected, and shows 1 tool." in text(answer)
        found = Authorization.objects.get()
        assert found.header == ("Authorization", f"Bearer {token}")
        assert list(server.tools.values_list("name", flat=True)) == ["whoami"]
        pages = ("/authorizations/", f"/authorizations/{found.pk}/", f"/servers/{server.pk}/", "/activity/",
                 f"/authorizations/connect/{server.pk}/")  # fmt: skip
        for path in pages:
            assert token not in at_acme.get(path).content.decode(), path


@pytest.mark.django_db(transaction=True)
def test_a_secret_that_the_server_does_not_take_is_said_at_once(at_acme, acme):
    with running_protected() as protected:
        server = cast.make_server("notes", url=protected.url, account=acme)
        server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
        page = at_acme.post(f"/authorizations/connect/{server.pk}/", {"secret": "wrong"}, follow=True)
        assert "trying it failed" in text(page)
        assert "Not taken any longer since" in text(page)
        assert Authorization.objects.get().dead_since


@pytest.mark.parametrize("secret", ["", "Bearer ", "zwei\nZeilen", "clé", "x" * 9000])
def test_a_secret_that_no_header_carries_is_refused(at_acme, notes, secret):
    answer = at_acme.post(f"/authorizations/connect/{notes.pk}/", {"secret": secret})
    assert answer.status_code == 422
    assert not Authorization.objects.exists()


def test_who_manages_the_server_chooses_how_it_is_signed_in_at(at_acme, as_bob, notes):
    path = f"/servers/{notes.pk}/sign-in/"
    assert as_bob.get(path).status_code == 404
    assert as_bob.post(path, {"authentication": "none"}).status_code == 404
    assert at_acme.post(path, {"authentication": "header"}).status_code == 422
    saved = at_acme.post(path, {"authentication": "header", "header_name": "X-Api-Key"})
    assert saved.url == f"/authorizations/connect/{notes.pk}/"
    notes.refresh_from_db()
    assert (notes.authentication, notes.header_name) == ("header", "X-Api-Key")
    assert "with a header or API key X-Api-Key" in text(at_acme.get(f"/servers/{notes.pk}/"))


def test_a_client_secret_is_never_shown_again(at_acme, notes):
    path = f"/servers/{notes.pk}/sign-in/"
    at_acme.post(path, {"authentication": "oauth", "oauth_client_id": "nexus", "client_secret": "of-the-client"})
    assert Server.objects.get(pk=notes.pk).oauth_client_secret == "of-the-client"
    assert "of-the-client" not in at_acme.get(path).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_server_that_shows_its_tools_only_to_who_signs_in_can_be_added(at_acme, acme):
    with running_protected() as protected:
        typed = {"url": protected.url, "name": "Protected", "slug": ""}
        looked = at_acme.post("/servers/add/", typed)
        assert "shows its tools only to who signs in" in text(looked)
        assert not Server.objects.exists()
        saved = at_acme.post("/servers/add/", {**typed, "save": "unseen"})
        server = Server.objects.get()
        assert saved.url == f"/servers/{server.pk}/sign-in/?authentication=oauth"
        assert re.search(r'value="oauth"[^>]*checked', at_acme.get(saved.url).content.decode())


def test_install_warns_before_it_issues(at_acme, acme, notes, alice):
    work = cast.make_toolkit(acme, "work", notes, allowed=["echo"])
    page = at_acme.get("/install/?profile=work")
    assert "You are not connected to Notes" in text(page)
    assert f"/authorizations/connect/{notes.pk}/?account={acme.pk}" in page.content.decode()
    connect(notes, acme, alice)
    assert "You are not connected" not in text(at_acme.get(f"/install/?profile={work.alias}"))


def test_the_link_leads_to_the_account_that_it_names(as_alice, acme, alice):
    shared = cast.make_server("shared")
    shared.sign_in_by("header", header_name="X-Key", by=cast.OPERATOR, now=timezone.now())
    assert "For you, in Acme" in text(as_alice.get(f"/authorizations/connect/{shared.pk}/?account={acme.pk}"))
    assert "For you, in Alice" in text(as_alice.get(f"/authorizations/connect/{shared.pk}/"))
    assert "For you, in Alice" in text(as_alice.get(f"/authorizations/connect/{shared.pk}/?account=x"))
