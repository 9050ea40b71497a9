"""Lists and calls with the client of FastMCP: `python use_fastmcp.py URL`, the token in NEXUS_TOKEN."""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.auth import BearerAuth


async def main(url: str) -> dict:
    async with Client(url, auth=BearerAuth(os.environ["NEXUS_TOKEN"])) as client:
        tools = await client.list_tools()
        said = await client.call_tool("echo__echo", {"text": "hällo"})
        failed = await client.call_tool("echo__fail", {"text": "no"}, raise_on_error=False)
    return {"tools": [tool.name for tool in tools], "said": said.content[0].text, "failed": failed.is_error}


sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))))
