import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from django.db import connections

from nexus.hub.assembly import make_hub


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def result(self):
        return self.json["result"]


@dataclass
class HubClient:
    """Speaks to a hub of this process as an ASGI server does."""

    hub: object
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, method, path, body=b"", query="", headers=None, peer="203.0.113.9"):
        sent = {"host": "localhost", **self.headers, **(headers or {})}
        pairs = (
            headers if isinstance(headers, list) else [(key, value) for key, value in sent.items() if value is not None]
        )
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "client": (peer, 4711),
            "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in pairs],
        }  # fmt: skip
        messages, parts = [], [{"type": "http.request", "body": body}]

        async def receive():
            if parts:
                return parts.pop()
            return await asyncio.Future()  # the client stays, and says nothing more

        async def send(message):
            messages.append(message)

        await self.hub(scope, receive, send)
        start = messages[0]
        received = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], received, b"".join(message.get("body", b"") for message in messages[1:]))

    async def post(self, secret, method="tools/list", params=None, query="", path="/hub/mcp", **headers):
        message = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            message["params"] = params
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        sent = {"authorization": f"Bearer {secret}", "content-type": "application/json", **named}
        return await self.send("POST", path, json.dumps(message).encode(), query, sent)

    async def call(self, secret, tool, arguments=None, **headers):
        return await self.post(secret, "tools/call", {"name": tool, "arguments": arguments or {}}, **headers)

    def begin(self, secret, message=None, method="POST", **headers):
        """Begin a request whose answer may be a stream, and return it."""
        sent = {
            "host": "localhost", "authorization": f"Bearer {secret}", "content-type": "application/json",
            "accept": "application/json, text/event-stream", **{key.replace("_", "-"): value for key, value in headers.items()},
        }  # fmt: skip
        return Begun(self.hub, method, json.dumps(message).encode() if message is not None else b"", sent)


class Begun:
    """A request under way: its events one by one, and a client that can go away."""

    def __init__(self, hub, method, body, headers):
        scope = {
            "type": "http", "method": method, "path": "/hub/mcp", "query_string": b"", "client": ("203.0.113.9", 4711),
            "headers": [(key.encode(), value.encode("latin-1")) for key, value in headers.items()],
        }  # fmt: skip
        self._parts = [{"type": "http.request", "body": body}]
        self._gone = asyncio.Event()
        self._sent = asyncio.Queue()
        self.start = None
        self._rest = b""
        self.task = asyncio.create_task(hub(scope, self._receive, self._sent.put))

    async def _receive(self):
        if self._parts:
            return self._parts.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def go_away(self):
        self._gone.set()

    @property
    def headers(self):
        return {name.decode(): value.decode("latin-1") for name, value in self.start["headers"]}

    async def began(self):
        self.start = self.start or await self._sent.get()
        return self

    async def event(self):
        """Return the next message of the stream, or None at its end."""
        await self.began()
        while b"\n\n" not in self._rest:
            part = await self._sent.get()
            self._rest += part["body"]
            if not part.get("more_body") and b"\n\n" not in self._rest:
                return None
        head, _, self._rest = self._rest.partition(b"\n\n")
        data = [line[6:] for line in head.split(b"\n") if line.startswith(b"data: ")]
        return json.loads(b"\n".join(data)) if data else await self.event()

    async def answer(self):
        await self.task
        await self.began()
        body = b""
        while not self._sent.empty():
            body += (await self._sent.get())["body"]
        return Answer(self.start["status"], self.headers, body)


@asynccontextmanager
async def running_hub():
    hub = make_hub()
    await hub.start()
    try:
        yield HubClient(hub)
    finally:
        await hub.stop()


@pytest.fixture
def hub_client(transactional_db):
    """Return an async context manager that gives a client of a running hub."""
    return running_hub


async def run_in_thread(function, *arguments):
    """Run what uses the ORM outside the event loop, as the portal would, and give its connection back."""

    def run_and_close():
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run_and_close)


@pytest.fixture
def in_thread():
    return run_in_thread
