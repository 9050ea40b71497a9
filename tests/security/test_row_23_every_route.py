"""Row 23: every address has a line in this table. A new one without a line fails; what is not said is denied."""

import uuid
from enum import Enum

import pytest
from django.utils import timezone

from profiles.models import Authorization, Grant
from tests import cast
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser, filled_in, routes
from tokens.models import Webhook

pytestmark = [EVERYTHING, pytest.mark.sqlite]


class Door(Enum):
    OPEN = "anybody, signed in or not"
    SIGNED_IN = "any person, who sees their own only"
    OWN = "who may see that one thing; for strangers it is not there"
    STAFF = "staff of the instance"
    API = "a signed-in person, as JSON"
    BEARER = "a delegated token, which sees and ends itself"


TABLE = {
    "": Door.SIGNED_IN,
    "install/": Door.SIGNED_IN,
    "toolkits/": Door.SIGNED_IN,
    "toolkits/new/": Door.SIGNED_IN,
    "toolkits/<uuid:pk>/": Door.OWN,
    "servers/": Door.SIGNED_IN,
    "servers/add/": Door.SIGNED_IN,
    "servers/<uuid:pk>/": Door.SIGNED_IN,  # the server of the cast is in the catalog, which all may see
    "tokens/": Door.SIGNED_IN,
    "tokens/<": Door.OWN,
    "tokens/applications/": Door.SIGNED_IN,
    "tokens/applications/<": Door.OWN,
    "applications/": Door.SIGNED_IN,  # of the account in which they manage; a stranger's is their own
    "applications/<": Door.OWN,
    "tokens/feed/<": Door.OPEN,  # calendar programs show the secret in the address
    "settings/webhooks/<": Door.OWN,
    "settings/policies/<": Door.OWN,
    "activity/": Door.SIGNED_IN,
    "activity/calls/<": Door.OWN,
    "settings/": Door.SIGNED_IN,
    "guide/": Door.SIGNED_IN,
    "accounts/": Door.OPEN,
    "api/v1/": Door.API,
    "admin/": Door.STAFF,
    "authorizations/": Door.SIGNED_IN,
    "authorizations/<": Door.OWN,
    "oauth/client.json": Door.OPEN,
    "oauth/token": Door.OPEN,  # programs say who they are in the form
    "token": Door.OPEN,
    "oauth/register": Door.OPEN,
    "register": Door.OPEN,
    ".well-known/": Door.OPEN,  # what clients read before anybody has signed in
    "hub/mcp/.well-known/": Door.OPEN,
    "mcp/.well-known/": Door.OPEN,
    "oauth/authorize": Door.OPEN,  # who is not known to it gets no further than a page that says so
    "authorize": Door.OPEN,
    "oauth/revoke": Door.OPEN,
    "oauth/introspect": Door.OPEN,
}
# Within a prefix: what differs from it.
EXCEPTIONS = {
    "accounts/confirm/": Door.SIGNED_IN,
    "accounts/reauthenticate/": Door.SIGNED_IN,
    "accounts/email/": Door.SIGNED_IN,
    "accounts/password/change/": Door.SIGNED_IN,
    "accounts/password/set/": Door.SIGNED_IN,
    "settings/mail/": Door.STAFF,
    "api/v1/tokens/self": Door.BEARER,
    "api/v1/credentials/revoke": Door.OPEN,  # a report of leaked credentials, which is nobody's act
}


def door_of(path: str) -> Door | None:
    """Return the line of the longest prefix in the tables; the root stands for itself alone."""
    lines = TABLE | EXCEPTIONS
    found = [prefix for prefix in lines if path == prefix or (prefix and path.startswith(prefix))]
    return lines[max(found, key=len)] if found else None


@pytest.fixture
def addresses(acme, alice, work):
    """Return each address with the names of Acme's things filled in, and its door."""
    token, server = cast.make_token(alice, work).token, work.servers.get()
    server.sign_in_by("bearer", by=cast.OPERATOR, now=timezone.now())
    authorization = Authorization.objects.connect(
        server, acme, alice, Grant("s3cret"), by=cast.OPERATOR, now=timezone.now()
    )
    application = cast.make_application(acme, "Desk of Acme", client_id="Desk01234567")
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="Acme", kinds=["token.revoked"], by=cast.OPERATOR, now=timezone.now()
    )  # fmt: skip
    names = {
        "public_id": token.public_id, "pk": work.pk, "server_pk": server.pk, "uuid": uuid.uuid4(),
        "client_id": application.client_id, "delivery_pk": hook.send_test(now=timezone.now()).pk,
    }  # fmt: skip
    found = []
    keys = {"servers/": server.pk, "authorizations/connect/": server.pk, "authorizations/<": authorization.pk,
            "settings/webhooks/<": hook.pk}  # fmt: skip
    for path, _ in routes():
        own = [{"pk": pk} for prefix, pk in keys.items() if path.startswith(prefix)]
        found.append((filled_in(path, names | (own[0] if own else {})), door_of(path)))
    return found


def test_every_route_has_a_line():
    assert [path for path, _ in routes() if door_of(path) is None] == []


def test_every_line_has_a_route():
    paths = [path for path, _ in routes()]
    unused = [line for line in TABLE if not any(path.startswith(line) for path in paths)]
    assert unused == []


def test_whoever_is_not_signed_in_gets_open_pages_only(addresses):
    for path, door in addresses:
        if door is Door.OPEN:
            continue
        for method in ("get", "post", "put", "patch", "delete"):
            answer = getattr(browser(), method)(path)
            if door in (Door.API, Door.BEARER):
                assert answer.status_code in (401, 403, 404), (method, path)
            else:
                assert answer.status_code in (302, 403, 404, 405), (method, path, answer.status_code)
                if answer.status_code == 302:
                    assert "login/" in answer["Location"], (method, path)


def test_a_delegated_token_opens_no_page_and_makes_no_session(addresses, alice, work):
    secret = cast.make_token(alice, work, "bearer").key.text
    for path, door in addresses:
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


def test_a_stranger_sees_nothing_of_others_and_no_staff_page(addresses, charlie):
    for path, door in addresses:
        answer = browser(charlie).get(path)
        if door is Door.OWN:
            assert answer.status_code in (404, 405), (path, answer.status_code)
        elif door is Door.STAFF:
            assert answer.status_code in (302, 403, 404), path
        page = answer.content.decode(errors="replace")
        assert "Acme" not in page, path


def test_a_member_who_is_not_staff_does_not_enter_the_admin(addresses, alice, bob):
    for person in (alice, bob):
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
