"""What a toolkit offers: the one map that listing and calling read."""

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from profiles import definitions
from profiles.models import Server, Toolkit, ToolkitTool

MAX_NARROWED = 1000  # kept of one toolkit
Chosen = tuple[frozenset[str] | None, bool]


@dataclass(frozen=True, slots=True)
class Route:
    """Where an exposed tool name leads."""

    exposed_name: str
    upstream_name: str
    server_id: uuid.UUID
    listing: bytes  # the entry of tools/list: as the server last listed it, under this name
    timeout: float  # seconds that the server has for an answer
    mirrored: tuple[tuple[str, str], ...]  # ends of headers Mcp-Param-…, and the arguments that they repeat
    is_read_only: bool = False  # as it is marked in the toolkit


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
    kept_of_calls: str = Toolkit.Kept.NOTHING
    is_current: bool = field(default=True)
    _narrowed: "OrderedDict[Chosen, ToolkitView]" = field(default_factory=OrderedDict)

    def goes_by(self, name: str) -> bool:
        """Return True for the toolkit's id, its alias, or an alias it had."""
        return name == self.alias or name in self.former_aliases or _is_id(name, self.toolkit_id)

    def narrowed(self, tools: frozenset[str] | None, is_read_only: bool) -> "ToolkitView":
        """Return what tokens have of it that were made for these tools, or only for those that read; one object.

        Whose tools are named has nothing but those: no resource, no prompt, no server without a tool. Resources and
        prompts stay with a read-only token as they stay with a read-only toolkit.
        """
        key = (tools, is_read_only)
        if found := self._narrowed.get(key):
            return found
        while len(self._narrowed) >= MAX_NARROWED:
            self._narrowed.popitem(last=False)[1].outdate()
        self._narrowed[key] = view = self._without(tools, is_read_only)
        return view

    def outdate(self) -> None:
        """Let everybody who holds it, or a part of it, know that something has changed."""
        self.is_current = False
        for view in self._narrowed.values():
            view.outdate()

    def _without(self, tools: frozenset[str] | None, is_read_only: bool) -> "ToolkitView":
        routes = {
            name: route
            for name, route in self.routes.items()
            if (tools is None or name in tools) and (route.is_read_only or not is_read_only)
        }
        resources, prompts = (self.resource_servers, self.prompt_servers) if tools is None else ((), ())
        kept = {*resources, *prompts, *(route.server_id for route in routes.values())}
        return replace(
            self,
            servers={pk: server for pk, server in self.servers.items() if pk in kept},
            resource_servers=resources,
            prompt_servers=prompts,
            routes=routes,
            listing=b",".join(route.listing for route in routes.values()),
            _narrowed=OrderedDict(),
        )


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
        kept_of_calls=toolkit.kept_of_calls,
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
        is_read_only=entry.is_marked_read_only is True,
    )


def _is_id(name: str, expected: uuid.UUID) -> bool:
    try:
        return uuid.UUID(name) == expected
    except ValueError:
        return False
