"""Closed-loop load: so many connections, each with one request on its way; every reply is verified.

The clock starts when every connection has had its first reply: how fast a server accepts connections is another question.

`python -m tests.bench.load URL` reads tokens from NEXUS_TOKENS, which the requests use in turn, and prints a line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from urllib.parse import urlsplit

import httptools
import uvloop


class Call:
    """tools/call of a tool that returns its text."""

    method = "tools/call"

    def __init__(self, tool: str) -> None:
        self.tool = tool

    def params(self, text: str) -> dict:
        return {"name": self.tool, "arguments": {"text": text}}

    def is_answered(self, result: dict, text: str) -> bool:
        return result.get("content", [{}])[0].get("text") == text


class Listing:
    """tools/list of so many tools."""

    method = "tools/list"

    def __init__(self, count: int) -> None:
        self.count = count

    def params(self, text: str) -> dict:
        return {}

    def is_answered(self, result: dict, text: str) -> bool:
        return len(result.get("tools", [])) == self.count


class Connection(asyncio.Protocol):
    """Sends a request, verifies its reply, sends the next; keeps how long each took, in seconds."""

    def __init__(self, number: int, heads: "itertools.cycle[bytes]", work: Call | Listing, options: argparse.Namespace):
        self.number, self.heads, self.work, self.options = number, heads, work, options
        self.sent = self.refused = 0
        self.took: list[float] = []
        self.is_warm = asyncio.get_running_loop().create_future()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.sent += 1
        self.parser, self.body = httptools.HttpResponseParser(self), b""
        self.text = f"c{self.number}-{self.sent}"
        message = {"jsonrpc": "2.0", "id": self.sent, "method": self.work.method, "params": self.work.params(self.text)}
        content = json.dumps(message).encode()
        self.begun = time.perf_counter()
        self.transport.write(next(self.heads) % len(content) + content)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        now = time.perf_counter()
        is_refused = self.parser.get_status_code() == 429 and self.options.refusals
        if not is_refused and (problem := self.problem()):
            self.finish(RuntimeError(problem))
        elif not self.is_warm.done():
            self.is_warm.set_result(None)
        else:
            self.count(now, is_refused)

    def count(self, now: float, is_refused: bool) -> None:
        if is_refused:
            self.refused += 1
        else:
            self.took.append(now - self.begun)
        if now >= self.options.until:
            self.finish(None)
        else:
            self.send()

    def problem(self) -> str | None:
        if self.parser.get_status_code() != 200:
            return f"status {self.parser.get_status_code()}: {self.body[:300]!r}"
        message = json.loads(self.body)
        if message.get("id") != self.sent or not self.work.is_answered(message.get("result", {}), self.text):
            return f"request {self.sent} with {self.text} was answered {self.body[:300]!r}"
        return None

    def finish(self, error: Exception | None) -> None:
        for future in (self.is_warm, self.done):
            if not future.done():
                future.set_exception(error) if error else future.set_result(None)
        self.transport.close()

    def connection_lost(self, error):
        if not self.done.done():
            self.finish(error or ConnectionError("the server closed the connection"))


def heads(url: str, tokens: list[str]) -> "itertools.cycle[bytes]":
    parts = urlsplit(url)
    path = (parts.path + (f"?{parts.query}" if parts.query else "")).encode()
    lines = [b"POST %b HTTP/1.1" % path, b"Host: %b" % parts.netloc.encode(), b"Content-Type: application/json"]
    signed = [[*lines, b"Authorization: Bearer " + token.encode()] for token in tokens] or [lines]
    return itertools.cycle(
        [b"\r\n".join(lines).replace(b"%", b"%%") + b"\r\nContent-Length: %d\r\n\r\n" for lines in signed]
    )


async def run(options: argparse.Namespace, tokens: list[str]) -> dict:
    work = Listing(options.tools) if options.tools else Call(options.tool)
    parts, turns = urlsplit(options.url), heads(options.url, tokens)
    loop = asyncio.get_running_loop()
    users = [Connection(number, turns, work, options) for number in range(options.connections)]
    for user in users:
        await loop.create_connection(lambda user=user: user, parts.hostname, parts.port)
    await asyncio.gather(*(user.is_warm for user in users))
    begun = time.perf_counter()
    options.until = begun + options.seconds
    for user in users:
        user.send()
    await asyncio.gather(*(user.done for user in users))
    elapsed = time.perf_counter() - begun
    took = sorted(second for user in users for second in user.took)
    return {
        "calls": len(took),
        "sent": sum(user.sent for user in users),
        "refused": sum(user.refused for user in users),
        "per_second": len(took) / elapsed,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))] * 1000,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load")
    parser.add_argument("url")
    parser.add_argument("--tool", default="echo")
    parser.add_argument("--tools", type=int, default=0, help="ask for the list, which has so many tools")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--refusals", action="store_true", help="go on after a 429, at once")
    measured = uvloop.run(run(parser.parse_args(), os.environ.get("NEXUS_TOKENS", "").split()))
    sys.stdout.write(json.dumps(measured) + "\n")
