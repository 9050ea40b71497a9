"""Row 34: the OAuth endpoints for programs tell nobody what exists: same status, same bytes, same way."""

import base64

import pytest

from tests import cast
from tests.security.conftest import EVERYTHING
from tests.tokens.oauth.flow import SECRET, make_code, make_confidential, make_machine
from tokens import keys

pytestmark = [EVERYTHING, pytest.mark.sqlite]
VARIES = ("date", "x-request-id")


def post(scene, path, headers=None, **form):
    answer = scene.live.request("POST", path, data=form, headers=headers or {})
    told = {name: value for name, value in answer.headers.items() if name not in VARIES}
    return answer.status_code, told, answer.content


def basic(client_id: str, secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_token_that_exists_elsewhere_reads_like_one_that_does_not(scene, charlie):
    stranger = make_confidential(cast.make_account("Other", owner=charlie))
    client = cast.make_application()
    _, access = cast.make_access_token(scene.alice, scene.work, client)
    texts = [access, scene.secret, keys.make(keys.Kind.ACCESS).text, keys.make(keys.Kind.DELEGATED).text, "x"]
    for path, content in (("/oauth/introspect", b'{"active": false}'), ("/oauth/revoke", b"")):
        answers = [post(scene, path, basic(stranger.client_id), token=text) for text in texts]
        assert all(answer == answers[0] for answer in answers), path
        assert answers[0][::2] == (200, content)
    assert scene.live.call(access, url="/hub/mcp").status_code == 200
    assert scene.live.call(scene.issued, url="/hub/mcp").status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/token", "/oauth/revoke", "/oauth/introspect"])
def test_a_client_that_exists_reads_like_one_that_does_not(scene, path):
    robot = make_confidential(scene.acme)
    known, unknown = (
        post(scene, path, basic(client_id, "guess"), token="x", grant_type="refresh_token", refresh_token="x")
        for client_id in (robot.client_id, "n" * len(robot.client_id))
    )
    assert known == unknown
    assert known[0] == 401


def test_a_code_and_a_refresh_token_of_another_client_read_like_none(scene):
    mine, other = cast.make_application(name="Mine"), cast.make_application(name="Other")
    code = make_code(scene.alice, scene.work, other)
    form = {"client_id": mine.client_id, "code_verifier": "v" * 43}
    texts = (code, "no-such-code")
    codes = [post(scene, "/oauth/token", grant_type="authorization_code", code=text, **form) for text in texts]
    assert codes[0] == codes[1]
    assert codes[0][0] == 400


def test_a_toolkit_of_others_reads_like_none(scene):
    machine = make_machine(scene.acme, scene.work)
    form = {"grant_type": "client_credentials", "client_id": machine.client_id, "client_secret": SECRET}
    foreign, absent = (post(scene, "/oauth/token", nexus_profile=name, **form) for name in ("sales", "saler"))
    assert foreign[0] == absent[0] == 400
    assert foreign[2].replace(b"sales", b"saler") == absent[2]
