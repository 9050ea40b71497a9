"""Signs in with FastMCP's client: `python sign_in_fastmcp.py URL`; then it goes on with each line it is told."""

import asyncio
import json
import sys
import time
import warnings

from fastmcp import Client
from fastmcp.client.auth import OAuth

warnings.simplefilter("ignore")  # that it keeps its tokens in memory


async def use(client: Client) -> dict:
    async with client:
        tools = await client.list_tools()
        said = await client.call_tool("echo__echo", {"text": "hällo"})
        failed = await client.call_tool("echo__fail", {"text": "no"}, raise_on_error=False)
    return {"tools": [tool.name for tool in tools], "said": said.content[0].text, "failed": failed.is_error}


async def main(url: str) -> None:
    client = Client(url, auth="oauth")
    provider = client.transport.auth
    assert isinstance(provider, OAuth)
    while True:
        sys.stdout.write(json.dumps(await use(client)) + "\n")
        sys.stdout.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        if json.loads(line) == "an hour later":
            provider.context.token_expiry_time = time.time() - 1


asyncio.run(main(sys.argv[1]))
