"""Lists and calls with civic-mcp-client: `python use_civic.py URL`, a token in NEXUS_TOKEN, or NEXUS_EXCHANGE with what to exchange."""

import asyncio
import json
import os
import sys

from civic_mcp_client import CivicMCPClient


async def main(url: str) -> dict:
    exchange = os.environ.get("NEXUS_EXCHANGE")
    auth = {"token_exchange": json.loads(exchange)} if exchange else {"token": os.environ["NEXUS_TOKEN"]}
    client = CivicMCPClient(url=url, auth=auth, civic_profile=os.environ.get("NEXUS_PROFILE"))
    listed = await client.get_tools()
    said = await client.call_tool(name="echo__echo", args={"text": "hällo"})
    failed = await client.call_tool(name="echo__fail", args={"text": "no"})
    return {"tools": listed, "said": said, "failed": failed, "instructions": await client.get_server_instructions()}


sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1])), default=str))
