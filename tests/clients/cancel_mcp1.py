"""Takes a call back with the official Python client of the series before, once a line comes on standard input."""

import asyncio
import contextlib
import json
import os
import sys

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

problems = []


async def note(message):
    if isinstance(message, Exception):
        problems.append(str(message))


async def main(url: str) -> dict:
    headers = {"Authorization": f"Bearer {os.environ['NEXUS_TOKEN']}"}
    async with (
        streamablehttp_client(url, headers=headers) as (read, write, _),
        ClientSession(read, write, message_handler=note) as session,
    ):
        await session.initialize()
        waiting = asyncio.create_task(session.call_tool("interplay__wait", {}))
        await asyncio.to_thread(sys.stdin.readline)
        taken_back = types.CancelledNotificationParams(requestId=session._request_id - 1, reason="no longer needed")
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await session.send_notification(
            types.ClientNotification(types.CancelledNotification(method="notifications/cancelled", params=taken_back))
        )
        await asyncio.to_thread(sys.stdin.readline)
        listed = await session.list_tools()
    return {"tools": len(listed.tools), "problems": problems}


sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))))
