"""What a toolkit offers: the one map that listing and calling read."""

import json
import uuid
from dataclasses import dataclass, field

from profiles.models import Server, Toolkit


@dataclass(frozen=True, slots=True)
class Route:
    """Where an exposed tool name leads."""

    exposed_name: str
    upstream_name: str
    server_id: uuid.UUID
    listing: bytes
    timeout: float = 120.0
    mirrored: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, eq=False)
class ToolkitView:
    """A toolkit's servers and allowed tools at an epoch. `is_current` turns False when a change concerns it."""

    toolkit_id: uuid.UUID
    account_id: uuid.UUID
    alias: str
    name: str
    former_aliases: frozenset[str]
    offers_status_tool: bool
    servers: dict[uuid.UUID, Server]
    routes: dict[str, Route]  # in the order in which they are listed
    resource_servers: tuple[uuid.UUID, ...] = ()
    prompt_servers: tuple[uuid.UUID, ...] = ()
    is_plain: bool = False
    listing: bytes = b""
    is_current: bool = field(default=True)

    def goes_by(self, name: str) -> bool:
        """Return True for the toolkit's id, its alias, or an alias it had."""
        return name == self.alias or name in self.former_aliases or _is_id(name, self.toolkit_id)


def view_of(toolkit_id: uuid.UUID) -> ToolkitView | None:
    """Return the toolkit with its living servers and allowed tools, or None if it is deleted."""
    toolkit = Toolkit.objects.living().prefetch_related("former_aliases").filter(pk=toolkit_id).first()
    if toolkit is None:
        return None
    places = toolkit.servers.through.objects.filter(toolkit=toolkit, server__removed_at=None).select_related("server")
    servers = {place.server_id: place.server for place in places}
    order = {server_id: position for position, server_id in enumerate(servers)}
    entries = toolkit.allowed_entries().select_related("tool")
    routes = [
        Route(
            entry.exposed_name,
            entry.tool.name,
            entry.tool.server_id,
            json.dumps({**entry.tool.definition, "name": entry.exposed_name}).encode(),
        )
        for entry in sorted(entries, key=lambda entry: (order[entry.tool.server_id], entry.tool_id))
    ]
    return ToolkitView(
        toolkit_id=toolkit.pk,
        account_id=toolkit.account_id,
        alias=toolkit.alias,
        name=toolkit.name,
        former_aliases=frozenset(former.alias for former in toolkit.former_aliases.all()),
        offers_status_tool=toolkit.offers_status_tool,
        servers=servers,
        routes={route.exposed_name: route for route in routes},
        resource_servers=tuple(servers),
        prompt_servers=tuple(servers),
        is_plain=toolkit.naming == Toolkit.Naming.PLAIN,
        listing=b",".join(route.listing for route in routes),
    )


def _is_id(name: str, expected: uuid.UUID) -> bool:
    try:
        return uuid.UUID(name) == expected
    except ValueError:
        return False
