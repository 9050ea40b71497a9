"""What the hub answers to each method of MCP, for one toolkit and one token."""

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus.hub import ending, protocol, replies, sessions
from nexus.hub.asked import CANCELLED, Asked
from nexus.hub.authority import AuthorityCache
from nexus.hub.bus import Bus
from nexus.hub.catalogs import Catalogs
from nexus.hub.context import Context
from nexus.hub.forwarding import Forwarding
from nexus.hub.offers import Offers
from nexus.hub.protocol import Call, ClientInfo
from nexus.hub.replies import Reply
from nexus.hub.sessions import ClientSessions
from nexus.hub.tools import TTL, Tools
from nexus.hub.upstreams import Upstreams
from profiles.upstream import wire

Method = Callable[[Context], Awaitable[Reply]]

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
FOR_SERVERS = frozenset({"notifications/progress", "notifications/roots/list_changed"})
MAX_INSTRUCTIONS = 4000  # characters of what servers say of themselves


class Methods:
    def __init__(self, cache: AuthorityCache, upstreams: Upstreams, bus: Bus, clients: ClientSessions) -> None:
        self._upstreams = upstreams
        self._bus = bus
        self._clients = clients
        self.asked = Asked(bus)
        self.forwarding = Forwarding(cache, upstreams, self.asked)
        self.catalogs = Catalogs(upstreams)
        tools = Tools(upstreams, self.forwarding)
        self.offers = offers = Offers(self.catalogs, self.forwarding, upstreams, clients)
        always: dict[str, Method] = {
            "tools/list": tools.show,
            "tools/call": tools.call,
            "resources/list": offers.list_resources,
            "resources/templates/list": offers.list_templates,
            "resources/read": offers.read_resource,
            "prompts/list": offers.list_prompts,
            "prompts/get": offers.get_prompt,
            "completion/complete": offers.complete,
            "server/discover": self.discover,
        }
        self._modern = always
        self._older = always | {
            "initialize": self.initialize,
            "ping": self.ping,
            "logging/setLevel": self.set_level,
            "resources/subscribe": offers.subscribe,
            "resources/unsubscribe": offers.subscribe,
        }

    async def answer(self, context: Context) -> Reply:
        """Answer the call as of now; raise Changed if its rights changed while its body was on the way."""
        call = context.call
        if call.method != "tools/call":  # which looks for itself, right before it sends
            self.forwarding.look(context)
        if call.is_answer or not call.id:
            return await self._note(context)
        method = (self._modern if call.is_modern else self._older).get(call.method)
        if method is None:
            status = 404 if call.is_modern else 200
            return call.error(replies.METHOD_NOT_FOUND, f"The hub does not offer {call.method[:60]}.", status=status)
        return await method(context)

    async def initialize(self, context: Context) -> Reply:
        call, authority = context.call, context.authority
        asked = protocol.text_of(call.params, "protocolVersion")
        version = asked if asked in protocol.LEGACY else protocol.LEGACY[0]
        call.client, call.version = _client_of(call), version
        await self._upstreams.refresh(context, list(context.view.servers.values()))
        reply = call.result(
            {
                "protocolVersion": version,
                "capabilities": self._capabilities(context),
                "serverInfo": protocol.SERVER_INFO,
                "instructions": self._instructions(context),
            }
        )
        capabilities = bytes(call.params.get("capabilities", wire.EMPTY))
        session = sessions.open_session(authority.owner_id, authority.toolkit_id, version, call.client, capabilities)
        reply.headers.append((b"mcp-session-id", session.encode()))
        return reply

    async def ping(self, context: Context) -> Reply:
        return context.call.result({})

    async def discover(self, context: Context) -> Reply:
        await self._upstreams.refresh(context, list(context.view.servers.values()))
        return context.call.result(
            {
                "supportedVersions": list(protocol.SUPPORTED),
                "capabilities": self._capabilities(context),
                "instructions": self._instructions(context),
                "ttlMs": TTL,
                "cacheScope": "private",
            }
        )

    async def set_level(self, context: Context) -> Reply:
        """Keep the level for the session, and tell the servers in which it is open already."""
        level = protocol.text_of(context.call.params, "level")
        if level not in LEVELS:
            return context.call.error(replies.INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}.")
        if context.session:
            await self._clients.set_level(context.session, level)
            request = wire.request(b'"nexus-level"', "logging/setLevel", wire.encode({"level": level}))
            await self._upstreams.tell(context, request)
        return context.call.result({})

    async def _note(self, context: Context) -> Reply:
        """Take a notification, or the answer to what a server asked; there is nothing to say to either."""
        call, session = context.call, context.session
        if session is None:
            return Reply(202)
        if call.is_answer:
            if destination := await self.asked.answered(context):
                await self._upstreams.hand_over(context, destination)
        elif call.method == CANCELLED:
            if request := bytes(call.params.get("requestId", b"")):
                await self._bus.publish("cancelled", {"nonce": session.nonce, "id": request.decode()})
        elif call.method in FOR_SERVERS:
            await self._upstreams.tell(context, wire.notification(call.method, wire.encode(call.params)))
        return Reply(202)

    def _capabilities(self, context: Context) -> dict[str, Any]:
        """Return what the servers of the toolkit offer together; the hub itself tells of changed lists."""
        view = context.view
        of_resources = self._declared(context, view.resource_servers)
        of_prompts = self._declared(context, view.prompt_servers)
        everything = self._declared(context, view.servers)
        offered: dict[str, Any] = {"tools": {"listChanged": True}}
        if "resources" in of_resources:
            offered["resources"] = {"subscribe": True, "listChanged": True}
        if "prompts" in of_prompts:
            offered["prompts"] = {"listChanged": True}
        if "completions" in of_resources | of_prompts:
            offered["completions"] = {}
        if "logging" in everything:
            offered["logging"] = {}
        return offered

    def _declared(self, context: Context, servers: Iterable[Any]) -> set[str]:
        return {name for pk in servers for name in self._upstreams.capabilities(context.view.servers[pk])}

    def _instructions(self, context: Context) -> str:
        view, authority = context.view, context.authority
        ends = datetime.fromtimestamp(authority.ends_at, UTC)
        text = (
            f"Tools of the toolkit “{view.name}”, from {len(view.servers)} server(s), through Nexus. "
            f"Access ends {ends:%d %b %Y, %H:%M} UTC."
        )
        said = [(server.name, self._upstreams.instructions(server)) for server in view.servers.values()]
        notice = ending.notice(authority, time.time())
        return "\n\n".join([text, *([notice] if notice else []), *(f"{name}: {own}" for name, own in said if own)])[
            :MAX_INSTRUCTIONS
        ]


def _client_of(call: Call) -> ClientInfo:
    try:
        return msgspec.json.decode(call.params.get("clientInfo", msgspec.Raw(b"{}")), type=ClientInfo)
    except msgspec.DecodeError:
        return ClientInfo()
