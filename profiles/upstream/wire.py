"""JSON-RPC messages whose parts stay as the bytes that came, so that nothing is dropped or rounded on the way."""

from typing import Any

import msgspec

ABSENT = msgspec.Raw(b"")
EMPTY = msgspec.Raw(b"{}")


class Message(msgspec.Struct):
    """A JSON-RPC message; the members that Nexus does not look into stay raw."""

    jsonrpc: str = ""
    id: msgspec.Raw = ABSENT
    method: str | None = None
    params: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class RpcError(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: msgspec.Raw = ABSENT


Members = dict[str, msgspec.Raw]

message_decoder = msgspec.json.Decoder(Message)
members_decoder = msgspec.json.Decoder(Members)
error_decoder = msgspec.json.Decoder(RpcError)
encode = msgspec.json.encode


def request(rpc_id: bytes, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (rpc_id, encode(method), params or b"{}")


def notification(method: str, params: bytes = b"") -> bytes:
    more = b',"params":' + params if params else b""
    return b'{"jsonrpc":"2.0","method":%b%b}' % (encode(method), more)


def result(rpc_id: bytes, content: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (rpc_id, content)


def error(rpc_id: bytes, code: int, message: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":%b}}' % (rpc_id, code, encode(message))


def with_members(raw: bytes, **members: Any) -> bytes:
    """Return the JSON object with these members set; the others keep their bytes and their order."""
    found: dict[str, Any] = dict(members_decoder.decode(raw)) if raw else {}
    found.update(members)
    return encode(found)


def same_id(one: bytes, other: bytes) -> bool:
    """Return True if the two are one JSON value, however it is written."""
    if one == other:
        return True
    try:
        return bool(one and other) and msgspec.json.decode(one) == msgspec.json.decode(other)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
