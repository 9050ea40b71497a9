"""Lists and calls with the official Python client of the series before: `python use_mcp1.py URL`, the token in NEXUS_TOKEN."""

import asyncio
import json
import os
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str) -> dict:
    headers = {"Authorization": f"Bearer {os.environ['NEXUS_TOKEN']}"}
    async with streamablehttp_client(url, headers=headers) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        listed = await session.list_tools()
        said = await session.call_tool("echo__echo", {"text": "hällo"})
        failed = await session.call_tool("echo__fail", {"text": "no"})
    return {"tools": [tool.name for tool in listed.tools], "said": said.content[0].text, "failed": failed.isError}


sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))))
