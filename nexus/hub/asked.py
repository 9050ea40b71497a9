"""What servers ask of the client in the middle of a call (sampling, elicitation, roots), and its answers.

The id under which the client is asked says where its answer belongs, so that any process can take it: either the
server and its own id, or the process that waits.
"""

import asyncio
import base64
import hmac
import itertools
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from nexus.hub.bus import Bus
from nexus.hub.context import Context
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.answers import OnMessage
from profiles.upstream.wire import Message

PATIENCE = 600.0  # seconds that a person may take to answer
OF_SERVER, OF_PROCESS = "nx1", "nx2"
CANCELLED = "notifications/cancelled"
MESSAGE = "notifications/message"


class Answered(NamedTuple):
    """What the client answered: exactly one of the two is there."""

    result: bytes
    error: bytes


class Destination(NamedTuple):
    """The server that asked, and under which id."""

    server: uuid.UUID
    id: bytes


class Asked:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._numbers = itertools.count(1)
        self._waiting: dict[str, tuple[str, asyncio.Future[Answered]]] = {}
        bus.on("answer", self._take)

    def passes_on(self, context: Context, server: Server) -> OnMessage:
        """Return what hands the server's messages to the client of this call, if it can take them."""

        async def pass_on(message: Message, data: bytes) -> bool:
            if message.id:
                if not can_be_asked(context):
                    return False
                data = wire.with_members(data, id=_id_of_server(context, server, bytes(message.id)))
            elif not _is_wanted(context, message):
                return True
            await context.downstream.event(for_client(context, server, message, data))
            return True

        return pass_on

    async def ask(self, context: Context, method: str, params: bytes) -> Answered:
        """Ask the client ourselves, on the stream of its call; raise TimeoutError."""
        assert context.session
        name = f"{OF_PROCESS}.{self._bus.process}.{next(self._numbers)}"
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[name] = context.session.nonce, future
        try:
            await context.downstream.event(wire.request(wire.encode(name), method, params))
            async with asyncio.timeout(PATIENCE):
                return await future
        finally:
            del self._waiting[name]

    async def answered(self, context: Context) -> Destination | None:
        """Take the client's answer: return the server that waits for it, or wake the process that does."""
        text = _text(context.call.id)
        kind, _, rest = text.partition(".")
        if kind == OF_SERVER and context.session:
            return _destination(context.session.nonce, rest)
        if kind == OF_PROCESS and context.session:
            message = context.call.message
            data = {"name": text, "nonce": context.session.nonce}
            data |= {"result": bytes(message.result).decode(), "error": bytes(message.error).decode()}
            await self._bus.publish("answer", data)
        return None

    def _take(self, data: Mapping[str, Any]) -> None:
        nonce, future = self._waiting.get(data["name"], ("", None))
        if future and not future.done() and nonce == data["nonce"]:
            future.set_result(Answered(data["result"].encode(), data["error"].encode()))


def can_be_asked(context: Context) -> bool:
    """Return True for a client of the older eras that has a session, and reads a stream."""
    return context.session is not None and context.downstream.allows_stream


def _is_wanted(context: Context, message: Message) -> bool:
    if not context.downstream.allows_stream:
        return False
    return not context.call.is_modern or message.method != MESSAGE or context.call.wants_logs


def for_client(context: Context, server: Server, message: Message, data: bytes) -> bytes:
    """Return a server's message as its client knows things: a request that it takes back has the id we gave it."""
    if message.method != CANCELLED:
        return data
    params = wire.members_decoder.decode(message.params or b"{}")
    if "requestId" in params and context.session:
        text = _id_of_server(context, server, bytes(params["requestId"]))
        params["requestId"] = msgspec.Raw(wire.encode(text))
    return wire.notification(CANCELLED, wire.encode(params))


def _id_of_server(context: Context, server: Server, rpc_id: bytes) -> str:
    """Return the id under which the client is asked: only one that we gave to this session leads back to a server."""
    assert context.session
    seal = _seal(context.session.nonce, server.pk, rpc_id)
    return f"{OF_SERVER}.{server.pk.hex}.{seal}.{base64.urlsafe_b64encode(rpc_id).decode()}"


def _destination(nonce: str, text: str) -> Destination | None:
    server, seal, encoded = [*text.split("."), "", ""][:3]
    try:
        server_id, rpc_id = uuid.UUID(server), base64.urlsafe_b64decode(encoded)
    except ValueError:
        return None
    is_ours = seal.isascii() and hmac.compare_digest(seal, _seal(nonce, server_id, rpc_id))
    return Destination(server_id, rpc_id) if is_ours else None


def _seal(nonce: str, server_id: uuid.UUID, rpc_id: bytes) -> str:
    content = b"nexus.hub.asked" + nonce.encode() + server_id.bytes + rpc_id
    return hmac.digest(settings.SECRET_KEY.encode(), content, "sha256").hex()[:32]


def _text(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
