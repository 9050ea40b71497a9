"""Row 17: the overlap of a replaced token never outlives a deliberate end, and never its own expiry."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


@pytest.fixture
def replaced(scene):
    """The token and its successor, which has been used: both work."""
    new = scene.issued.token.replace(by=cast.OPERATOR, now=timezone.now())
    both = [new, scene.issued]
    assert [scene.live.tool(each, "echo__echo").status_code for each in both] == [200, 200]
    return both


@pytest.mark.parametrize("which", [0, 1], ids=["the new one", "the old one"])
def test_a_deliberate_end_ends_both_inside_the_overlap(scene, replaced, which):
    token = replaced[which].token
    token.refresh_from_db()
    assert token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert [scene.live.tool(each, "echo__echo").status_code for each in replaced] == [401, 401]


def test_two_generations_back_is_refused_and_the_owner_told(scene, replaced):
    newest = replaced[0].token.replace(by=cast.OPERATOR, now=timezone.now())
    assert scene.live.tool(newest, "echo__echo").status_code == 200
    assert scene.live.tool(scene.issued, "echo__echo").status_code == 401
    assert Event.objects.get(action="token.reused").subject_id == str(scene.issued.token.pk)
    assert scene.live.tool(newest, "echo__echo").status_code == 200  # to end the family is a policy, off by default


def test_the_overlap_never_exceeds_the_old_expiry(scene):
    brief = cast.make_token(scene.alice, scene.work, "brief", life=timedelta(hours=2))
    new = brief.token.replace(by=cast.OPERATOR, now=timezone.now(), overlap=timedelta(days=7))
    assert scene.live.tool(new, "echo__echo").status_code == 200
    brief.token.refresh_from_db()
    assert brief.token.retires_at == brief.token.expires_at
