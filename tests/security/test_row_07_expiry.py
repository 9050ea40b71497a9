"""Row 7: a token ends at its second, whoever sweeps or does not."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING
from tokens.models import DelegatedToken

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def test_a_token_works_until_the_second_it_ends_and_not_from_then_on(scene):
    """Calls go on across the end: none that began before it is refused, none that ended after it is let through."""
    now = timezone.now().replace(microsecond=0)
    begun = now - timedelta(days=6)
    issued = cast.make_token(scene.alice, scene.work, "brief", life=now + timedelta(seconds=3) - begun, now=begun)
    ends = issued.token.expires_at.timestamp()
    taken = refused = 0
    while refused < 5 and time.time() < ends + 10:
        before = time.time()
        status = scene.live.tool(issued, "echo__echo").status_code
        after = time.time()
        assert status in (200, 401)
        assert before < ends if status == 200 else after >= ends
        taken, refused = taken + (status == 200), refused + (status == 401)
    assert taken > 3
    assert refused == 5
    issued.token.refresh_from_db()
    assert issued.token.stage == DelegatedToken.Stage.CURRENT  # nobody has swept: the clock alone decides


def test_a_token_that_nobody_swept_for_a_day_is_refused_and_says_since_when(scene):
    begun = timezone.now() - timedelta(days=3)
    issued = cast.make_token(scene.alice, scene.work, "stale", life=timedelta(days=2), now=begun)
    answer = scene.live.tool(issued, "echo__echo")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    ended = issued.token.expires_at.astimezone(UTC)
    assert f"{ended:%d %b %Y, %H:%M} UTC" in answer.json()["error"]["message"]
    assert scene.upstream.calls == []


def test_every_address_of_the_hub_refuses_an_ended_token(scene):
    begun = timezone.now() - timedelta(days=3)
    issued = cast.make_token(scene.alice, scene.work, "stale", life=timedelta(days=2), now=begun)
    bearer = {"Authorization": f"Bearer {issued.key.text}"}
    for method, path in [
        ("GET", "/hub/token/verify"), ("GET", "/hub/mcp"), ("DELETE", "/hub/mcp"), ("POST", "/mcp"), ("HEAD", "/mcp"),
    ]:  # fmt: skip
        assert scene.live.request(method, path, headers=bearer).status_code == 401, (method, path)


def test_an_answer_says_when_the_token_ends_and_warns_on_its_last_day(scene):
    answer = scene.live.call(scene.issued)
    assert answer.headers["nexus-token-id"] == scene.issued.token.public_id
    assert datetime.fromisoformat(answer.headers["nexus-token-expires"]) == scene.issued.token.expires_at
    assert "nexus-token-warning" not in answer.headers
    brief = cast.make_token(scene.alice, scene.work, "brief", life=timedelta(hours=2))
    assert "nexus-token-warning" in scene.live.call(brief).headers
