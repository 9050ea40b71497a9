"""Resources, prompts and completions: listed from every server of the toolkit, asked of the one that has them."""

import asyncio
import hmac
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from django.conf import settings

from nexus.hub import protocol, replies, subscriptions
from nexus.hub.catalogs import (
    FRESH_ENOUGH,
    FRESH_FOR,
    PROMPTS,
    RESOURCES,
    TEMPLATES,
    Catalog,
    Catalogs,
    Kind,
    is_of,
)
from nexus.hub.context import Context
from nexus.hub.forwarding import Forwarding
from nexus.hub.replies import Reply
from nexus.hub.sessions import ClientSessions
from nexus.hub.subscriptions import MAX_URI, MAX_URIS, Wanted
from nexus.hub.upstreams import Upstreams
from profiles import names
from profiles.models import Server
from profiles.upstream import wire

PAGE = 1000  # entries
TTL = 5_000  # milliseconds for which a client may keep a list
SERVERS_KEY = "nexus/servers"
TARGETS = {"ref/prompt": "name", "ref/resource": "uri"}


class Offers:
    def __init__(
        self, catalogs: Catalogs, forwarding: Forwarding, upstreams: Upstreams, clients: ClientSessions
    ) -> None:
        self._catalogs = catalogs
        self._forwarding = forwarding
        self._upstreams = upstreams
        self._clients = clients

    async def list_resources(self, context: Context) -> Reply:
        return await self._list(context, RESOURCES, resource_servers(context), lambda server, uri: uri)

    async def list_templates(self, context: Context) -> Reply:
        return await self._list(context, TEMPLATES, resource_servers(context), lambda server, uri: uri)

    async def list_prompts(self, context: Context) -> Reply:
        return await self._list(context, PROMPTS, prompt_servers(context), exposed_by(context))

    async def read_resource(self, context: Context) -> Reply:
        """Read a resource; the answer is the reader's alone, whatever the server says of caches."""
        uri = protocol.text_of(context.call.params, "uri")
        server = await self._server_of(context, uri)
        if server is None:
            return _not_there(context, uri)
        reply = await self._forwarding.pass_on(context, server, context.call.params, name=uri)
        return _private(context, reply)

    async def subscribe(self, context: Context) -> Reply:
        """Begin or end to be told of a resource: at an older server itself, at a modern one by the session's stream."""
        uri, session = protocol.text_of(context.call.params, "uri"), context.session
        server = await self._server_of(context, uri)
        if server is None:
            return _not_there(context, uri)
        if session is None:
            return context.call.error(replies.INVALID_REQUEST, "Subscriptions need a session: initialize first.")
        if not await self._upstreams.is_modern(context, server):
            return await self._forwarding.pass_on(context, server, context.call.params)
        is_on = context.call.method == "resources/subscribe"
        if not await self._clients.subscribe(session, server.pk, uri, is_on=is_on):
            message = f"A session subscribes to at most {MAX_URIS:,} resources, of {MAX_URI:,} characters each."
            return context.call.error(replies.INVALID_PARAMS, message)
        return context.call.result({})

    async def get_prompt(self, context: Context) -> Reply:
        shown = protocol.text_of(context.call.params, "name")
        found = await self._prompt(context, shown)
        if found is None:
            return _not_there(context, shown)
        server, name = found
        params = {**context.call.params, "name": msgspec.Raw(wire.encode(name))}
        return await self._forwarding.pass_on(context, server, params, name=name)

    async def complete(self, context: Context) -> Reply:
        """Complete an argument of a prompt or of a resource template, at the server that has it."""
        reference = _object(context.call.params.get("ref", wire.EMPTY))
        kind = protocol.text_of(reference, "type")
        shown = protocol.text_of(reference, TARGETS.get(kind, "name"))
        if kind == "ref/prompt":
            found = await self._prompt(context, shown)
        else:
            of_template = await self._server_of(context, shown, by_template=True)
            found = (of_template, shown) if of_template else None
        if found is None:
            return _not_there(context, shown)
        server, name = found
        reference[TARGETS.get(kind, "name")] = msgspec.Raw(wire.encode(name))
        params = {**context.call.params, "ref": msgspec.Raw(wire.encode(reference))}
        return await self._forwarding.pass_on(context, server, params)

    async def _list(
        self, context: Context, kind: Kind, servers: list[Server], exposed: Callable[[Server, str], str]
    ) -> Reply:
        start = cursor_in(context, kind)
        if start is None:
            return context.call.error(replies.INVALID_PARAMS, "This cursor is not one that the hub gave out.")
        catalogs = await self._catalogs.of(context, servers, kind)
        entries = list(_entries(servers, catalogs, kind, exposed))
        result: dict[str, Any] = {kind.member: entries[start : start + PAGE]}
        if len(entries) > start + PAGE:
            result["nextCursor"] = new_cursor(context, kind, start + PAGE)
        if troubles := [
            {"server": server.slug, "state": "failing", "reason": catalogs[server.pk].failure, "listed": "stale"}
            for server in servers
            if catalogs[server.pk].failure
        ]:
            result["_meta"] = {SERVERS_KEY: troubles}
        if context.call.is_modern:
            result |= {"ttlMs": TTL, "cacheScope": "private"}
        return context.call.result(result)

    async def wanted(self, context: Context) -> Wanted | None:
        """Return what subscriptions/listen asks for, each resource with its server; None if it cannot be read."""
        asked = subscriptions.filter_of(context.call)
        if asked is None:
            return None
        wanted = Wanted(subscriptions.lists_in(asked))
        for uri in asked.resourceSubscriptions or []:
            if server := await self._server_of(context, uri):
                wanted.uris.setdefault(server.pk, []).append(uri)
        return wanted

    async def _server_of(self, context: Context, uri: str, *, by_template: bool = False) -> Server | None:
        """Return the server that lists the resource, or a template of it: what is not listed cannot be asked for."""
        if not uri:
            return None
        found = await self._lister_of(context, uri, FRESH_FOR, by_template=by_template)
        return found or await self._lister_of(context, uri, FRESH_ENOUGH, by_template=by_template)

    async def _lister_of(self, context: Context, uri: str, fresh_for: float, *, by_template: bool) -> Server | None:
        servers = resource_servers(context)
        resources, templates = await asyncio.gather(
            self._catalogs.of(context, servers, RESOURCES, fresh_for=fresh_for),
            self._catalogs.of(context, servers, TEMPLATES, fresh_for=fresh_for),
        )
        for server in servers:
            known = templates[server.pk].entries if by_template else resources[server.pk].entries
            if uri in known:
                return server
        matching = (
            server for server in servers if any(is_of(template, uri) for template in templates[server.pk].entries)
        )
        return next(matching, None)

    async def _prompt(self, context: Context, shown: str) -> tuple[Server, str] | None:
        """Return the server of the prompt and its name there."""
        servers, exposed = prompt_servers(context), exposed_by(context)
        catalogs = await self._catalogs.of(context, servers, PROMPTS)
        for server in servers:
            for name in catalogs[server.pk].entries:
                if exposed(server, name) == shown:
                    return server, name
        return None


