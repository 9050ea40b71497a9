"""A modern MCP server in the test's own event loop, which records what it receives and answers as told."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.cast import definition

DISCOVERED = {
    "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"
}  # fmt: skip


@dataclass
class Upstream:
    url: str = ""
    tools: list[dict] = field(default_factory=lambda: [definition("echo"), definition("add")])
    heads: list[bytes] = field(default_factory=list)
    requests: list[dict] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)  # by tool: the raw members that follow the id
    hold: asyncio.Event | None = None  # calls wait for it
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[asyncio.Future] = field(default_factory=list)

    @property
    def calls(self) -> list[dict]:
        return [request["params"] for request in self.requests if request["method"] == "tools/call"]

    async def serve(self, reader, writer):
        done = asyncio.get_running_loop().create_future()
        self.ended.append(done)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                request = json.loads(await reader.readexactly(length))
                self.heads.append(head)
                self.requests.append(request)
                members = await self.members(request)
                body = b'{"jsonrpc":"2.0","id":%d,%b}' % (request["id"], members)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            done.set_result(None)

    async def members(self, request):
        if request["method"] == "server/discover":
            return b'"result":' + json.dumps(DISCOVERED).encode()
        if request["method"] == "tools/list":
            return b'"result":' + json.dumps({"resultType": "complete", "tools": self.tools}).encode()
        name = request["params"]["name"]
        if name in self.answers:
            return self.answers[name]
        self.arrived.set()
        if self.hold:
            await self.hold.wait()
        text = request["params"].get("arguments", {}).get("text", "")
        return (
            b'"result":' + json.dumps({"resultType": "complete", "content": [{"type": "text", "text": text}]}).encode()
        )


@asynccontextmanager
async def running_upstream(**fields):
    upstream = Upstream(**fields)
    listener = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    try:
        yield upstream
    finally:
        listener.close()
        await asyncio.gather(*upstream.ended)
