"""Row 23: every address × management keys. They open the REST API, as far as their scopes and owners go; nothing else."""

import pytest
from django.test import Client

from profiles.models import Event
from tests import cast
from tests.security.doors import Door, door_of
from tests.security.test_row_23_every_route import HUB, addresses, content_of, undone  # noqa: F401  (a fixture)
from tokens.scopes import SCOPES

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
FULL, READS, ANOTHERS = "every scope", "only reads", "another person's"
METHODS = ("get", "post")  # what has another is walked in row 30, by the schema


@pytest.fixture
def secrets(alice, acme, charlie, settings):
    settings.NEXUS_RATE_REST = 1_000_000
    other = cast.make_account("Other", owner=charlie)
    reads = [scope for scope in SCOPES if scope.endswith(":read")]
    return {
        FULL: cast.make_key(alice, acme, SCOPES, "full")[1],
        READS: cast.make_key(alice, acme, reads, "reader")[1],
        ANOTHERS: cast.make_key(charlie, other, SCOPES, "other")[1],
    }


def ask(method, path, secret, *, as_cookie=False):
    """Send it with the key, to be undone; return the answer."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    if as_cookie:
        client.cookies["nexus_session"] = secret
    body = {"content_type": "application/json", "data": "{}"} if method == "post" else {}
    with undone():
        return getattr(client, method)(path, headers={"authorization": f"Bearer {secret}"}, **body)


def routes_of(addresses, *doors):  # noqa: F811
    return [path for route, path in addresses.items() if door_of(route) in doors]


def test_a_key_opens_no_page_and_makes_no_session(addresses, secrets):  # noqa: F811
    for path in routes_of(addresses, None, Door.STAFF):
        for method in METHODS:
            answer = ask(method, path, secrets[FULL], as_cookie=True)
            is_login = answer.status_code == 302 and "login/" in answer["Location"]
            assert is_login or answer.status_code in (401, 403, 404, 405), (method, path, answer.status_code)
            assert "nexus_session" not in answer.cookies or not answer.cookies["nexus_session"].value, path


def test_a_key_reaches_in_the_api_what_its_scopes_and_its_owner_reach(addresses, secrets):  # noqa: F811
    """Reading is let in, writing needs more than reading, and of somebody else's things nothing is there."""
    events, wrong = Event.objects.count(), []
    for path in routes_of(addresses, Door.API):
        read, written = ask("get", path, secrets[FULL]), ask("post", path, secrets[READS])
        others = [ask(method, path, secrets[ANOTHERS]) for method in METHODS]
        if read.status_code in (401, 403):
            wrong.append(("let in to read", path, read.status_code))
        if written.status_code not in (403, 404, 405):
            wrong.append(("refused to write", path, written.status_code))
        if any("Acme" in content_of(answer) for answer in others):
            wrong.append(("shows nothing of another account", path))
        wrong += [("breaks", path) for answer in (read, written, *others) if answer.status_code >= 500]
    assert wrong == []
    assert Event.objects.count() == events


def test_a_key_is_no_delegated_token(addresses, secrets):  # noqa: F811
    for path in routes_of(addresses, Door.BEARER):
        for method in METHODS:
            assert ask(method, path, secrets[FULL]).status_code in (401, 403, 405), (method, path)


def test_a_key_opens_no_address_of_the_hub(scene, settings):
    secret = cast.make_key(scene.alice, scene.acme, SCOPES)[1]
    for method, path in HUB:
        answer = scene.live.request(method, path, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 401, (method, path)
        assert secret not in answer.text
