"""Row 6: an open stream is cut within five seconds of the end of its rights, and its last event says why."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.models import Server, Toolkit, User
from tests import cast
from tests.hub.conftest import hub_client, in_thread  # noqa: F401
from tests.hub.speaking import speaking
from tests.hub.test_eras import _prepare, initialized
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


def revoke(now):
    DelegatedToken.objects.get().revoke(by=cast.OPERATOR, reason="leaked", now=now)


def pause(now):
    DelegatedToken.objects.get().pause(by=cast.OPERATOR, now=now)


def disable_owner(now):
    User.objects.get(email="alice@example.com").disable(by=cast.OPERATOR, now=now)


def delete_toolkit(now):
    Toolkit.objects.get(alias="work").delete_for_good(by=cast.OPERATOR, now=now)


def pause_toolkit(now):
    Toolkit.objects.get(alias="work").pause(by=cast.OPERATOR, now=now)


def archive_toolkit(now):
    Toolkit.objects.get(alias="work").archive(by=cast.OPERATOR, now=now)


def pause_account(now):
    Toolkit.objects.get(alias="work").account.pause(by=cast.OPERATOR, now=now)


ACTS = {
    "revoked": (revoke, "was revoked"),
    "paused": (pause, "is paused"),
    "owner disabled": (disable_owner, "was revoked"),
    "toolkit deleted": (delete_toolkit, "was revoked"),
    "toolkit paused": (pause_toolkit, "which is paused"),
    "toolkit archived": (archive_toolkit, "which is archived"),
    "account paused": (pause_account, "which is paused"),
}


@pytest.mark.parametrize("act", ACTS)
async def test_the_stream_ends_and_names_the_reason(hub_client, in_thread, act):  # noqa: F811
    change, words = ACTS[act]
    async with speaking(False) as server:
        secret = await in_thread(_prepare, server)
        async with hub_client() as client:
            session = await initialized(client, secret)
            stream = client.begin(secret, method="GET", mcp_session_id=session)
            await stream.began()
            await in_thread(change, timezone.now())
            last = await asyncio.wait_for(stream.event(), 5)
            assert words in last["error"]["message"]
            await asyncio.wait_for(stream.task, 5)
            assert await in_thread(Server.objects.count) == 1


def end_in_two_seconds():
    ends = timezone.now().replace(microsecond=0) + timedelta(seconds=2)
    DelegatedToken.objects.update(expires_at=ends, issued_at=ends - timedelta(days=7))


async def test_a_stream_that_nobody_ends_ends_with_its_token(hub_client, in_thread):  # noqa: F811
    """The clock alone: nothing is written, nobody is told, and no sweep runs."""
    async with speaking(False) as server:
        secret = await in_thread(_prepare, server)
        async with hub_client() as client:
            session = await initialized(client, secret)
            await in_thread(end_in_two_seconds)
        async with hub_client() as client:  # of another process, which reads the token anew
            session = await initialized(client, secret)
            stream = client.begin(secret, method="GET", mcp_session_id=session)
            await stream.began()
            last = await asyncio.wait_for(stream.event(), 7)
            assert "expired on" in last["error"]["message"]
            await asyncio.wait_for(stream.task, 5)
            assert (await client.post(secret)).status == 401
