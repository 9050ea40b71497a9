"""Row 18: the answer to a replacement is lost: the old token works on, asking again helps, and none is left over."""

import pytest
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING
from tokens.models import DelegatedToken

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def test_the_old_token_works_and_a_second_request_gives_a_fresh_one(scene):
    lost = scene.issued.token.replace(by=cast.OPERATOR, now=timezone.now())
    assert scene.live.tool(scene.issued, "echo__echo").status_code == 200
    fresh = scene.issued.token.replace(by=cast.OPERATOR, now=timezone.now())
    assert fresh.key.text != lost.key.text
    assert scene.live.tool(lost, "echo__echo").status_code == 401
    assert scene.live.tool(fresh, "echo__echo").status_code == 200
    living = DelegatedToken.objects.living(timezone.now()).filter(family=scene.issued.token.family)
    assert sorted(living.values_list("stage", flat=True)) == ["current", "overlapping"]
