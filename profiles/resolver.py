"""What a toolkit offers: the one map that listing and calling read."""

import uuid
from dataclasses import dataclass, field

from profiles import definitions
from profiles.models import Server, Toolkit, ToolkitTool


@dataclass(frozen=True, slots=True)
class Route:
    """Where an exposed tool name leads."""

    exposed_name: str
    upstream_name: str
    server_id: uuid.UUID
    listing: bytes  # the entry of tools/list: as the server last listed it, under this name
    timeout: float  # seconds that the server has for an answer
    mirrored: tuple[tuple[str, str], ...]  # ends of headers Mcp-Param-…, and the arguments that they repeat


@dataclass(slots=True, eq=False)
class ToolkitView:
    """A toolkit's servers and allowed tools at an epoch. `is_current` turns False when a change concerns it."""

    toolkit_id: uuid.UUID
    account_id: uuid.UUID
    alias: str
    name: str
    former_aliases: frozenset[str]
    offers_status_tool: bool
    is_plain: bool  # names are the servers' own
    servers: dict[uuid.UUID, Server]
    resource_servers: tuple[uuid.UUID, ...]
    prompt_servers: tuple[uuid.UUID, ...]
    routes: dict[str, Route]  # in the order in which they are listed
    listing: bytes  # the entries of all routes, with commas between them
    is_current: bool = field(default=True)

    def goes_by(self, name: str) -> bool:
        """Return True for the toolkit's id, its alias, or an alias it had."""
        return name == self.alias or name in self.former_aliases or _is_id(name, self.toolkit_id)


def view_of(toolkit_id: uuid.UUID) -> ToolkitView | None:
    """Return the toolkit with its living servers and allowed tools, or None if it is deleted."""
    toolkit = Toolkit.objects.living().prefetch_related("former_aliases").filter(pk=toolkit_id).first()
    if toolkit is None:
        return None
    places = list(toolkit.places.filter(server__removed_at=None).select_related("server"))
    servers = {place.server_id: place.server for place in places}
    routes = _routes(toolkit, servers)
    return ToolkitView(
        toolkit_id=toolkit.pk,
        account_id=toolkit.account_id,
        alias=toolkit.alias,
        name=toolkit.name,
        former_aliases=frozenset(former.alias for former in toolkit.former_aliases.all()),
        offers_status_tool=toolkit.offers_status_tool,
        is_plain=toolkit.naming == Toolkit.Naming.PLAIN,
        servers=servers,
        resource_servers=tuple(place.server_id for place in places if place.offers_resources),
        prompt_servers=tuple(place.server_id for place in places if place.offers_prompts),
        routes={route.exposed_name: route for route in routes},
        listing=b",".join(route.listing for route in routes),
    )


def _routes(toolkit: Toolkit, servers: dict[uuid.UUID, Server]) -> list[Route]:
    """Return the tools in the order of the servers' places, and of a server in the order in which it named them."""
    order = {server_id: position for position, server_id in enumerate(servers)}
    entries = [entry for entry in toolkit.allowed_entries().select_related("tool") if entry.tool.server_id in servers]
    entries.sort(key=lambda entry: (order[entry.tool.server_id], entry.tool_id))
    return [_route(entry, servers[entry.tool.server_id]) for entry in entries]


def _route(entry: ToolkitTool, server: Server) -> Route:
    return Route(
        exposed_name=entry.exposed_name,
        upstream_name=entry.tool.name,
        server_id=server.pk,
        listing=entry.listing,
        timeout=float(server.timeout_s),
        mirrored=definitions.mirrored(entry.tool.definition),
    )


def _is_id(name: str, expected: uuid.UUID) -> bool:
    try:
        return uuid.UUID(name) == expected
    except ValueError:
        return False
