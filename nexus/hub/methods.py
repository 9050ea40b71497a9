"""What the hub answers to each method of MCP, for one toolkit and one token."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus.hub import protocol, replies, sessions
from nexus.hub.authority import AuthorityCache
from nexus.hub.protocol import Call, ClientInfo
from nexus.hub.replies import Reply
from nexus.hub.upstreams import Upstreams, since
from profiles.resolver import Route, ToolkitView
from profiles.upstream import wire
from profiles.upstream.discovery import sentence
from profiles.upstream.errors import UpstreamError
from profiles.upstream.leg import Answer
from tokens.lookup import TokenAuthority

STATUS_TOOL = "nexus_status"
STATUS_DEFINITION: dict[str, Any] = {
    "name": STATUS_TOOL,
    "title": "Nexus status",
    "description": "Says which servers of this toolkit answer, which do not and since when, and when the token ends.",
    "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
    "annotations": {"readOnlyHint": True},
}
TTL = 60_000  # milliseconds for which a client may keep a list
SERVERS_KEY = "nexus/servers"


@dataclass(slots=True)
class Context:
    """One call, and what it is allowed."""

    call: Call
    authority: TokenAuthority
    view: ToolkitView
    principal: str  # whose session of an upstream this is
    server: str = ""
    tool: str = ""
    upstream_ms: float = 0.0


class Changed(Exception):
    """Rights changed between the first look and the last: the call is to be decided again."""


class Peek(msgspec.Struct):
    """The two members of a tool's result that the hub looks at."""

    isError: bool = False
    resultType: str | None = None


_peek = msgspec.json.Decoder(Peek)


