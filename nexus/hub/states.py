"""The state that a modern server has its client carry from one request to the next (2026-07-28, multi round-trip).

A server sees the hub, not who is behind it: so the hub seals the state for the owner, the toolkit and what was asked,
and hands back to the server only what it got from there for them.
"""

import hashlib
import hmac

import msgspec
from django.conf import settings

from nexus.hub.context import Context
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.wire import Members

MEMBER = "requestState"


class ForgedState(Exception):
    """The state is not one that this owner got in this toolkit for this request."""


def sealed(context: Context, server: Server, result: bytes) -> bytes:
    """Return the result with its state sealed, if it has one."""
    members = wire.members_decoder.decode(result)
    raw = members.get(MEMBER)
    if raw is None:
        return result
    return wire.with_members(result, **{MEMBER: f"{_seal(context, server, bytes(raw))}.{bytes(raw).decode()}"})


def opened(context: Context, server: Server, params: Members) -> Members:
    """Return the params with the state as the server gave it; raise ForgedState."""
    if MEMBER not in params:
        return params
    try:
        seal, _, raw = msgspec.json.decode(params[MEMBER], type=str).partition(".")
    except msgspec.DecodeError:
        raise ForgedState from None
    if not seal.isascii() or not hmac.compare_digest(seal, _seal(context, server, raw.encode())):
        raise ForgedState
    return {**params, MEMBER: msgspec.Raw(raw.encode())}


def _seal(context: Context, server: Server, raw: bytes) -> str:
    call, authority = context.call, context.authority
    subject = [
        authority.owner_id, authority.toolkit_id.hex, server.pk.hex, call.method, call.params.get("name"),
        call.params.get("uri"),
    ]  # fmt: skip
    content = hashlib.sha256(wire.encode(subject)).digest() + raw
    return hmac.digest(settings.SECRET_KEY.encode(), b"nexus.hub.state" + content, "sha256").hex()
