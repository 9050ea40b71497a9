"""Row 23: every address has a line in the table of doors. Walked by every role; what is not said is denied."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from django.utils import timezone

from profiles.models import Account, Authorization, Event, Grant, Invitation
from profiles.permissions import Role
from tests import cast
from tests.activity.calls import make_call, make_finding
from tests.security import doors
from tests.security.doors import PORTAL, Door, door_of, has_a_line
from tests.security.pages import browser, filled_in, routes
from tokens.models import OAuthSession, Webhook

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
DENIED = (403, 404, 405)
OUTSIDERS = (doors.STRANGER, doors.ELSEWHERE, doors.FORMER, doors.STAFF)


@pytest.fixture
def cast_of_roles(acme, alice, bob, charlie, work):
    """Return the person of each role: Bob's are the token and the connection, the toolkit is assigned to Eve."""
    people = {role: cast.make_user(name) for role, name in
              ((doors.ADMIN, "Dora"), (doors.END_USER, "Eve"), (doors.FORMER, "Fred"), (doors.ELSEWHERE, "Gina"))}  # fmt: skip
    acme.members.create(user=people[doors.ADMIN], role=Role.ADMIN)
    cast.make_account("Other", owner=charlie, admin=people[doors.ELSEWHERE])
    work.assigned_members.add(acme.members.create(user=people[doors.END_USER], role=Role.END_USER))
    acme.add_member(people[doors.FORMER], Role.ADMIN, by=cast.OPERATOR, now=timezone.now()).remove(
        by=cast.OPERATOR, now=timezone.now()
    )
    staff = cast.make_user("Sam", is_staff=True, is_superuser=True)
    return people | {
        doors.OWNER: alice, doors.MEMBER: bob, doors.STRANGER: charlie, doors.STAFF: staff, doors.ANONYMOUS: None
    }  # fmt: skip


@pytest.fixture
def addresses(acme, alice, bob, work) -> dict[str, str]:
    """Return each address with the names of Acme's things filled in."""
    now = timezone.now()
    token, catalog = cast.make_token(bob, work).token, work.servers.get()
    server = cast.make_server("own", account=acme)
    work.add_server(server, allowed=[], by=cast.OPERATOR, now=now)
    server.sign_in_by("bearer", by=cast.OPERATOR, now=now)
    authorization = Authorization.objects.connect(server, acme, bob, Grant("s3cret"), by=cast.OPERATOR, now=now)
    application = cast.make_application(acme, "Desk of Acme", client_id="Desk01234567", client_type="confidential")
    cast.make_access_token(bob, work, application)
    session = OAuthSession.objects.select_related("connection").get()
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="Acme", kinds=["token.revoked"], by=cast.OPERATOR, now=now
    )
    invitation, _ = Invitation.objects.invite(
        acme, "new@example.com", Role.MEMBER, inviter=alice, by=cast.OPERATOR, now=now
    )
    finding = make_finding(token)
    names = {
        "public_id": token.public_id, "pk": work.pk, "server_pk": server.pk, "uuid": uuid.uuid4(),
        "entry_pk": work.entries.first().pk, "client_id": application.client_id,
        "delivery_pk": hook.send_test(now=now).pk,
    }  # fmt: skip
    keys = {
        "servers/": server.pk, "authorizations/connect/": server.pk, "authorizations/<": authorization.pk,
        "activity/unexpected/": finding.pk, "settings/webhooks/<": hook.pk, "organizations/": acme.pk, "members/": acme.members.get(user=bob).pk,
        "invitations/": invitation.pk, "tokens/of/": bob.pk, "tokens/applications/": session.pk,
        "settings/notifications/": acme.pk, "activity/calls/": make_call(token).pk, "settings/security/": 0,
    }  # fmt: skip
    own = {
        "tokens/applications/": session.connection.public_id,
        "settings/keys/": cast.make_key(bob, acme)[0].public_id,
    }
    assert catalog.account is None
    return {
        path: filled_in(
            path,
            names
            | next(({"pk": pk} for prefix, pk in keys.items() if path.startswith(prefix)), {})
            | next(({"public_id": key} for prefix, key in own.items() if path.startswith(prefix)), {}),
        )
        for path, _ in routes()
    }


def test_every_route_has_a_line():
    assert [path for path, _ in routes() if not has_a_line(path)] == []


def test_every_line_has_a_route():
    paths = [path for path, _ in routes()]
    assert [line for line in PORTAL if line not in paths] == []
    assert [line for line in doors.PREFIXES if not any(path.startswith(line) for path in paths)] == []


