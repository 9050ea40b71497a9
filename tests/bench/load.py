"""Closed-loop load: so many connections, each with one call on its way; every reply is verified.

`python -m tests.bench.load URL TOOL CONNECTIONS SECONDS` reads a token from NEXUS_TOKEN and prints one line of JSON.
"""

import asyncio
import json
import os
import sys
import time
from urllib.parse import urlsplit

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """Sends a call, verifies its reply, sends the next; keeps how long each took, in seconds."""

    def __init__(self, number: int, head: bytes, tool: str, until: float) -> None:
        self.number, self.head, self.tool, self.until = number, head, tool, until
        self.sent = 0
        self.took: list[float] = []
        self.body = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.sent += 1
        self.parser = httptools.HttpResponseParser(self)
        self.text = f"c{self.number}-{self.sent}"
        params = {"name": self.tool, "arguments": {"text": self.text}}
        content = json.dumps({"jsonrpc": "2.0", "id": self.sent, "method": "tools/call", "params": params}).encode()
        self.begun = time.perf_counter()
        self.transport.write(self.head % len(content) + content)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        now = time.perf_counter()
        self.took.append(now - self.begun)
        answer, self.body = self.body, b""
        if problem := self.problem(answer):
            self.finish(RuntimeError(problem))
        elif now >= self.until:
            self.finish(None)
        else:
            self.send()

    def problem(self, answer: bytes) -> str | None:
        if self.parser.get_status_code() != 200:
            return f"status {self.parser.get_status_code()}: {answer[:300]!r}"
        message = json.loads(answer)
        said = message.get("result", {}).get("content", [{}])[0].get("text")
        if message.get("id") != self.sent or said != self.text:
            return f"call {self.sent} with {self.text} was answered {answer[:300]!r}"
        return None

    def finish(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self.transport.close()

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))


async def run(url: str, tool: str, connections: int, seconds: float, token: str) -> dict:
    parts = urlsplit(url)
    path = (parts.path + (f"?{parts.query}" if parts.query else "")).encode()
    lines = [b"POST %b HTTP/1.1" % path, b"Host: %b" % parts.netloc.encode(), b"Content-Type: application/json"]
    if token:
        lines.append(b"Authorization: Bearer " + token.encode())
    head = b"\r\n".join(lines).replace(b"%", b"%%") + b"\r\nContent-Length: %d\r\n\r\n"
    loop, begun = asyncio.get_running_loop(), time.perf_counter()
    users = [Connection(number, head, tool, begun + seconds) for number in range(connections)]
    for user in users:
        await loop.create_connection(lambda user=user: user, parts.hostname, parts.port)
    await asyncio.gather(*(user.done for user in users))
    elapsed = time.perf_counter() - begun
    took = sorted(second for user in users for second in user.took)
    return {
        "calls": len(took),
        "per_second": len(took) / elapsed,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))] * 1000,
    }


if __name__ == "__main__":
    measured = uvloop.run(
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), os.environ.get("NEXUS_TOKEN", ""))
    )
    sys.stdout.write(json.dumps(measured) + "\n")
