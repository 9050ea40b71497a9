"""Row 20: a toolkit that is made again under a deleted one's alias does not take over its tokens."""

import pytest
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING

pytestmark = [EVERYTHING, pytest.mark.sqlite]


@pytest.mark.parametrize("who", ["bob", "alice"])
def test_the_token_of_the_old_one_stays_ended(scene, who):
    assert scene.live.tool(scene.issued, "echo__echo").status_code == 200
    server = scene.work.servers.get()
    scene.work.delete_for_good(by=cast.OPERATOR, now=timezone.now())
    scene.upstream.forget()
    again = cast.make_toolkit(scene.acme, "work", server, allowed=["echo", "add"])
    fresh = cast.make_token(getattr(scene, who), again, "fresh")
    for options in ({}, {"url": "/hub/mcp?profile=work"}, {"url": f"/hub/mcp?profile={again.pk}"}):
        answer = scene.live.call(scene.issued, **options)
        assert answer.status_code in (401, 403), options
        assert "result" not in answer.json()
    assert scene.upstream.calls == []
    assert scene.live.tool(fresh, "echo__add").status_code == 200


def test_an_alias_that_moved_to_another_toolkit_is_not_the_old_one(scene):
    server = scene.work.servers.get()
    scene.work.alias = "was-work"
    scene.work.save()
    other = cast.make_toolkit(scene.charlie.personal_account, "work", server, allowed=["add"])
    for options in ({"url": f"/hub/mcp?profile={other.pk}"}, {"headers": {"x-nexus-profile-id": str(other.pk)}}):
        assert scene.live.call(scene.issued, **options).status_code == 403
    listed = scene.live.call(scene.issued).json()["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["echo__echo", "nexus_status"]
