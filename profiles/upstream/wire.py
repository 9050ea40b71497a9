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


def request(number: int, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (number, encode(method), params or b"{}")


def notification(method: str) -> bytes:
    return b'{"jsonrpc":"2.0","method":%b}' % encode(method)


def with_members(raw: bytes, **members: Any) -> bytes:
    """Return the JSON object with these members set; the others keep their bytes and their order."""
    found: dict[str, Any] = dict(members_decoder.decode(raw)) if raw else {}
    found.update(members)
    return encode(found)
