"""A server of the official SDK that waits, asks and announces, in the manner of the eras with sessions."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import mcp.types as types
import uvicorn
from mcp.server.lowlevel import Server

from tests.upstreams import TEXT, said, wait_for

TOOLS = ("wait", "roots", "link", "announce")
RESOURCE = "test://note"


@dataclass
class Interplay:
    url: str = ""
    started: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def server(self) -> Server:
        return Server(
            "interplay", version="1", on_list_tools=self.list_tools, on_call_tool=self.call_tool,
            on_list_resources=self.list_resources, on_subscribe_resource=self.subscribe,
            on_unsubscribe_resource=self.subscribe, get_tool_input_schema=lambda name: TEXT,
        )  # fmt: skip

    async def list_tools(self, context, params):
        return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=TEXT) for name in TOOLS])

    async def list_resources(self, context, params):
        return types.ListResourcesResult(resources=[types.Resource(uri=RESOURCE, name="note")])

    async def subscribe(self, context, params):
        return types.EmptyResult()

    async def call_tool(self, context, params):
        return said(await getattr(self, params.name)(context))

    async def wait(self, context) -> str:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "waited"

    async def roots(self, context) -> str:
        return str((await context.session.list_roots()).roots[0].uri)

    async def link(self, context) -> str:
        asked = context.session.elicit_url("Sign in there", "https://example.com/sign-in", "link-1", context.request_id)
        return (await asked).action

    async def announce(self, context) -> str:
        await context.session.send_tool_list_changed()
        await context.session.send_resource_updated(RESOURCE)
        return "announced"


@contextlib.contextmanager
def running_interplay() -> Iterator[Interplay]:
    """Serve it from a thread with an event loop of its own."""
    interplay = Interplay()
    application = interplay.server().streamable_http_app(streamable_http_path="/mcp")
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="interplay")
    thread.start()
    try:
        wait_for(lambda: server.started, "the server")
        interplay.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
        yield interplay
    finally:
        server.should_exit = True
        thread.join(10)
