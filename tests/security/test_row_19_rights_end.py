"""Row 19: the rights of a token end with what they came of, in every process, before the act is answered."""

import pytest
from django.utils import timezone

from profiles.permissions import Role
from tests import cast
from tests.fleet import Flood, statuses

pytestmark = pytest.mark.slow


def disable(stage, now):
    stage.member.disable(by=cast.OPERATOR, now=now)


def remove_member(stage, now):
    stage.account.members.get(user=stage.member).remove(by=cast.OPERATOR, now=now)


def make_end_user(stage, now):
    stage.account.members.get(user=stage.member).change_role(Role.END_USER, by=cast.OPERATOR, now=now)


def pause_toolkit(stage, now):
    stage.toolkit.pause(by=cast.OPERATOR, now=now)


def archive_toolkit(stage, now):
    stage.toolkit.archive(by=cast.OPERATOR, now=now)


def pause_account(stage, now):
    stage.account.pause(by=cast.OPERATOR, now=now)


def pause_token(stage, now):
    stage.issued.token.pause(by=cast.OPERATOR, now=now)


def delete_toolkit(stage, now):
    stage.toolkit.delete_for_good(by=cast.OPERATOR, now=now)


ACTS = {
    "user disabled": (disable, 401),
    "member removed": (remove_member, 401),
    "role changed": (make_end_user, 403),
    "toolkit paused": (pause_toolkit, 403),
    "toolkit archived": (archive_toolkit, 403),
    "account paused": (pause_account, 403),
    "token paused": (pause_token, 403),
    "toolkit deleted": (delete_toolkit, 401),
}


@pytest.mark.parametrize("act", ACTS)
def test_no_accepted_call_begins_after_the_answer(stage, act):
    change, status = ACTS[act]
    with Flood(stage.hubs, stage.secret) as flood:
        flood.wait_for(200, 30)
        change(stage, timezone.now())
        answered_at = timezone.now().timestamp()
        flood.wait_for(status, 30)
    assert flood.after(answered_at, stage.secret) == {status}
    assert stage.begun_after(answered_at) == []


def test_a_server_that_was_removed_is_not_asked_any_more(stage):
    """The token is as good as before; what it could call is gone."""
    assert statuses(stage.hubs, stage.secret) == [200, 200, 200]
    stage.server.remove(by=cast.OPERATOR, now=timezone.now())
    stage.fleet.upstream.forget()
    for hub in stage.hubs:
        answer = hub.tool(stage.secret, "echo__echo").json()
        assert "not in toolkit" in answer["error"]["message"]
    assert stage.fleet.upstream.calls == []


def test_what_was_paused_goes_on_when_it_is_resumed(stage):
    for subject in (stage.issued.token, stage.toolkit, stage.account):
        subject.pause(by=cast.OPERATOR, now=timezone.now())
        assert statuses(stage.hubs, stage.secret) == [403, 403, 403]
        subject.resume(by=cast.OPERATOR, now=timezone.now())
        assert statuses(stage.hubs, stage.secret) == [200, 200, 200]
