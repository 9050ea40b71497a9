"""An MCP server that only echoes: an asyncio protocol, so that what is measured is the hub.

`python -m tests.bench.upstream PORT` serves it.
"""

import asyncio
import json
import sys

import httptools
import uvloop

TOOL = {
    "name": "echo",
    "description": "Return the text",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
}
RESULTS = {
    "server/discover": {
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 60000,
        "cacheScope": "private",
    },
    "tools/list": {"resultType": "complete", "tools": [TOOL], "ttlMs": 60000, "cacheScope": "private"},
}  # fmt: skip


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        message, self.body = json.loads(self.body or b"{}"), b""
        if "id" not in message:
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result_of(message)}
        content = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
        self.transport.write(head + content)


def result_of(message):
    if message["method"] in RESULTS:
        return RESULTS[message["method"]]
    text = message.get("params", {}).get("arguments", {}).get("text", "")
    return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
