"""Row 49, at the token endpoint: PKCE, codes and refresh tokens used twice, grants that are gone; over sockets."""

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.security.conftest import EVERYTHING
from tests.tokens.oauth.flow import REDIRECT, VERIFIER, make_code
from tokens.models import Authority, Grant, OAuthSession

pytestmark = [EVERYTHING, pytest.mark.sqlite]


@pytest.fixture
def client(scene):
    return cast.make_application()


def post(scene, client, **form):
    return scene.live.request("POST", "/oauth/token", data={"client_id": client.client_id} | form)


def redeem(scene, client, code, **form):
    wanted = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT}
    return post(scene, client, **(wanted | form))


def refresh(scene, client, token):
    return post(scene, client, grant_type="refresh_token", refresh_token=token)


def opens(scene, answer) -> bool:
    return scene.live.call(answer.json()["access_token"]).status_code == 200


def test_a_stolen_code_is_worth_nothing_without_its_verifier(scene, client):
    code = make_code(scene.alice, scene.work, client)
    for form in ({"code_verifier": "w" * 43}, {"code_verifier": ""}, {"code_verifier": VERIFIER}):
        assert redeem(scene, client, code, **form).status_code == 400
    plain = make_code(scene.alice, scene.work, client, code_challenge=VERIFIER, code_challenge_method="plain")
    assert redeem(scene, client, plain).status_code == 400
    assert not OAuthSession.objects.exists()


def test_a_code_used_twice_closes_the_hub_to_what_it_gave(scene, client):
    code = make_code(scene.alice, scene.work, client)
    first = redeem(scene, client, code)
    assert opens(scene, first)
    assert redeem(scene, client, code).json()["error"] == "invalid_grant"
    assert scene.live.call(first.json()["access_token"]).status_code == 401
    assert refresh(scene, client, first.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_used_twice_closes_the_hub_to_the_whole_session(scene, client):
    first = redeem(scene, client, make_code(scene.alice, scene.work, client))
    second = refresh(scene, client, first.json()["refresh_token"])
    assert opens(scene, first)
    assert opens(scene, second)
    assert refresh(scene, client, first.json()["refresh_token"]).json()["error"] == "invalid_grant"
    for answer in (first, second):
        assert scene.live.call(answer.json()["access_token"]).status_code == 401
    assert refresh(scene, client, second.json()["refresh_token"]).status_code == 400


def test_revocation_is_answered_when_the_hub_knows(scene, client):
    tokens = redeem(scene, client, make_code(scene.alice, scene.work, client))
    assert opens(scene, tokens)
    form = {"client_id": client.client_id, "token": tokens.json()["refresh_token"]}
    assert scene.live.request("POST", "/oauth/revoke", data=form).status_code == 200
    assert scene.live.call(tokens.json()["access_token"]).status_code == 401


def test_a_code_of_one_client_in_the_hands_of_another_ends_nobodys_session(scene, client):
    thief, code = cast.make_application(name="Thief"), make_code(scene.alice, scene.work, client)
    assert redeem(scene, thief, code).status_code == 400
    tokens = redeem(scene, client, code)
    assert redeem(scene, thief, code).status_code == 400
    assert refresh(scene, thief, tokens.json()["refresh_token"]).status_code == 400
    assert opens(scene, tokens)


GONE = ["password", "implicit", "token", "urn:ietf:params:oauth:grant-type:device_code", "none", "PASSWORD"]


@pytest.mark.parametrize("grant_type", GONE)
def test_grants_of_old_are_gone(scene, client, grant_type):
    answer = post(scene, client, grant_type=grant_type, username="alice@example.com", password=cast.PASSWORD)
    assert answer.json()["error"] == "unsupported_grant_type"


def test_no_secret_of_the_flow_is_in_the_log_or_in_an_event(scene, client):
    code = make_code(scene.alice, scene.work, client)
    tokens = redeem(scene, client, code).json()
    refresh(scene, client, tokens["refresh_token"])
    refresh(scene, client, tokens["refresh_token"])
    redeem(scene, client, code)
    told = scene.live.log + str(list(Event.objects.values())) + str(list(Grant.objects.values()))
    for secret in (code, VERIFIER, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in told


def test_an_access_token_of_one_toolkit_opens_no_other(scene, client):
    secret = redeem(scene, client, make_code(scene.alice, scene.work, client)).json()["access_token"]
    answer = scene.live.call(secret, url="/hub/mcp?profile=sales")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_a_person_who_is_disabled_refreshes_nothing_from_then_on(scene, client):
    tokens = redeem(scene, client, make_code(scene.alice, scene.work, client))
    epoch = Authority.objects.get().epoch
    scene.alice.disable(by=cast.OPERATOR, now=timezone.now())
    assert Authority.objects.get().epoch > epoch
    assert refresh(scene, client, tokens.json()["refresh_token"]).json()["error"] == "invalid_grant"
    assert scene.live.call(tokens.json()["access_token"]).status_code == 401
