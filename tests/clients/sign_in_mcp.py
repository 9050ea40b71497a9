"""Signs in with the official Python client: `python sign_in_mcp.py URL`; then it goes on with each line it is told.

A line that begins with http is another address to use, with what is kept. With NEXUS_CLIENT_ID it is a machine;
NEXUS_CLIENT_DOCUMENT is the address of a document that it may be known by.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
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


def machine_for(url: str, kept: Memory) -> OAuthClientProvider:
    return ClientCredentialsOAuthProvider(
        url, kept, os.environ["NEXUS_CLIENT_ID"], os.environ["NEXUS_CLIENT_SECRET"], issuer=os.environ["NEXUS_ISSUER"]
    )


async def person_for(url: str, kept: Memory) -> OAuthClientProvider:
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def listen(reader, writer):
        line = await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()
        if line.startswith(b"GET /callback?"):  # browsers also ask for icons, and open connections in advance
            answers.put_nowait(line.split()[1].decode())

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def open_browser(address: str) -> None:
        await asyncio.to_thread(subprocess.run, [os.environ["BROWSER"], address], check=True)

    async def take_answer() -> AuthorizationCodeResult:
        sent = {name: values[0] for name, values in parse_qs(urlsplit(await answers.get()).query).items()}
        return AuthorizationCodeResult(code=sent["code"], state=sent["state"], iss=sent["iss"])

    provider = OAuthClientProvider(
        url,
        OAuthClientMetadata(
            client_name="mcp", redirect_uris=[f"http://127.0.0.1:{port}/callback"],
            grant_types=["authorization_code", "refresh_token"], token_endpoint_auth_method="none",
        ),
        kept,
        open_browser,
        take_answer,
        client_metadata_url=os.environ.get("NEXUS_CLIENT_DOCUMENT"),
    )  # fmt: skip
    provider.server = server  # it lives as long as the provider
    return provider


async def use(url: str, provider: OAuthClientProvider) -> dict:
    async with (
        httpx2.AsyncClient(auth=provider, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        tools = await client.list_tools()
        said = await client.call_tool("echo__echo", {"text": "hällo"})
        failed = await client.call_tool("echo__fail", {"text": "no"})
    return {"tools": [tool.name for tool in tools.tools], "said": said.content[0].text, "failed": failed.is_error}


async def main(url: str) -> None:
    kept = Memory()
    provider = machine_for(url, kept) if "NEXUS_CLIENT_ID" in os.environ else await person_for(url, kept)
    while True:
        sys.stdout.write(json.dumps(await use(url, provider)) + "\n")
        sys.stdout.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        told = json.loads(line)
        if told == "an hour later":
            provider.context.token_expiry_time = time.time() - 1
        elif told.startswith("http"):
            url, provider = told, await person_for(told, kept)


asyncio.run(main(sys.argv[1]))