@contextmanager
def undone() -> Iterator[None]:
    """Take back what the request did, so that the next one meets the same Acme."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def verdict(answer) -> str:
    """Return what an address said: in, out, or what should never be."""
    if answer.status_code >= 500:
        return "broken"
    is_login = answer.status_code == 302 and "login/" in answer["Location"]
    return "out" if is_login or answer.status_code in DENIED else "in"


def content_of(answer) -> str:
    return "" if answer.streaming else answer.content.decode(errors="replace")


def walk(role, person, addresses, acme, *, cells) -> list[tuple[object, ...]]:
    """Send the requests of the table that are `cells`; return what an address said or did against it."""
    client = browser(person, raise_request_exception=False)
    shown = Account.objects.get(name="Other") if role == doors.ELSEWHERE else acme
    client.post("/settings/account/", {"account": str(shown.pk)})
    live = {"toolkit": str(acme.toolkits.last().pk)}
    data = {"settings/account/": {"account": str(acme.pk)}, "install/live/": live, "install/live/stream/": live}
    wrong, events = list[tuple[object, ...]](), Event.objects.count()
    for path, row in PORTAL.items():
        for method, allowed in zip(("get", "post"), row, strict=True):
            expected = "in" if role in allowed else "out"
            if expected not in cells:
                continue
            with undone():
                answer = getattr(client, method)(addresses[path], data.get(path, {}))
                if verdict(answer) != expected:
                    wrong.append((method, path, answer.status_code))
                if expected == "out" and Event.objects.count() != events:
                    wrong.append((method, path, "wrote an event"))
            if role in OUTSIDERS and "Acme" in content_of(answer):
                wrong.append((method, path, "names Acme"))
    return wrong


# The others fare as one of these does; `make proofs` walks as each.
WALKED = (doors.ADMIN, doors.MEMBER, doors.END_USER, doors.ELSEWHERE, doors.ANONYMOUS)
EVERY_ROLE = [pytest.param(role, marks=[] if role in WALKED else pytest.mark.slow) for role in doors.ROLES]


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_gets_where_the_table_does_not_let_it(role, cast_of_roles, addresses, acme):
    assert walk(role, cast_of_roles[role], addresses, acme, cells=("out",)) == []


@pytest.mark.slow
@pytest.mark.parametrize("role", doors.ROLES)
def test_each_role_gets_where_the_table_says(role, cast_of_roles, addresses, acme):
    wrong = walk(role, cast_of_roles[role], addresses, acme, cells=("in",))
    assert not wrong, wrong


def test_whoever_is_not_signed_in_gets_open_pages_only(addresses):
    for route, path in addresses.items():
        door = door_of(route)
        if door is Door.OPEN:
            continue
        for method in ("put", "patch", "delete") if route in PORTAL else ("get", "post", "put", "patch", "delete"):
            answer = getattr(browser(), method)(path)
            if door in (Door.API, Door.BEARER):
                assert answer.status_code in (401, 403, 404), (method, path)
            else:
                assert verdict(answer) == "out", (method, path, answer.status_code)


def test_a_delegated_token_opens_no_page_and_makes_no_session(addresses, alice, work):
    secret = cast.make_token(alice, work, "bearer").key.text
    for route, path in addresses.items():
        door = door_of(route)
        if door is Door.BEARER:
            continue
        for headers in ({"HTTP_AUTHORIZATION": f"Bearer {secret}"}, {"HTTP_COOKIE": f"nexus_session={secret}"}):
            for method in ("get", "post"):
                answer = getattr(browser(), method)(path, **headers)
                assert "nexus_session" not in answer.cookies or not answer.cookies["nexus_session"].value, path
                if door is Door.API and "HTTP_AUTHORIZATION" in headers:
                    assert answer.status_code in (403, 404), (method, path)
                elif door is not Door.OPEN:
                    assert answer.status_code in (302, 401, 403, 404, 405), (method, path)


def test_who_is_not_staff_does_not_enter_the_admin(addresses, alice, bob, charlie):
    for person in (alice, bob, charlie):
        for path in (
            "/admin/",
            "/admin/tokens/delegatedtoken/",
            "/admin/tokens/application/",
            "/admin/profiles/user/",
            "/settings/mail/",
        ):
            assert browser(person).get(path).status_code in (302, 403, 404), path


HUB = [("POST", "/hub/mcp"), ("GET", "/hub/mcp"), ("DELETE", "/hub/mcp"), ("POST", "/mcp"), ("GET", "/mcp"),
       ("DELETE", "/mcp"), ("PUT", "/mcp"), ("PATCH", "/mcp"), ("HEAD", "/mcp"), ("GET", "/hub/token/verify"),
       ("POST", "/hub/token/verify")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), HUB)
def test_the_hub_wants_credentials_before_it_looks_at_anything(scene, method, path):
    for headers in ({}, {"MCP-Protocol-Version": "1999-01-01"}, {"Content-Type": "text/plain"}):
        answer = scene.live.request(method, path, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


def test_what_the_token_may_do_is_the_same_over_every_hub_address(scene):
    bearer = {"Authorization": f"Bearer {scene.secret}"}
    for path in ("/hub/mcp", "/mcp"):
        assert scene.live.call(scene.issued, url=path).status_code == 200
        for method in ("GET", "DELETE", "PUT", "PATCH"):
            answer = scene.live.request(method, path, headers=bearer)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert scene.live.request("GET", "/hub/token/verify", headers=bearer).json()["profile"] == "work"
    for path in ("/hub/mcp", "/mcp", "/hub/token/verify"):
        for query in ("?profile=sales", "?accountId=x"):
            for method in ("GET", "POST", "DELETE"):
                assert scene.live.request(method, path + query, headers=bearer).status_code == 403, (method, path)


def test_health_says_no_more_than_it_must_to_anybody(scene):
    assert len(scene.live.request("GET", "/healthz").content) < 40
    forwarded = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {scene.secret}"}
    for path in ("/readyz", "/metrics"):
        assert scene.secret not in scene.live.request("GET", path, headers=forwarded).text
