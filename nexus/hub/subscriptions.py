"""What a client wants to be told beside its answers, and how it is told (2026-07-28, subscriptions)."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from nexus.hub.protocol import Call
from profiles.resolver import ToolkitView
from profiles.upstream import wire
from profiles.upstream.wire import Members, Message

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
UPDATED = "notifications/resources/updated"
ID_KEY = "io.modelcontextprotocol/subscriptionId"
LISTS = ("tools", "prompts", "resources")
MAX_URIS = 1000  # of one stream or session
MAX_URI = 4000  # characters


class Filter(msgspec.Struct, omit_defaults=True):
    """The member `notifications` of subscriptions/listen."""

    toolsListChanged: bool | None = None
    promptsListChanged: bool | None = None
    resourcesListChanged: bool | None = None
    resourceSubscriptions: list[str] | None = None


@dataclass(slots=True)
class Wanted:
    """Which lists, and which resources of which server."""

    lists: frozenset[str] = frozenset(LISTS)
    uris: dict[uuid.UUID, list[str]] = field(default_factory=dict)

    @classmethod
    def of_session(cls, view: ToolkitView, subscribed: Iterable[tuple[uuid.UUID, str]]) -> "Wanted":
        wanted = cls()
        for server_id, uri in subscribed:
            if server_id in view.resource_servers:
                wanted.uris.setdefault(server_id, []).append(uri)
        return wanted

    def for_server(self, server_id: uuid.UUID) -> bytes:
        return wire.encode(self._filter(self.uris.get(server_id)))

    def _filter(self, uris: list[str] | None) -> Filter:
        return Filter(
            **{f"{name}ListChanged": True for name in LISTS if name in self.lists}, resourceSubscriptions=uris or None
        )

    def all(self) -> Filter:
        return self._filter([uri for uris in self.uris.values() for uri in uris])

    def includes(self, message: Message) -> bool:
        """Return True for what the client asked to be told; nothing else may be sent."""
        method = message.method or ""
        if method == UPDATED:
            return bool(self.uris)
        kind = method.removeprefix("notifications/").removesuffix("/list_changed")
        return method.endswith("/list_changed") and kind in self.lists


def filter_of(call: Call) -> Filter | None:
    """Return what the client asks for, or None if that cannot be read."""
    try:
        found = msgspec.json.decode(call.params.get("notifications", wire.EMPTY), type=Filter)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    uris = found.resourceSubscriptions or []
    return found if len(uris) <= MAX_URIS and all(len(uri) <= MAX_URI for uri in uris) else None


def lists_in(asked: Filter) -> frozenset[str]:
    return frozenset(name for name in LISTS if getattr(asked, f"{name}ListChanged"))


def acknowledged(call: Call, wanted: Wanted) -> bytes:
    params = {"notifications": wanted.all(), "_meta": {ID_KEY: msgspec.Raw(call.id)}}
    return wire.notification(ACKNOWLEDGED, wire.encode(params))


def list_changed(kind: str, subscription: bytes) -> bytes:
    params = wire.encode({"_meta": {ID_KEY: msgspec.Raw(subscription)}}) if subscription else b""
    return wire.notification(f"notifications/{kind}/list_changed", params)


def with_id(message: Message, subscription: bytes) -> bytes:
    """Return the notification with the subscription's id, whatever else its params carry."""
    params = wire.members_decoder.decode(message.params or b"{}")
    meta = _object(params.get("_meta", wire.EMPTY))
    meta[ID_KEY] = msgspec.Raw(subscription)
    content = wire.encode({**params, "_meta": msgspec.Raw(wire.encode(meta))})
    return wire.notification(message.method or "", content)


def _object(raw: bytes) -> Members:
    try:
        return wire.members_decoder.decode(raw)
    except msgspec.DecodeError:
        return {}


def differing(before: ToolkitView, after: ToolkitView) -> list[str]:
    """Return the lists that are not what they were."""
    pairs = {
        "tools": (before.listing, after.listing),
        "prompts": (before.prompt_servers, after.prompt_servers),
        "resources": (before.resource_servers, after.resource_servers),
    }
    return [kind for kind, (was, now) in pairs.items() if was != now]