class Methods:
    def __init__(self, cache: AuthorityCache, upstreams: Upstreams) -> None:
        self._cache = cache
        self._upstreams = upstreams
        self._table: dict[str, Callable[[Context], Awaitable[Reply]]] = {
            "initialize": self.initialize,
            "ping": self.ping,
            "server/discover": self.discover,
            "tools/list": self.list_tools,
            "tools/call": self.call_tool,
        }

    async def answer(self, context: Context) -> Reply:
        """Answer the call as of now; raise Changed if its rights changed while its body was on the way."""
        self.look(context)
        call = context.call
        method = self._table.get(call.method)
        if not call.id:
            return Reply(202)
        if method is None or (call.is_modern and call.method in ("initialize", "ping")):
            status = 404 if call.is_modern else 200
            return call.error(replies.METHOD_NOT_FOUND, f"The hub does not offer {call.method[:60]}.", status=status)
        return await method(context)

    async def initialize(self, context: Context) -> Reply:
        call, authority = context.call, context.authority
        asked = protocol.text_of(call.params, "protocolVersion")
        version = asked if asked in protocol.LEGACY else protocol.LEGACY[0]
        call.client, call.version = _client_of(call), version
        reply = call.result(
            {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": protocol.SERVER_INFO,
                "instructions": instructions(context),
            }
        )
        session = sessions.open_session(
            authority.owner_id, authority.toolkit_id, version, call.client.name[:60], call.client.version[:30]
        )
        reply.headers.append((b"mcp-session-id", session.encode()))
        return reply

    async def ping(self, context: Context) -> Reply:
        return context.call.result({})

    async def discover(self, context: Context) -> Reply:
        return context.call.result(
            {
                "supportedVersions": list(protocol.SUPPORTED),
                "capabilities": {"tools": {}},
                "instructions": instructions(context),
                "ttlMs": TTL,
                "cacheScope": "private",
            }
        )

    async def list_tools(self, context: Context) -> Reply:
        """List the allowed tools of every server; of one that does not answer, as it last listed them, and say so."""
        if "cursor" in context.call.params:
            return context.call.error(replies.INVALID_PARAMS, "The list has one page: ask without a cursor.")
        await self._upstreams.refresh(list(context.view.servers.values()))
        self.look(context)  # what was just listed may have changed the toolkit
        view = context.view
        tools = [{**route.definition, "name": route.exposed_name} for route in view.routes.values()]
        if view.offers_status_tool:
            tools.append(STATUS_DEFINITION)
        result: dict[str, Any] = {"tools": tools}
        if troubles := [state for state in self._states(view) if state["state"] != "ok"]:
            result["_meta"] = {SERVERS_KEY: troubles}
        if context.call.is_modern:
            result |= {"ttlMs": TTL, "cacheScope": "private"}
        return context.call.result(result)

    async def call_tool(self, context: Context) -> Reply:
        call = context.call
        name = protocol.text_of(call.params, "name")
        context.tool = name
        if name == STATUS_TOOL and context.view.offers_status_tool and name not in context.view.routes:
            return call.result(self._status(context))
        route = context.view.routes.get(name)
        if route is None:
            shown = name[:200]
            reply = call.error(
                replies.INVALID_PARAMS, f"`{shown}` is not in toolkit `{context.view.alias}`; see tools/list"
            )
            reply.outcome, reply.reason, reply.refusal = "refused", "not in the toolkit", "tool"
            return reply
        return await self._forward(context, route)

    async def _forward(self, context: Context, route: Route) -> Reply:
        server = context.view.servers[route.server_id]
        context.server = server.slug
        params = {**context.call.params, "name": msgspec.Raw(msgspec.json.encode(route.upstream_name))}
        begun = time.perf_counter()
        try:
            leg = self._upstreams.state(server).leg
            answer = await leg.request(
                "tools/call",
                wire.encode(params),
                name=route.upstream_name,
                principal=context.principal,
                last_look=lambda: self.look(context),
            )
        except UpstreamError as error:
            return self._upstream_failed(context, route, error)
        finally:
            context.upstream_ms = (time.perf_counter() - begun) * 1000
        state = self._upstreams.state(server)
        if state.failure:
            state.recover()
        return _passed_on(context.call, answer)

    def look(self, context: Context) -> None:
        """Raise Changed if what was decided no longer holds; the last look, before the first byte goes upstream, is
        where a call begins."""
        self._cache.current()
        authority = context.authority
        if not authority.is_current or not context.view.is_current or authority.refusal(time.time()):
            raise Changed

    def _upstream_failed(self, context: Context, route: Route, error: UpstreamError) -> Reply:
        server = context.view.servers[route.server_id]
        text = sentence(server, error)
        state = self._upstreams.state(server)
        state.fail(text)
        text += f" It has failed{since(state.failing_since)}; the other servers of the toolkit are not affected."
        reply = context.call.result({"content": [{"type": "text", "text": text}], "isError": True})
        reply.outcome, reply.reason = "upstream_error", str(error)
        return reply

    def _states(self, view: ToolkitView) -> list[dict[str, Any]]:
        states = []
        for server in view.servers.values():
            state = self._upstreams.known_state(server)
            trouble = state.failure if state else server.failure
            since_when = state.failing_since if state else server.failed_at
            entry: dict[str, Any] = {"server": server.slug, "state": "failing" if trouble else "ok"}
            if trouble:
                entry |= {"since": since_when.isoformat() if since_when else None, "reason": trouble, "listed": "stale"}
            states.append(entry)
        return states

    def _status(self, context: Context) -> dict[str, Any]:
        authority = context.authority
        ends = datetime.fromtimestamp(authority.ends_at, UTC)
        states = self._states(context.view)
        content = {
            "toolkit": context.view.alias,
            "servers": states,
            "token": {"name": authority.name, "expires_at": ends.isoformat()},
        }
        lines = [f"Toolkit {context.view.alias}, token “{authority.name}”, which ends {ends:%d %b %Y, %H:%M} UTC."]
        lines += [f"{entry['server']}: {entry.get('reason', 'ok')}" for entry in states]
        return {"content": [{"type": "text", "text": "\n".join(lines)}], "structuredContent": content}


def _passed_on(call: Call, answer: Answer) -> Reply:
    """Return the upstream's answer as it came; what the client's era demands beyond it is added."""
    if answer.error:
        reply = Reply(
            200, b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (call.id, answer.error), [replies.JSON, replies.NO_STORE]
        )
        reply.outcome, reply.reason = "upstream_error", "the server answered with an error"
        return reply
    try:
        peek = _peek.decode(answer.result)
    except msgspec.DecodeError:
        peek = Peek()
    result = answer.result
    if call.is_modern and peek.resultType is None:
        result = wire.with_members(result, resultType="complete")
    reply = call.raw_result(result)
    if peek.isError:
        reply.outcome, reply.reason = "tool_error", "the tool reported an error"
    return reply


def _client_of(call: Call) -> ClientInfo:
    try:
        return msgspec.json.decode(call.params.get("clientInfo", msgspec.Raw(b"{}")), type=ClientInfo)
    except msgspec.DecodeError:
        return ClientInfo()


def instructions(context: Context) -> str:
    view, authority = context.view, context.authority
    ends = datetime.fromtimestamp(authority.ends_at, UTC)
    return (
        f"Tools of the toolkit “{view.name}”, from {len(view.servers)} server(s), through Nexus. "
        f"Access ends {ends:%d %b %Y, %H:%M} UTC."
    )
