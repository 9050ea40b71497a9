"""Tools: the one list that is shown and called from, and the hub's own tool that tells how things are."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus.hub import ending, protocol, replies
from nexus.hub.context import Context
from nexus.hub.forwarding import Forwarding, NoInput, forged, reply_of
from nexus.hub.offers import SERVERS_KEY
from nexus.hub.replies import Reply
from nexus.hub.states import ForgedState
from nexus.hub.upstreams import Upstreams
from profiles.resolver import Route, ToolkitView
from profiles.upstream import heads, wire
from profiles.upstream.errors import UpstreamError
from profiles.upstream.wire import Members

STATUS_TOOL = "nexus_status"
STATUS_DEFINITION = wire.encode(
    {
        "name": STATUS_TOOL,
        "title": "Nexus status",
        "description": "Says which servers of this toolkit answer, which do not, since when, and when the token ends.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "annotations": {"readOnlyHint": True},
    }
)
TTL = 60_000  # milliseconds for which a client may keep the list
MODERN_END = b',"resultType":"complete","ttlMs":%d,"cacheScope":"private","_meta":%b}'


class Tools:
    def __init__(self, upstreams: Upstreams, forwarding: Forwarding) -> None:
        self._upstreams = upstreams
        self._forwarding = forwarding

    async def show(self, context: Context) -> Reply:
        """List the allowed tools of every server; of one that does not answer, as it last listed them, and say so."""
        if "cursor" in context.call.params:
            return context.call.error(replies.INVALID_PARAMS, "The list has one page: ask without a cursor.")
        if await self._upstreams.refresh(context, list(context.view.servers.values())):
            self._forwarding.look(context)  # what was just listed may have changed the toolkit
        view = context.view
        shown = [view.listing] if view.listing else []
        if offers_status(view):
            shown.append(STATUS_DEFINITION)
        troubles = [state for state in self.states(context) if state["state"] != "ok"]
        meta: dict[str, Any] = {SERVERS_KEY: troubles} if troubles else {}
        if context.call.is_modern:
            end = MODERN_END % (TTL, wire.encode({**meta, protocol.SERVER_KEY: protocol.SERVER_INFO}))
        else:
            end = b',"_meta":%b}' % wire.encode(meta) if meta else b"}"
        return context.call.raw_result(b'{"tools":[%b]%b' % (b",".join(shown), end))

    async def call(self, context: Context) -> Reply:
        call = context.call
        name = protocol.text_of(call.params, "name")
        context.tool = name
        route = context.view.routes.get(name)
        if route is not None:
            return await self._forward(context, route)
        self._forwarding.look(context)
        if name == STATUS_TOOL and context.view.offers_status_tool:
            return call.result(self._status(context))
        text = f"`{name[:200]}` is not in toolkit `{context.view.alias}`; see tools/list"
        reply = call.error(replies.INVALID_PARAMS, text, topic="not-in-the-toolkit")
        reply.outcome, reply.reason, reply.refusal = "refused", "not in the toolkit", "tool"
        return reply

    async def _forward(self, context: Context, route: Route) -> Reply:
        server = context.view.servers[route.server_id]
        params = context.call.params
        if route.exposed_name != route.upstream_name:
            params = {**params, "name": msgspec.Raw(wire.encode(route.upstream_name))}
        mirrored = _mirrored(route, params) if route.mirrored and not context.call.is_modern else b""
        try:
            answer = await self._forwarding.ask(
                context, server, params, name=route.upstream_name, mirrored=mirrored, timeout=route.timeout
            )
        except ForgedState:
            return forged(context)
        except (UpstreamError, NoInput, TimeoutError) as problem:
            text = self._forwarding.say(context, server, problem)
            reply = context.call.result({"content": [{"type": "text", "text": text}], "isError": True})
            reply.outcome, reply.reason = "upstream_error", str(problem)
            return reply
        return reply_of(context, answer)

    def states(self, context: Context) -> list[dict[str, Any]]:
        """Return how each server of the toolkit is doing, for this client."""
        states = []
        for server in context.view.servers.values():
            if reason := self._upstreams.trouble_of_sign_in(context, server):
                states.append({"server": server.slug, "state": "not connected", "reason": reason})
                continue
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
        states = self.states(context)
        content: dict[str, Any] = {
            "toolkit": context.view.alias,
            "servers": states,
            "token": {"name": authority.name, "expires_at": ends.isoformat()},
        }
        lines = [f"Toolkit {context.view.alias}, token “{authority.name}”, which ends {ends:%d %b %Y, %H:%M} UTC."]
        if notice := ending.notice(authority, time.time()):
            content["notice"] = notice
            lines.append(notice)
        lines += [f"{entry['server']}: {entry.get('reason', 'ok')}" for entry in states]
        return {"content": [{"type": "text", "text": "\n".join(lines)}], "structuredContent": content}


def offers_status(view: ToolkitView) -> bool:
    return view.offers_status_tool and STATUS_TOOL not in view.routes


def _mirrored(route: Route, params: Members) -> bytes:
    """Return the header lines that repeat arguments which the tool's schema marks with x-mcp-header."""
    try:
        arguments = wire.members_decoder.decode(params.get("arguments", wire.EMPTY))
        values = {name: msgspec.json.decode(arguments[name]) for _, name in route.mirrored if name in arguments}
    except msgspec.DecodeError:
        return b""
    lines = (heads.mirrored(header, _as_text(values[name])) for header, name in route.mirrored if name in values)
    return b"".join(lines)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
