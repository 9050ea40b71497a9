"""Which era a request belongs to, and what that era demands of it (MCP revisions 2024-11-05 to 2026-07-28)."""

import base64
import contextlib
from typing import Any

import msgspec

from nexus.hub import replies
from nexus.hub.replies import Reply
from nexus.hub.request import HubRequest
from profiles.upstream import wire
from profiles.upstream.asking import CAPABILITIES_KEY, CLIENT_KEY, LEVEL_KEY, VERSION_KEY
from profiles.upstream.wire import Members, Message

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
SUPPORTED = (MODERN, *LEGACY)
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
SERVER_INFO = {"name": "nexus", "title": "Nexus", "version": "0.1.0"}


class ClientInfo(msgspec.Struct):
    name: str = ""
    version: str = ""


class Refused(Exception):
    """The message is not one that can be answered with a result."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.reason)
        self.reply = reply


class Call(msgspec.Struct):
    """A JSON-RPC message that has passed the checks of its era."""

    message: Message
    id: bytes  # the id as it came; empty for a notification
    method: str
    params: dict[str, msgspec.Raw]
    version: str  # empty where the client names none
    is_modern: bool
    client: ClientInfo
    meta: Members = {}

    @property
    def is_answer(self) -> bool:
        """Return True for what a client answers to a request of a server's."""
        return not self.method

    @property
    def wants_logs(self) -> bool:
        """Return True for a request of the modern era that asks for log messages."""
        return LEVEL_KEY in self.meta

    def error(
        self, code: int, message: str, *, status: int = 200, data: dict[str, Any] | None = None, topic: str = ""
    ) -> Reply:
        return replies.error(status, code, message, rpc_id=self.id, data=data, topic=topic)

    def result(self, result: dict[str, Any]) -> Reply:
        if self.is_modern:
            result = {"resultType": "complete", **result}
            result["_meta"] = {**result.get("_meta", {}), SERVER_KEY: SERVER_INFO}
        return self.raw_result(wire.encode(result))

    def raw_result(self, result: bytes) -> Reply:
        return Reply(
            200, b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self.id, result), [replies.JSON, replies.NO_STORE]
        )


def read(request: HubRequest, body: bytes) -> Call:
    """Return the call in the body; raise Refused with the status and code of its era."""
    version = request.text(b"mcp-protocol-version")
    if version and version not in SUPPORTED:
        raise Refused(_unsupported(version, _id_in(body)))
    message = _message(body)
    rpc_id = bytes(message.id)
    params = _params(message, rpc_id)
    meta = _meta(params, rpc_id)
    named = text_of(meta, VERSION_KEY) if meta else ""
    is_modern = version == MODERN or (not version and named == MODERN)
    if not version and named and named not in SUPPORTED:
        raise Refused(_unsupported(named, rpc_id))
    client = _client(meta) if meta else ClientInfo()
    call = Call(
        message, rpc_id, message.method or "", params, version or (MODERN if is_modern else ""), is_modern, client, meta
    )
    if call.is_answer and is_modern:
        raise Refused(_invalid("Answers are not posted in this era: send the request again, with inputResponses."))
    if version == MODERN:
        _check_modern(call, request, meta)
    return call


def no_call(version: str) -> Call:
    """Return what stands for a request without a body: the stream of a session, or its end."""
    return Call(Message(), b"", "", {}, version, False, ClientInfo())


