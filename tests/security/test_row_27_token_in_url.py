"""Row 27: a token in an address is refused, told to its owner, and redacted in the logs."""

import pytest

from profiles.events import Action, Event
from tests.security.conftest import EVERYTHING
from tokens import keys

pytestmark = EVERYTHING


@pytest.mark.parametrize("path", ["/hub/mcp", "/mcp", "/hub/token/verify"])
@pytest.mark.parametrize("key", ["access_token", "token", "api_key", "ACCESS_TOKEN", "anything"])
def test_a_token_in_the_query_is_refused_and_its_owner_told(scene, key, path):
    bearer = {"Authorization": f"Bearer {scene.secret}"}
    for headers in ({}, bearer):
        answer = scene.live.request("GET", f"{path}?{key}={scene.secret}", headers=headers)
        assert answer.status_code == 400
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]
        assert scene.secret not in answer.text + str(answer.headers)
    event = Event.objects.filter(action=Action.TOKEN_IN_URL).last()
    assert event is not None
    assert event.account_id == scene.acme.pk
    assert scene.secret not in str(vars(event))
    assert scene.secret[17:] not in scene.live.log


def test_a_value_of_such_a_name_is_refused_whatever_it_is(scene):
    for query in ("access_token=x", "token=", "api_key=%20", "Token=1"):
        assert scene.live.call(scene.issued, url=f"/hub/mcp?{query}").status_code == 400, query
    assert not Event.objects.filter(action=Action.TOKEN_IN_URL).exists()


def test_a_guess_in_the_query_leaves_no_trace(scene):
    guess = keys.make(keys.Kind.DELEGATED).text
    assert scene.live.call(None, url=f"/hub/mcp?token={guess}").status_code == 400
    assert not Event.objects.filter(action=Action.TOKEN_IN_URL).exists()


def test_a_token_in_the_path_opens_nothing_and_is_not_logged(scene):
    for path in (f"/{scene.secret}/sse", f"/mcp/{scene.secret}", f"/hub/mcp/{scene.secret}"):
        answer = scene.live.call(None, url=path)
        assert answer.status_code == 400
        assert scene.secret not in str(answer.headers)
    assert Event.objects.filter(action=Action.TOKEN_IN_URL, subject_id=str(scene.issued.token.pk)).exists()
    assert scene.secret[17:] not in scene.live.log


def test_other_query_keys_are_ignored(scene):
    assert scene.live.call(scene.issued, url="/hub/mcp?utm=1&x&tokens=3&a=b").status_code == 200
