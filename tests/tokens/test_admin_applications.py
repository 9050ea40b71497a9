"""Applications, connections and sessions in the Django admin: read, searched and ended; nothing is added or altered."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tests.tokens.conftest import browser_of
from tokens import keys, lookup
from tokens.models import Application, Connection, OAuthSession

pytestmark = pytest.mark.django_db(databases="__all__")
APPLICATIONS, CONNECTIONS, SESSIONS = (
    f"/admin/tokens/{name}/" for name in ("application", "connection", "oauthsession")
)


@pytest.fixture
def sam(db):
    return cast.make_user("Sam", is_staff=True)


@pytest.fixture
def staff(sam):
    return browser_of(sam)


@pytest.fixture
def editor(db):
    return cast.make_application(name="Editor")


@pytest.fixture
def access(alice, work, editor):
    return cast.make_access_token(alice, work, editor)


def act(browser, path, name, *rows, **more):
    return browser.post(path, {"action": name, "_selected_action": [row.pk for row in rows], **more})


def refusal(secret):
    found = lookup.token_with(keys.digest(secret), keys.Kind.ACCESS)[1]
    return found and found.refusal(timezone.now().timestamp())


def shown(browser, path, query) -> set[str]:
    return {str(row) for row in browser.get(path, query).context["cl"].result_list}


@pytest.mark.parametrize("path", [APPLICATIONS, CONNECTIONS, SESSIONS])
def test_staff_read_and_neither_add_change_nor_delete(staff, access, editor, path):
    pk = {APPLICATIONS: editor.pk, CONNECTIONS: Connection.objects.get().pk, SESSIONS: OAuthSession.objects.get().pk}[
        path
    ]
    for page in (staff.get(path), staff.get(f"{path}{pk}/change/")):
        assert "Editor" in page.content.decode()
        assert editor.client_secret not in page.content.decode()
        assert "nexus_sha256" not in page.content.decode()
        assert "View on site" not in page.content.decode()
    assert staff.get(f"{path}add/").status_code == 403
    assert staff.post(f"{path}{pk}/change/", {"name": "x"}).status_code == 403
    assert staff.post(f"{path}{pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("path", [APPLICATIONS, CONNECTIONS, SESSIONS])
def test_the_number_of_queries_does_not_grow_with_rows(staff, alice, work, access, path):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            staff.get(path)
        return len(queries)

    staff.get(path)
    first = count()
    for number in range(6):
        cast.make_access_token(alice, work, cast.make_application(name=f"app {number}"))
    assert count() == first <= 9


def test_they_are_found_by_what_is_known_of_them(staff, acme, alice, editor, access):
    desk = Application.objects.register(
        acme, user=alice, name="Desk", may_exchange=True, request_key=uuid4(), by=cast.OPERATOR, now=timezone.now()
    ).application
    assert shown(staff, APPLICATIONS, {"q": desk.client_id}) == {"Desk"}
    assert shown(staff, APPLICATIONS, {"q": "edit"}) == {"Editor"}
    assert shown(staff, APPLICATIONS, {"registration_source__exact": "dcr"}) == {"Editor"}
    assert shown(staff, APPLICATIONS, {"state": "disabled"}) == set()
    assert shown(staff, APPLICATIONS, {"state": "enabled"}) == {"Desk", "Editor"}
    public_id = Connection.objects.get().public_id
    for query in (public_id, f"nxso_{public_id}_…", "alice@", "editor", "work"):
        assert shown(staff, CONNECTIONS, {"q": query}) == {"Editor (work)"}
    assert len(shown(staff, SESSIONS, {"q": public_id})) == 1


def test_disabling_asks_first_then_refuses_what_registered_itself(staff, editor, access):
    page = act(staff, APPLICATIONS, "disable", editor)
    assert "until somebody enables it" in page.content.decode()
    assert f"Editor ({editor.client_id})" in page.content.decode()
    assert refusal(access[1]) is None
    assert act(staff, APPLICATIONS, "disable", editor, confirmed="1").status_code == 302
    assert refusal(access[1]) is lookup.Refusal.REVOKED
    assert "Done: 1" in staff.get(APPLICATIONS).content.decode()
    event = Event.objects.get(action=Action.APPLICATION_CHANGED)
    assert (event.actor_label, event.account_id) == ("sam@example.com", None)
    act(staff, APPLICATIONS, "disable", editor, confirmed="1")
    assert "it was so already" in staff.get(APPLICATIONS).content.decode()


def test_enabling_is_new_authority_and_needs_a_confirmation(sam, staff, editor, access):
    editor.disable(by=cast.OPERATOR, now=timezone.now())
    answer = act(browser_of(sam, confirmed=False), APPLICATIONS, "enable", editor)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (303, "/accounts/confirm/")
    assert refusal(access[1]) is lookup.Refusal.REVOKED
    act(staff, APPLICATIONS, "enable", editor)
    assert refusal(access[1]) is None


def test_removing_ends_all_that_came_of_it(staff, editor, access):
    act(staff, APPLICATIONS, "remove", editor)
    assert Application.objects.exists()
    act(staff, APPLICATIONS, "remove", editor, confirmed="1")
    assert lookup.token_with(keys.digest(access[1]), keys.Kind.ACCESS)[1] is None
    assert not Application.objects.exists()


def test_a_connection_is_revoked_and_a_session_is_ended(staff, alice, work, editor, access):
    session = OAuthSession.objects.get()
    act(staff, SESSIONS, "end_now", session)
    assert refusal(access[1]) is None
    act(staff, SESSIONS, "end_now", session, confirmed="1")
    assert refusal(access[1]) is lookup.Refusal.REVOKED
    _, again = cast.make_access_token(alice, work, editor)
    act(staff, CONNECTIONS, "revoke", Connection.objects.get(), confirmed="1")
    assert refusal(again) is lookup.Refusal.REVOKED
    assert Event.objects.get(action=Action.APPLICATION_DISCONNECTED).actor_label == "sam@example.com"


def test_who_is_not_staff_ends_nothing(client, alice, editor, access):
    client.force_login(alice)
    act(client, APPLICATIONS, "remove", editor, confirmed="1")
    act(client, CONNECTIONS, "revoke", Connection.objects.get(), confirmed="1")
    assert refusal(access[1]) is None


@pytest.mark.parametrize("path", [APPLICATIONS, CONNECTIONS, SESSIONS])
def test_a_secret_typed_as_a_search_is_refused(staff, access, path):
    answer = staff.get(path, {"q": access[1]})
    assert answer.status_code == 400
    assert access[1] not in answer.content.decode()
