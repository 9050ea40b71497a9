"""Parts of JSON-RPC messages; what is not looked into keeps its bytes."""

from typing import Any

import msgspec

from profiles.upstream import wire
from profiles.upstream.wire import Members, Message

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603
NO_SESSION = -32001

Key = str | int


def message_in(raw: bytes) -> Message | None:
    """Return None for what is not a JSON object with members of the right kinds."""
    try:
        return wire.message_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def members_in(raw: bytes | msgspec.Raw) -> Members:
    """Return the members of a JSON object; none for anything else."""
    try:
        return dict(wire.members_decoder.decode(raw)) if raw else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def with_members(raw: bytes, **members: Any) -> bytes | None:
    """Return the JSON object with these members set; None if it is not one after all, further in than was looked."""
    try:
        return wire.with_members(raw, **members)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def key_of(rpc_id: bytes | msgspec.Raw) -> Key | None:
    """Return the id as a value, so that it is found again however it is written."""
    try:
        value = msgspec.json.decode(rpc_id) if rpc_id else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def text_in(raw: bytes | msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str) if raw else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def request(number: int, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (number, wire.encode(method), params or b"{}")


def notification(method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (wire.encode(method), params)


def result(rpc_id: bytes, content: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (rpc_id, content)


def error(rpc_id: bytes, code: int, reason: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (rpc_id or b"null", wire.encode({"code": code, "message": reason}))
