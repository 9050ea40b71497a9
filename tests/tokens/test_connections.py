from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.cast import OPERATOR
from tests.tokens.conftest import browser_of
from tokens.models import Connection
from tokens.models.connections import SESSION_LIFE

pytestmark = pytest.mark.django_db(databases="__all__")


def text(answer) -> str:
    return answer.content.decode()


def connect(owner, toolkit, name="Claude Code") -> Connection:
    application = cast.make_application(name=name)
    now = timezone.now()
    return Connection.objects.connect(application, owner, toolkit, scope="mcp", by=OPERATOR, now=now)


def sign_in(connection, **fields):
    now = timezone.now()
    return connection.begin_session(ends_at=now + SESSION_LIFE, by=OPERATOR, now=now)


@pytest.fixture
def of_alice(alice, work):
    return connect(alice, work)


@pytest.fixture
def of_bob(bob, work):
    return connect(bob, work, "Zed")


def test_an_admin_sees_all_of_the_account_and_a_member_their_own(as_alice, as_bob, as_charlie, of_alice, of_bob):
    page = text(as_alice.get("/tokens/applications/"))
    for said in ("Claude Code", "Zed", "bob@example.com", "Work", "Not signed in", of_bob.public_id):
        assert said in page
    page = text(as_bob.get("/tokens/applications/"))
    assert "Zed" in page
    assert "Claude Code" not in page
    assert "Zed" not in text(as_charlie.get("/tokens/applications/"))


def test_the_two_lists_lead_to_each_other(as_alice, of_alice):
    assert 'href="/tokens/applications/"' in text(as_alice.get("/tokens/"))
    page = text(as_alice.get("/tokens/applications/"))
    assert 'href="/tokens/" aria-current="true"' in page  # in the navigation
    assert '<a href="/tokens/">' in page


def test_with_no_application_the_page_says_how_one_gets_there(as_bob):
    assert "No applications yet" in text(as_bob.get("/tokens/applications/"))


PATHS = ["/tokens/applications/{}/", "/tokens/applications/{}/revoke/", "/tokens/{}/"]


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_gets_404(as_bob, as_charlie, of_alice, path):
    session = sign_in(of_alice)
    for browser in (as_bob, as_charlie):
        assert browser.get(path.format(of_alice.public_id)).status_code == 404
        for act in ("revoke", f"sessions/{session.pk}/end"):
            assert browser.post(f"/tokens/applications/{of_alice.public_id}/{act}/").status_code == 404
    of_alice.refresh_from_db()
    session.refresh_from_db()
    assert (of_alice.revoked_at, session.ended_at) == (None, None)


def test_the_page_of_one_shows_sessions_events_and_the_way_to_its_calls(as_alice, of_alice):
    sign_in(of_alice)
    page = text(as_alice.get(f"/tokens/applications/{of_alice.public_id}/"))
    for said in ("Signed in", "connected an application", "nobody has checked it", of_alice.application.client_id,
                 f'href="/activity/?token={of_alice.public_id}"', "in 29 days 23 hours"):  # fmt: skip
        assert said in page, said


def test_the_id_of_a_call_leads_to_its_application(as_alice, of_alice):
    answer = as_alice.get(f"/tokens/{of_alice.public_id}/")
    assert answer.url == f"/tokens/applications/{of_alice.public_id}/"


def test_one_session_ends_and_the_others_stay(as_alice, of_alice):
    first, second = sign_in(of_alice), sign_in(of_alice)
    path = f"/tokens/applications/{of_alice.public_id}/sessions/{first.pk}/end/"
    assert as_alice.get(path).status_code == 405
    for said in ("That session has ended", "had ended already"):
        page = text(as_alice.post(path, follow=True))
        assert said in page
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.ended_at
    assert second.ended_at is None
    assert Event.objects.filter(action=Action.SESSION_ENDED).count() == 1


def test_a_session_of_another_connection_is_not_ended_here(as_alice, of_alice, of_bob):
    session = sign_in(of_bob)
    assert as_alice.post(f"/tokens/applications/{of_alice.public_id}/sessions/{session.pk}/end/").status_code == 404


def test_revoking_asks_first_then_ends_all_sessions_and_happens_once(as_alice, of_alice):
    session = sign_in(of_alice)
    path = f"/tokens/applications/{of_alice.public_id}/revoke/"
    assert "What stops" in text(as_alice.get(path))
    of_alice.refresh_from_db()
    assert of_alice.revoked_at is None
    assert "can no longer use “Work”" in text(as_alice.post(path, follow=True))
    of_alice.refresh_from_db()
    session.refresh_from_db()
    assert of_alice.revoked_at
    assert session.ended_at
    assert "was disconnected already" in text(as_alice.post(path, follow=True))
    assert "nothing left to revoke" in text(as_alice.get(path))
    assert Event.objects.filter(action=Action.APPLICATION_DISCONNECTED).count() == 1
    assert "Revoked" in text(as_alice.get("/tokens/applications/"))


def test_an_admin_ends_the_application_of_a_member(as_alice, of_bob):
    as_alice.post(f"/tokens/applications/{of_bob.public_id}/revoke/")
    of_bob.refresh_from_db()
    assert of_bob.revoked_at
    assert Event.objects.get(action=Action.APPLICATION_DISCONNECTED).actor_label == "alice@example.com"


def test_an_ended_session_is_no_living_one(as_alice, of_alice):
    now = timezone.now()
    of_alice.begin_session(ends_at=now - timedelta(seconds=1), by=OPERATOR, now=now - timedelta(days=1))
    assert "Not signed in" in text(as_alice.get("/tokens/applications/"))
    sign_in(of_alice)
    sign_in(of_alice)
    assert "2 sessions" in text(as_alice.get("/tokens/applications/"))


def test_the_list_costs_the_same_for_many_and_has_pages(as_alice, alice, work, django_assert_max_num_queries):
    for index in range(53):
        connect(alice, work, f"client {index:02}")
    with django_assert_max_num_queries(10):
        page = text(as_alice.get("/tokens/applications/"))
    assert "client 52" in page
    assert "client 02" not in page
    last = Connection.objects.order_by("-agreed_at", "-pk")[49]
    page = text(as_alice.get(f"/tokens/applications/?before={last.public_id}"))
    assert "client 02" in page
    assert "client 03" not in page
    assert as_alice.get("/tokens/applications/?before=nothing").status_code == 200


def test_names_cannot_deceive(as_alice, alice, work):
    connection = connect(alice, work, "<b>x</b>\u202eedoC")
    for path in ("/tokens/applications/", f"/tokens/applications/{connection.public_id}/"):
        page = text(as_alice.get(path))
        assert "<b>x" not in page
        assert "\u202e" not in page.replace("\\u{202e}", "")


def test_only_who_is_signed_in_sees_it(client, of_alice):
    for path in ("/tokens/applications/", f"/tokens/applications/{of_alice.public_id}/"):
        assert client.get(path).status_code == 302


def test_a_session_of_ones_own_can_be_ended_by_a_member(bob, acme, of_bob):
    session = sign_in(of_bob)
    browser_of(bob, acme).post(f"/tokens/applications/{of_bob.public_id}/sessions/{session.pk}/end/")
    session.refresh_from_db()
    assert session.ended_at
