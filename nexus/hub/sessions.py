"""Sessions of the older eras: the id carries what a worker needs to know, signed, so that any worker serves it.

A session belongs to (owner, toolkit), not to the bytes of a token: a rotated token carries on.
"""

import base64
import hashlib
import hmac
import os
import uuid
from collections import OrderedDict
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from nexus.hub.bus import Bus
from nexus.hub.protocol import ClientInfo
from nexus.hub.subscriptions import MAX_URI, MAX_URIS
from profiles.upstream import wire
from profiles.upstream.asking import Principal, envelope
from profiles.upstream.wire import Members

SIGNATURE = 16  # bytes
MAX_CAPABILITIES = 1000  # bytes; the id is a header
REMEMBERED = 10_000  # sessions of which this process knows that they ended, or how they want to be logged to


class Session(NamedTuple):
    owner_id: int
    toolkit: str  # hex
    protocol: str
    client_name: str
    client_version: str
    capabilities: msgspec.Raw
    nonce: str

    @property
    def client(self) -> ClientInfo:
        return ClientInfo(self.client_name, self.client_version)

    def lets(self, capability: str) -> bool:
        """Return True if the client said that it can be asked this."""
        return capability in wire.members_decoder.decode(self.capabilities)


_decoder = msgspec.json.Decoder(Session)


def _key() -> bytes:
    return hashlib.sha256(b"nexus.hub.session" + settings.SECRET_KEY.encode()).digest()


def open_session(
    owner_id: int, toolkit_id: uuid.UUID, protocol: str, client: ClientInfo, capabilities: bytes = b"{}"
) -> str:
    """Return the id of a new session, in visible ASCII."""
    session = Session(
        owner_id, toolkit_id.hex, protocol, client.name[:60], client.version[:30],
        msgspec.Raw(_bounded(capabilities)), os.urandom(8).hex(),
    )  # fmt: skip
    content = msgspec.json.encode(session)
    return base64.urlsafe_b64encode(_signature(content) + content).decode().rstrip("=")


def _bounded(capabilities: bytes) -> bytes:
    """Return the capabilities if they are an object; of one too large for a header, what servers ask about."""
    try:
        members = wire.members_decoder.decode(capabilities)
    except msgspec.DecodeError:
        return b"{}"
    if len(capabilities) <= MAX_CAPABILITIES:
        return capabilities
    return wire.encode({name: {} for name in ("roots", "sampling", "elicitation") if name in members})


def session_of(text: str, owner_id: int, toolkit_id: uuid.UUID) -> Session | None:
    """Return the session if we made the id for this owner and toolkit; an id proves nothing about who sends it."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if not hmac.compare_digest(raw[:SIGNATURE], _signature(raw[SIGNATURE:])):
            return None
        session = _decoder.decode(raw[SIGNATURE:])
    except (ValueError, msgspec.DecodeError):
        return None
    return session if (session.owner_id, session.toolkit) == (owner_id, toolkit_id.hex) else None


def _signature(content: bytes) -> bytes:
    return hmac.digest(_key(), content, "sha256")[:SIGNATURE]


class ClientSessions:
    """What this process knows of clients' sessions beyond their ids; processes tell each other over the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._levels: OrderedDict[str, str] = OrderedDict()
        self._subscribed: OrderedDict[str, set[tuple[uuid.UUID, str]]] = OrderedDict()  # at modern servers
        bus.on("session ended", lambda data: _remember(self._ended, data["nonce"], None))
        bus.on("level", lambda data: _remember(self._levels, data["nonce"], data["level"]))

        bus.on("subscribed", self._note_subscription)

    def find(self, text: str, owner_id: int, toolkit_id: uuid.UUID) -> Session | None:
        session = session_of(text, owner_id, toolkit_id)
        return session if session and session.nonce not in self._ended else None

    async def end(self, session: Session) -> None:
        await self._bus.publish("session ended", {"nonce": session.nonce})

    async def set_level(self, session: Session, level: str) -> None:
        await self._bus.publish("level", {"nonce": session.nonce, "level": level})

    async def subscribe(self, session: Session, server_id: uuid.UUID, uri: str, *, is_on: bool) -> bool:
        """Note what the session wants to be told of a resource; whoever serves its stream asks the server.

        Return False for one too many, or too long.
        """
        if is_on and (len(uri) > MAX_URI or len(self._subscribed.get(session.nonce, ())) >= MAX_URIS):
            return False
        data = {"nonce": session.nonce, "server": server_id.hex, "uri": uri, "is_on": is_on}
        await self._bus.publish("subscribed", data)
        return True

    def subscribed(self, session: Session | None) -> list[tuple[uuid.UUID, str]]:
        return sorted(self._subscribed.get(session.nonce, ())) if session else []

    def _note_subscription(self, data: dict[str, Any]) -> None:
        uris = self._subscribed.get(data["nonce"], set())
        entry = (uuid.UUID(data["server"]), data["uri"])
        uris = uris | {entry} if data["is_on"] else uris - {entry}
        _remember(self._subscribed, data["nonce"], uris)

    def principal_of(self, session: Session) -> Principal:
        """Return as whom this session's own sessions at older servers are opened."""
        return Principal(
            key=f"{session.owner_id}:{session.toolkit}:{session.nonce}",
            version=session.protocol,
            capabilities=bytes(session.capabilities),
            client=msgspec.json.encode(session.client),
            level=self._levels.get(session.nonce, ""),
            keeps_ids=True,
        )

    def envelope_of(self, session: Session) -> Members:
        """Return what a modern server is told of the client."""
        level = self._levels.get(session.nonce, "")
        return envelope(bytes(session.capabilities), msgspec.json.encode(session.client), level)


def _remember(kept: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    kept[key] = value
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