def resource_servers(context: Context) -> list[Server]:
    return [context.view.servers[pk] for pk in context.view.resource_servers]


def prompt_servers(context: Context) -> list[Server]:
    return [context.view.servers[pk] for pk in context.view.prompt_servers]


def exposed_by(context: Context) -> Callable[[Server, str], str]:
    """Return how prompts are named here; of one name in a plain toolkit, the first server keeps it."""
    if context.view.is_plain:
        return lambda server, name: name
    return lambda server, name: names.prefixed(server.slug, name)


def _entries(
    servers: Iterable[Server], catalogs: dict[uuid.UUID, Catalog], kind: Kind, exposed: Callable[[Server, str], str]
) -> Iterable[msgspec.Raw]:
    """Yield what the servers list, each key once: the first server that has it answers for it."""
    seen = set()
    for server in servers:
        for key, raw in catalogs[server.pk].entries.items():
            shown = exposed(server, key)
            if shown in seen:
                continue
            seen.add(shown)
            yield raw if shown == key else msgspec.Raw(wire.with_members(raw, **{kind.key: shown}))


def _not_there(context: Context, shown: str) -> Reply:
    """Answer alike for what is not allowed and what is not there; nothing was sent to a server."""
    text = f"`{shown[:200]}` is not in toolkit `{context.view.alias}`"
    reply = context.call.error(replies.INVALID_PARAMS, text, data={"uri": shown[:500]} if "://" in shown else None)
    reply.outcome, reply.reason, reply.refusal = "refused", "not in the toolkit", "tool"
    return reply


def _private(context: Context, reply: Reply) -> Reply:
    if not context.call.is_modern or reply.outcome != "ok":
        return reply
    result = wire.message_decoder.decode(reply.body).result
    members = _object(result)
    members.setdefault("ttlMs", msgspec.Raw(b"0"))
    members["cacheScope"] = msgspec.Raw(b'"private"')
    return context.call.raw_result(wire.encode(members))


def _object(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return wire.members_decoder.decode(raw)
    except msgspec.DecodeError:
        return {}


def new_cursor(context: Context, kind: Kind, start: int) -> str:
    """Return a cursor that only this toolkit's lists of this kind take."""
    return f"{start}.{_seal(context, kind, start)}"


def cursor_in(context: Context, kind: Kind) -> int | None:
    """Return where the page begins; None for a cursor that is not ours."""
    if "cursor" not in context.call.params:
        return 0
    start, _, seal = protocol.text_of(context.call.params, "cursor").partition(".")
    if not (start.isascii() and start.isdigit() and len(start) < 10 and seal.isascii()):
        return None
    return int(start) if hmac.compare_digest(seal, _seal(context, kind, int(start))) else None


def _seal(context: Context, kind: Kind, start: int) -> str:
    content = f"{context.view.toolkit_id}:{kind.method}:{start}"
    return hmac.digest(settings.SECRET_KEY.encode(), b"nexus.hub.cursor" + content.encode(), "sha256").hex()[:32]
