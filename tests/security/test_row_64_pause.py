"""Row 64: a paused token gets a 403 with the reason, to the holder of the real secret only; resuming is confirmed."""

import pytest
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser
from tokens import keys

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def test_it_is_refused_with_the_reason_everywhere_and_goes_on_when_resumed(scene):
    token, now = scene.issued.token, timezone.now()
    token.pause(by=cast.OPERATOR, now=now)
    bearer = {"Authorization": f"Bearer {scene.secret}"}
    verified = scene.live.request("GET", "/hub/token/verify", headers=bearer)
    for answer in (scene.live.tool(scene.issued, "echo__echo"), scene.live.call(scene.issued), verified):
        assert answer.status_code == 403
        assert answer.json()["error"]["data"]["reason"] == "paused"
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert scene.upstream.calls == []
    token.resume(by=cast.OPERATOR, now=now)
    assert scene.live.tool(scene.issued, "echo__echo").status_code == 200


def test_who_has_no_secret_is_not_told_of_the_pause(scene):
    scene.issued.token.pause(by=cast.OPERATOR, now=timezone.now())
    wrong = keys.make(keys.Kind.DELEGATED, scene.issued.token.public_id).text
    unknown = keys.make(keys.Kind.DELEGATED).text
    first, second = (scene.live.call(text) for text in (wrong, unknown))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 401


def test_its_end_and_its_revocation_go_before_the_pause(scene):
    token = scene.issued.token
    token.pause(by=cast.OPERATOR, now=timezone.now())
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    answer = scene.live.call(scene.issued)
    assert (answer.status_code, answer.json()["error"]["data"]["reason"]) == (401, "revoked")


def test_resuming_needs_a_fresh_confirmation_and_the_token_itself_cannot(scene):
    token = scene.issued.token
    token.pause(by=cast.OPERATOR, now=timezone.now())
    path = f"/tokens/{token.public_id}/resume/"
    assert "/accounts/confirm/" in browser(scene.alice, confirmed_ago=3600).post(path)["Location"]
    assert browser().post(path, HTTP_AUTHORIZATION=f"Bearer {scene.secret}").status_code in (302, 401, 403)
    assert scene.live.call(scene.issued).status_code == 403
    browser(scene.alice).post(path)
    assert scene.live.call(scene.issued).status_code == 200


def test_a_pending_successor_of_a_paused_token_does_not_take_over(scene):
    token = scene.issued.token
    successor = token.replace(by=cast.OPERATOR, now=timezone.now())
    token.pause(by=cast.OPERATOR, now=timezone.now())
    assert scene.live.call(successor).status_code == 403
    successor.token.refresh_from_db()
    assert successor.token.stage == successor.token.Stage.PENDING
