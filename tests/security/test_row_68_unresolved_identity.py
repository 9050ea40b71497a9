"""Row 68: who cannot be told for certain is refused, and never goes on as nobody in particular."""

import psycopg
import pytest
from django.db import connection

from activity.models import Call
from profiles.models import Member, User
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser
from tokens import keys

pytestmark = EVERYTHING
ANSWERS_TO_ALL = {"initialize", "ping", "tools/list", "nosuch/method", "server/discover"}


def refused_everywhere(scene, secret):
    """Ask for all that the hub has; return the statuses."""
    statuses = {scene.live.call(secret, method).status_code for method in ANSWERS_TO_ALL}
    statuses |= {scene.live.tool(secret, name).status_code for name in ("echo__echo", "nexus_status")}
    sent = {"Authorization": f"Bearer {secret}"} if secret else {}
    return statuses | {scene.live.request("GET", "/hub/token/verify", headers=sent).status_code}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "secret", [None, "null", "undefined", "None", "anonymous", "0", "nxs_", "{}", "[]", "''", "Bearer", "true"]
)
def test_no_credentials_and_empty_ones_are_nobody_s(scene, secret):
    assert refused_everywhere(scene, secret) <= {400, 401}
    assert scene.upstream.received == []
    assert not Call.objects.exists()


@pytest.mark.sqlite
def test_a_well_formed_secret_of_nobody_is_refused_for_everything(scene):
    assert refused_everywhere(scene, keys.make(keys.Kind.DELEGATED).text) == {401}
    for kind in set(keys.Kind) - {keys.Kind.DELEGATED}:
        assert refused_everywhere(scene, keys.make(kind).text) <= {400, 401}


@pytest.mark.sqlite
@pytest.mark.parametrize("act", ["leaves the account", "is disabled"])
def test_a_token_whose_owner_is_no_longer_somebody_here_is_refused_for_everything(scene, act):
    if act == "is disabled":
        User.objects.filter(pk=scene.alice.pk).update(is_active=False)
    else:
        Member.objects.filter(user=scene.alice, account=scene.acme).delete()
    assert refused_everywhere(scene, scene.secret) == {401}
    assert scene.upstream.calls == []


@pytest.mark.sqlite
def test_a_role_that_cannot_be_read_gives_no_access_to_hub_or_pages(scene):
    Member.objects.filter(user=scene.bob, account=scene.acme).update(role="auditor")
    client = browser(scene.bob, raise_request_exception=False)
    for path in (f"/toolkits/{scene.work.pk}/", f"/tokens/{scene.issued.token.public_id}/"):
        assert client.get(path).status_code in (403, 404, 500, 503), path
    assert b"Work" not in client.get("/toolkits/").content  # the account itself is named: they are in it


@pytest.mark.sqlite
def test_a_session_of_a_person_who_is_gone_is_nobody_s(scene):
    client = browser(scene.bob)
    assert client.get("/tokens/").status_code == 200
    User.objects.filter(pk=scene.bob.pk).update(is_active=False)
    answer = client.get("/tokens/")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert client.get("/api/v1/tokens").status_code in (401, 403)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "cookie",
    ["", "x", "null", "9da7bb38-7c3b-45cf-b5d7-d887cd441074", "../../etc/passwd", "a" * 4000, "nexus_session", "%00"],
)
def test_a_session_that_is_not_ours_is_nobody_s(scene, cookie):
    sent = {"Cookie": f"nexus_session={cookie}"}
    assert scene.live.request("GET", "/tokens/", headers=sent).status_code == 302
    assert scene.live.request("GET", "/api/v1/tokens", headers=sent).status_code in (401, 403)


def test_while_the_database_does_not_say_whose_a_token_is_the_answer_is_503(scene):
    """The table is locked for longer than the hub waits, as by a migration that hangs."""
    parameters = connection.get_connection_params()
    where = {name: parameters[name] for name in ("host", "user", "dbname")}
    with psycopg.connect(**where) as other:
        other.execute("LOCK TABLE tokens_delegatedtoken IN ACCESS EXCLUSIVE MODE")
        answer = scene.live.tool(scene.issued, "echo__echo")
        assert answer.status_code == 503
        assert "nothing is allowed now" in answer.json()["error"]["message"]
        assert scene.upstream.calls == []
        other.rollback()
    assert scene.live.tool(scene.issued, "echo__echo").status_code == 200
