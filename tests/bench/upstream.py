"""An MCP server that only echoes: an asyncio protocol, so that what is measured is the hub.

`python -m tests.bench.upstream PORT` serves it; under /mcp the tools echo and slow (100 ms), under /many 200 of them.
"""

import asyncio
import json
import sys

import httptools
import uvloop

SLOW = 0.1  # seconds that the tool slow takes
MANY = 200
SCHEMA = {"type": "object", "properties": {"text": {"type": "string", "description": "What to return"}}}


def definition(name: str) -> dict:
    return {"name": name, "description": "Return the text as it was sent", "inputSchema": SCHEMA}


TOOLS = {
    b"/mcp": [definition("echo"), definition("slow")],
    b"/many": [definition(f"tool_{number}") for number in range(MANY)],
}
DISCOVERED = {
    "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 60000,
    "cacheScope": "private",
}  # fmt: skip


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_url(self, url):
        self.url = url

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        message, self.body = json.loads(self.body or b"{}"), b""
        if "id" not in message:
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        content = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": self.result(message)}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
        if message.get("params", {}).get("name") == "slow":
            asyncio.get_running_loop().call_later(SLOW, self.transport.write, head + content)
        else:
            self.transport.write(head + content)

    def result(self, message):
        if message["method"] == "server/discover":
            return DISCOVERED
        if message["method"] == "tools/list":
            return {"resultType": "complete", "tools": TOOLS[self.url], "ttlMs": 60000, "cacheScope": "private"}
        text = message.get("params", {}).get("arguments", {}).get("text", "")
        return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
