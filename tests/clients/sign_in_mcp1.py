"""Signs in with the official Python client of the series before: `python sign_in_mcp1.py URL`, then as it is told."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.auth import OAuthClientMetadata


class Memory:
    """Keeps what the provider gives it."""

    tokens = client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


async def provider_for(url: str) -> OAuthClientProvider:
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def listen(reader, writer):
        line = await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()
        answers.put_nowait(line.split()[1].decode())

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    redirect_uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"

    async def open_browser(address: str) -> None:
        await asyncio.to_thread(subprocess.run, [os.environ["BROWSER"], address], check=True)

    async def take_answer() -> tuple[str, str]:
        sent = parse_qs(urlsplit(await answers.get()).query)
        return sent["code"][0], sent["state"][0]

    metadata = OAuthClientMetadata(client_name="mcp 1", redirect_uris=[redirect_uri], token_endpoint_auth_method="none")
    provider = OAuthClientProvider(url, metadata, Memory(), open_browser, take_answer)
    provider.server = server  # it lives as long as the provider
    return provider


async def use(url: str, provider: OAuthClientProvider) -> dict:
    async with streamablehttp_client(url, auth=provider) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        listed = await session.list_tools()
        said = await session.call_tool("echo__echo", {"text": "hällo"})
        failed = await session.call_tool("echo__fail", {"text": "no"})
    return {"tools": [tool.name for tool in listed.tools], "said": said.content[0].text, "failed": failed.isError}


async def main(url: str) -> None:
    provider = await provider_for(url)
    while True:
        sys.stdout.write(json.dumps(await use(url, provider)) + "\n")
        sys.stdout.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        if json.loads(line) == "an hour later":
            provider.context.token_expiry_time = time.time() - 1


asyncio.run(main(sys.argv[1]))
