"""Row 73: calls of two owners at once over one pool of connections never cross, however their ids collide."""

import asyncio

import pytest

from tests.hub.conftest import run_in_thread, running_hub
from tests.hub.speaking import speaking
from tests.hub.test_eras import call, initialized
from tests.security.conftest import EVERYTHING
from tests.security.test_row_72_handles import prepare

pytestmark = [EVERYTHING, pytest.mark.sqlite, pytest.mark.slow]
ROUNDS, AT_ONCE = 25, 100  # of each owner and each era: 10,000 calls in all


@pytest.mark.parametrize("is_modern", [False, True])
async def test_ten_thousand_calls_of_two_owners_never_cross(transactional_db, settings, is_modern):
    settings.NEXUS_RATE_TOKEN = settings.NEXUS_RATE_TOOLKIT = settings.NEXUS_RATE_ACCOUNT = 1_000_000
    async with speaking(is_modern) as server, running_hub() as client:
        alice, bob, _, _ = await run_in_thread(prepare, server.url)
        sessions = {alice: await initialized(client, alice), bob: await initialized(client, bob)}

        async def ask(secret, who, number):
            text = f"{who}-{number}"
            message = call("echo", number, arguments={"text": text}, _meta={"progressToken": number})
            begun = client.begin(secret, message, mcp_session_id=sessions[secret])
            progress, answer = await begun.event(), await begun.event()
            assert progress["params"] == {"progressToken": number, "progress": 1, "message": text}
            assert (answer["id"], answer["result"]["content"][0]["text"]) == (number, text)
            await begun.task

        for _ in range(ROUNDS):
            calls = ((secret, who, number) for number in range(AT_ONCE) for secret, who in ((alice, "a"), (bob, "b")))
            await asyncio.gather(*(ask(*one) for one in calls))