def _id_in(body: bytes) -> bytes:
    """Return the id of a request that is refused for another reason, so that its client knows which it was."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raw_id = bytes(wire.message_decoder.decode(body).id)
        return raw_id if raw_id and _is_id(raw_id) else b"null"
    return b"null"


def _message(body: bytes) -> Message:
    try:
        if not body.isascii():
            body.decode()  # what stays raw is not looked into again
        message = wire.message_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Refused(_unreadable(body, problem)) from None
    if message.jsonrpc != "2.0":
        raise Refused(_invalid('The body needs "jsonrpc": "2.0".'))
    raw_id = bytes(message.id)
    if raw_id and not _is_id(raw_id):
        raise Refused(_invalid("The id must be a string or a whole number."))
    if message.method is None and not (raw_id and (message.result or message.error)):
        raise Refused(_invalid("This is not a request: the member “method” is missing."))
    return message


def _unreadable(body: bytes, problem: Exception) -> Reply:
    start = body.lstrip()[:1]
    if start == b"[":
        return _invalid("Batches are not supported: send one message per request.")
    if isinstance(problem, msgspec.ValidationError):
        return _invalid(f"This is not a JSON-RPC message: {problem}.")
    return replies.error(400, replies.PARSE_ERROR, "The body is not valid JSON.", topic="unreadable")


def _invalid(message: str) -> Reply:
    return replies.error(400, replies.INVALID_REQUEST, message, topic="unreadable")


def _unsupported(version: str, rpc_id: bytes = b"null") -> Reply:
    data = {"supported": list(SUPPORTED), "requested": version[:40]}
    message = f"The protocol version is not supported; use one of {', '.join(SUPPORTED)}."
    rpc_id = rpc_id or b"null"
    return replies.error(400, replies.UNSUPPORTED_VERSION, message, rpc_id=rpc_id, data=data, topic="version")


def _is_id(raw: bytes) -> bool:
    if len(raw) < 16 and raw.isdigit() and raw[:1] != b"0":
        return True  # as nearly always
    try:
        return isinstance(msgspec.json.decode(raw), str | int) and raw not in (b"true", b"false")
    except msgspec.DecodeError:
        return False


def _params(message: Message, rpc_id: bytes) -> dict[str, msgspec.Raw]:
    raw = bytes(message.params)
    if not raw or raw == b"null":
        return {}
    try:
        return wire.members_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise Refused(_wrong_params("The params must be an object.", rpc_id)) from None


def _wrong_params(message: str, rpc_id: bytes) -> Reply:
    return replies.error(400, replies.INVALID_PARAMS, message, rpc_id=rpc_id or b"null", topic="unreadable")


def _meta(params: dict[str, msgspec.Raw], rpc_id: bytes) -> dict[str, msgspec.Raw]:
    raw = params.get("_meta")
    if raw is None:
        return {}
    try:
        return wire.members_decoder.decode(raw)
    except msgspec.DecodeError:
        raise Refused(_wrong_params("The member _meta must be an object.", rpc_id)) from None


def text_of(members: dict[str, msgspec.Raw], key: str) -> str:
    """Return the member if it is text, else nothing."""
    try:
        return msgspec.json.decode(members[key], type=str) if key in members else ""
    except msgspec.DecodeError:
        return ""


def _client(meta: dict[str, msgspec.Raw]) -> ClientInfo:
    try:
        return msgspec.json.decode(meta[CLIENT_KEY], type=ClientInfo) if CLIENT_KEY in meta else ClientInfo()
    except msgspec.DecodeError:
        return ClientInfo()


def _check_modern(call: Call, request: HubRequest, meta: dict[str, msgspec.Raw]) -> None:
    """Headers and _meta must be there and agree (2026-07-28, basic/transports: standard headers)."""
    if not call.id:
        return
    if VERSION_KEY not in meta or CAPABILITIES_KEY not in meta:
        raise Refused(_wrong_params(f"The member _meta needs {VERSION_KEY} and {CAPABILITIES_KEY}.", call.id))
    if text_of(meta, VERSION_KEY) != call.version:
        raise Refused(_mismatch("MCP-Protocol-Version", call))
    if b"mcp-method" in request.repeated or _decoded(request.text(b"mcp-method")) != call.method:
        raise Refused(_mismatch("Mcp-Method", call))
    if member := NAMED_BY.get(call.method):
        named = _decoded(request.text(b"mcp-name"))
        if b"mcp-name" in request.repeated or named is None or named != text_of(call.params, member):
            raise Refused(_mismatch("Mcp-Name", call))


def _decoded(value: str) -> str | None:
    """Return the header's value, decoded where it is wrapped as =?base64?…?=."""
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value.strip(" \t") or None
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except ValueError:  # of base64, of UTF-8, or of what is not ASCII
        return None


def _mismatch(header: str, call: Call) -> Reply:
    message = f"The header {header} is missing or does not match the body."
    return replies.error(400, replies.HEADER_MISMATCH, message, rpc_id=call.id, topic="unreadable")
