"""Servers of one era each, which speak before they answer; in the test's own event loop, over real sockets."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CAPABILITIES = {
    "tools": {"listChanged": True}, "resources": {"subscribe": True}, "prompts": {}, "logging": {}, "completions": {},
}  # fmt: skip
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("ask", "progress", "slow", "count", "echo")]


@dataclass
class Speaking:
    """Records what it receives; `steps` of a tool tell what it says before its answer."""

    is_modern: bool
    url: str = ""
    received: list[dict] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    answered: dict[str, asyncio.Future] = field(default_factory=dict)  # by the id under which we asked
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    streams: list[asyncio.StreamWriter] = field(default_factory=list)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)  # sessions
    sessions: int = 0
    tasks: set = field(default_factory=set)
    resources: list[dict] = field(default_factory=lambda: [{"uri": "test://one", "name": "one"}])

    def methods(self) -> list[str]:
        return [message.get("method", "answer") for message in self.received]

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.heads.append(head)
                verb = head.split(b" ", 1)[0]
                if verb == b"GET":
                    await self.stream(writer)
                elif verb == b"DELETE":
                    self.ended.append(session_in(head))
                    plain(writer, 200, b"")
                else:
                    await self.post(reader, writer, head, json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def stream(self, writer):
        begin_stream(writer)
        self.streams.append(writer)
        self.listening.set()

    async def post(self, reader, writer, head, message):
        self.received.append(message)
        method = message.get("method")
        if method is None:
            self.answered[message["id"]].set_result(message)
            return plain(writer, 202, b"")
        if "id" not in message:
            if method == "notifications/cancelled":
                self.cancelled.set()
            return plain(writer, 202, b"")
        if method == "initialize" and not self.is_modern:
            self.sessions += 1
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": CAPABILITIES,
                "serverInfo": {"name": "s", "version": "1"},
            }
            return plain(writer, 200, reply(message, result), b"Mcp-Session-Id: s%d\r\n" % self.sessions)
        if method == "server/discover" and self.is_modern:
            return plain(
                writer,
                200,
                reply(
                    message,
                    {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES},
                ),
            )
        if method in ("server/discover", "initialize"):
            return plain(writer, 400, failure(message, -32600))
        if method == "subscriptions/listen":
            begin_stream(writer)
            acknowledged = {
                "_meta": {"io.modelcontextprotocol/subscriptionId": message["id"]},
                "notifications": message["params"]["notifications"],
            }
            event(
                writer, {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": acknowledged}
            )
            self.streams.append(writer)
            self.listening.set()
            return None
        result = await self.result(reader, writer, message)
        return None if result is None else plain(writer, 200, reply(message, result))

    async def result(self, reader, writer, message):
        method, params = message["method"], message.get("params", {})
        if method == "tools/list":
            return {"tools": TOOLS, **self.end()}
        if method == "tools/call":
            return await getattr(self, params["name"])(reader, writer, message, params)
        if method == "resources/list":
            return {"resources": self.resources, **self.end()}
        if method == "resources/templates/list":
            return {"resourceTemplates": [{"uriTemplate": "test://of/{name}", "name": "of"}], **self.end()}
        if method == "resources/read":
            return {"contents": [{"uri": params["uri"], "text": "hello"}], **self.end()}
        if method == "prompts/list":
            return {"prompts": [{"name": "greet"}], **self.end()}
        if method == "prompts/get":
            return {"messages": [], "description": params["name"], **self.end()}
        if method == "completion/complete":
            return {"completion": {"values": [params["ref"].get("name") or params["ref"].get("uri")]}, **self.end()}
        return {}

    def end(self):
        return {"resultType": "complete"} if self.is_modern else {}

    async def ask(self, reader, writer, message, params):
        """Ask for a name by elicitation, and greet."""
        wanted = {"message": "Your name?", "requestedSchema": {"type": "object", "properties": {}}}
        if self.is_modern:
            given = params.get("inputResponses")
            if given is None:
                requests = {"who": {"method": "elicitation/create", "params": wanted}}
                return {"resultType": "input_required", "inputRequests": requests, "requestState": "s0"}
            assert params["requestState"] == "s0"
            return said(given["who"]["content"]["name"], self.end())
        self.answered["e1"] = asyncio.get_running_loop().create_future()
        begin_stream(writer)
        event(writer, {"jsonrpc": "2.0", "id": "e1", "method": "elicitation/create", "params": wanted})
        answer = await self.answered["e1"]
        text = answer["result"]["content"]["name"] if "result" in answer else f"refused: {answer['error']['code']}"
        event(writer, json.loads(reply(message, said(text, {}))))
        writer.write(b"0\r\n\r\n")
        return None

    async def progress(self, reader, writer, message, params):
        begin_stream(writer)
        token = params.get("_meta", {}).get("progressToken")
        event(
            writer,
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}},
        )
        event(writer, {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hi"}})
        event(writer, json.loads(reply(message, said("done", self.end()))))
        writer.write(b"0\r\n\r\n")

    async def echo(self, reader, writer, message, params):
        text = params["arguments"]["text"]
        begin_stream(writer)
        progress = {"progressToken": params["_meta"]["progressToken"], "progress": 1, "message": text}
        event(writer, {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        event(writer, json.loads(reply(message, said(text, self.end()))))
        writer.write(b"0\r\n\r\n")

    async def slow(self, reader, writer, message, params):
        """Answer when the caller has gone, or has taken it back: never, that is."""
        self.started.set()
        gone = asyncio.ensure_future(reader.read(1))
        back = asyncio.ensure_future(self.cancelled.wait())
        await asyncio.wait({gone, back}, return_when=asyncio.FIRST_COMPLETED)
        self.cancelled.set()
        gone.cancel(), back.cancel()
        raise ConnectionError

    async def count(self, reader, writer, message, params):
        return said(str(len(self.received)), self.end())

    def tell(self, method, **params):
        """Say something on every stream that is open."""
        for writer in self.streams:
            event(writer, {"jsonrpc": "2.0", "method": method, "params": params})


def session_in(head):
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"mcp-session-id: ")]
    return lines[0].split(b": ")[1].decode() if lines else ""


def said(text, more):
    return {"content": [{"type": "text", "text": text}], **more}


def reply(message, result):
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()


def failure(message, code):
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": "no"}}).encode()


def plain(writer, status, body, headers=b""):
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (status, len(body))
    writer.write(head + headers + b"\r\n" + body)


def begin_stream(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")


def event(writer, message):
    data = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


@asynccontextmanager
async def speaking(is_modern):
    server = Speaking(is_modern)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"
    try:
        yield server
    finally:
        listener.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
