"""A model on loopback, for clients that call a tool only when a model asks for it: it asks for echo__echo, once.

It speaks as much of the vendors' APIs as the clients need: Anthropic's Messages, OpenAI's Responses and Chat
Completions, and Google's generateContent.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = "hällo"
ARGUMENTS = json.dumps({"text": TEXT})
DONE = "The tool has answered."


@dataclass
class Model:
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)  # the bodies of all requests
    has_called: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def was_told(self, text: str) -> bool:
        return text in json.dumps(self.asked[-1], ensure_ascii=False)

    def next_call(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the tool to call, as the request describes it; None if it has none or it was called."""
        tool = None if self.has_called else _find(body)
        self.has_called = self.has_called or tool is not None
        return tool

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes]:
        """Return the type and the body of the answer."""
        self.asked.append(body)
        tool = self.next_call(body)
        if "/messages" in path:
            events = _messages(tool)
            whole = {**events[0]["message"], "content": [{"type": "text", "text": DONE}], "stop_reason": "end_turn"}
            return _stream(events) if body.get("stream") else _whole(whole)
        if "/responses" in path:
            events = _responses(tool)
            return _stream(events) if body.get("stream") else _whole(events[-1]["response"])
        if ":streamGenerateContent" in path:
            return _stream([_generated(tool)], named=False)
        return _whole(_generated(tool) if ":generateContent" in path else _completion(tool))


def _find(part: Any, namespace: str = "") -> dict[str, Any] | None:
    """Return the tool echo__echo, whatever a client puts before its name, and the namespace it stands in."""
    if isinstance(part, dict):
        if re.search("echo_+echo$", str(part.get("name", ""))):
            return {**part, "namespace": namespace}
        namespace = part["name"] if part.get("type") == "namespace" else namespace
        part = list(part.values())
    found = (_find(each, namespace) for each in part) if isinstance(part, list) else ()
    return next((each for each in found if each), None)


def _stream(events: list[dict[str, Any]], named: bool = True) -> tuple[str, bytes]:
    lines = ((f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events)
    return "text/event-stream", "".join(lines).encode()


def _whole(said: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(said).encode()


def _messages(tool: dict[str, Any] | None) -> list[dict[str, Any]]:
    block = (
        {"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": {}}
        if tool
        else {"type": "text", "text": ""}
    )
    delta = {"type": "input_json_delta", "partial_json": ARGUMENTS} if tool else {"type": "text_delta", "text": DONE}
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "loopback", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use" if tool else "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]


def _responses(tool: dict[str, Any] | None) -> list[dict[str, Any]]:
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": DONE, "annotations": []}]}  # fmt: skip
    item = said
    if tool:
        item = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": tool["name"],
            "arguments": ARGUMENTS,
        }
        item |= {"namespace": tool["namespace"]} if tool["namespace"] else {}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "usage": usage}
    return [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ]


def _generated(tool: dict[str, Any] | None) -> dict[str, Any]:
    part = {"functionCall": {"name": tool["name"], "args": json.loads(ARGUMENTS)}} if tool else {"text": DONE}
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    content = {"role": "model", "parts": [part]}
    return {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": counts}


def _completion(tool: dict[str, Any] | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if tool else DONE}
    if tool:
        function = {"name": tool["name"], "arguments": ARGUMENTS}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {
        "id": "c_1",
        "object": "chat.completion",
        "created": 0,
        "model": "loopback",
        "choices": [choice],
        "usage": usage,
    }


@contextlib.contextmanager
def running_model() -> Iterator[Model]:
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            kind, said = model.answer(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="model")
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
