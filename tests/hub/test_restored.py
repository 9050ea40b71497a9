"""A database that is put back to an earlier state under a running hub: what was known is forgotten, and nothing spins."""

import asyncio

import pytest

from tests import cast
from tests.hub.test_calls import stage
from tokens.models import Authority, AuthorityChange, DelegatedToken

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


def _restore():
    """Revoke the token as an older state would have it, and put the count of changes back."""
    DelegatedToken.objects.update(stage="ended", revoked_at=cast.timezone.now(), revoke_reason="leaked")
    AuthorityChange.objects.all().delete()
    Authority.objects.update(epoch=1)


async def test_an_epoch_that_went_back_is_noticed_at_the_next_call(hub_client, in_thread):
    async with stage(hub_client, in_thread) as (upstream, client, secret):
        assert (await client.call(secret, "echo__echo")).status == 200
        assert client.hub._cache.epoch > 1
        await in_thread(_restore)
        async with asyncio.timeout(5):
            while (await client.call(secret, "echo__echo")).status != 401:
                await asyncio.sleep(0.05)
        assert client.hub._cache.epoch == 1
