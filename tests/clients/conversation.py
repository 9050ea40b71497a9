"""The official Python client with an answer to everything a server may ask, and an ear for what it says by the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import mcp.types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


@dataclass
class Heard:
    """What reached the client beside the answers to its own requests."""

    asked: list[object] = field(default_factory=list)
    logged: list[object] = field(default_factory=list)
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)
    messages: list[object] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)  # set with every message

    async def on_elicitation(self, context, params):
        self.asked.append(params)
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept", content=dict.fromkeys(params.requested_schema["properties"], "Ada"))

    async def on_sampling(self, context, params):
        self.asked.append(params)
        said = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=said, model="test", stop_reason="endTurn")

    async def on_roots(self, context):
        self.asked.append(types.ListRootsRequest())
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada")])

    async def on_log(self, params):
        self.logged.append(params.data)

    async def on_message(self, message):
        self.messages.append(message)
        self.came.set()

    async def on_progress(self, progress, total, message):
        self.progress.append((progress, total, message))


@contextlib.asynccontextmanager
async def conversation(url: str, secret: str, mode: str, **options) -> AsyncIterator[tuple[Client, Heard]]:
    heard = Heard()
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http,
        Client(
            streamable_http_client(url, http_client=http), mode=mode, elicitation_callback=heard.on_elicitation,
            sampling_callback=heard.on_sampling, list_roots_callback=heard.on_roots, logging_callback=heard.on_log,
            message_handler=heard.on_message, **options,
        ) as client,
    ):  # fmt: skip
        yield client, heard
