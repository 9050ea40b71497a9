"""Resources, resource templates and prompts of the servers of a toolkit: asked for at once, kept while they last."""

import asyncio
import logging
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

from nexus.hub.context import Context
from nexus.hub.upstreams import CLIENT_WAITS, LISTS, Upstreams
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.asking import LIST_TIMEOUT, PLAIN_ENVELOPE, Ask
from profiles.upstream.discovery import MAX_PAGES, sentence
from profiles.upstream.errors import UpstreamError
from profiles.upstream.wire import Members

logger = logging.getLogger("nexus.hub")

FRESH_FOR = 5.0  # seconds
FRESH_ENOUGH = 0.5  # seconds, for what was not found: it may have come into being since
MAX_ENTRIES = 5000  # of one server
MAX_SIZE = 4 * 1024 * 1024  # bytes of one list
REMEMBERED = 200  # catalogs in this process
MAX_URI = 4000  # characters
VARIABLE = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
STOPS = frozenset("/?#")  # a simple variable does not reach beyond them


class Kind(NamedTuple):
    """What is listed by `method` as `member`, told apart by `key`, and offered by servers with this capability."""

    method: str
    member: str
    key: str
    capability: str


RESOURCES = Kind("resources/list", "resources", "uri", "resources")
TEMPLATES = Kind("resources/templates/list", "resourceTemplates", "uriTemplate", "resources")
PROMPTS = Kind("prompts/list", "prompts", "name", "prompts")


@dataclass(slots=True)
class Catalog:
    """What a server listed last, by key, in its order; `failure` says why there is nothing newer."""

    entries: dict[str, msgspec.Raw] = field(default_factory=dict)
    asked_at: float = 0.0  # monotonic
    failure: str = ""

    def is_fresh(self, seconds: float) -> bool:
        return time.monotonic() - self.asked_at < seconds


class Catalogs:
    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._kept: OrderedDict[tuple[uuid.UUID, str, str], Catalog] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(
        self, context: Context, servers: Iterable[Server], kind: Kind, *, fresh_for: float = FRESH_FOR
    ) -> dict[uuid.UUID, Catalog]:
        """Return each server's catalog; one that does not answer within two seconds, as it last was."""
        found = {server.pk: await self._catalog(context, server, kind) for server in servers}
        stale = [server for server in servers if not found[server.pk].is_fresh(fresh_for)]
        if stale:
            tasks = [asyncio.create_task(self._list(context, server, kind, found[server.pk])) for server in stale]
            for task in tasks:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.wait(tasks, timeout=CLIENT_WAITS)
        return found

    def forget(self, server: Server) -> None:
        """Ask the server anew when somebody wants to know."""
        for (server_id, _, _), catalog in self._kept.items():
            if server_id == server.pk:
                catalog.asked_at = 0.0

    async def _catalog(self, context: Context, server: Server, kind: Kind) -> Catalog:
        """Return what this person was shown last; to who is not signed in there, nothing of anybody else's."""
        try:
            key = (server.pk, await self._upstreams.credential_key(context, server), kind.method)
        except UpstreamError as error:
            return Catalog(asked_at=time.monotonic(), failure=sentence(server, error))
        catalog = self._kept.setdefault(key, Catalog())
        self._kept.move_to_end(key)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return catalog

    async def _list(self, context: Context, server: Server, kind: Kind, catalog: Catalog) -> None:
        try:
            state = self._upstreams.state(server)
            state.refuse_while_down()
            async with asyncio.timeout(LIST_TIMEOUT):
                await self._upstreams.introduce(context, server)
                has_any = kind.capability in state.leg.capabilities
                signed_in_as = await self._upstreams.credential_key(context, server)
                entries = await self._pages(context, server, kind) if has_any else {}
                if await self._upstreams.credential_key(context, server) != signed_in_as:
                    return  # it may be somebody else's list
        except UpstreamError as error:
            catalog.failure = sentence(server, error)
        except TimeoutError:
            catalog.failure = f"“{server}” does not answer."
        else:
            catalog.entries, catalog.failure = entries, ""
        catalog.asked_at = time.monotonic()

    async def _pages(self, context: Context, server: Server, kind: Kind) -> dict[str, msgspec.Raw]:
        """Return every page; what has no key that can be used is left out."""
        entries: dict[str, msgspec.Raw] = {}
        params: Members = {}
        size = 0
        for _ in range(MAX_PAGES):
            ask = Ask(kind.method, params, principal=LISTS, envelope=PLAIN_ENVELOPE, timeout=LIST_TIMEOUT)
            answer = await self._upstreams.ask(context, server, ask)
            if answer.error:
                raise UpstreamError(f"it answered {kind.method} with an error")
            size += len(answer.result)
            if size > MAX_SIZE:
                raise UpstreamError(f"its answer to {kind.method} is larger than {MAX_SIZE >> 20} MB")
            cursor = _take_page(answer.result, kind, entries)
            if not cursor or len(entries) >= MAX_ENTRIES:
                break
            params = {"cursor": cursor}
        return entries


def _take_page(result: bytes, kind: Kind, entries: dict[str, msgspec.Raw]) -> msgspec.Raw | None:
    try:
        page = wire.members_decoder.decode(result)
        for raw in msgspec.json.decode(page[kind.member], type=list[msgspec.Raw]):
            key = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get(kind.key)
            if key is not None:
                entries.setdefault(msgspec.json.decode(key, type=str), raw)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        raise UpstreamError(f"it answered {kind.method} with something that is not a list") from None
    cursor = page.get("nextCursor")
    return cursor if cursor is not None and bytes(cursor) != b"null" else None


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[str, tuple[tuple[bool, str], ...]]:
    """Return what the template begins with, then of each variable whether it is simple, and what follows it."""
    first, *rest = VARIABLE.split(template)
    variables: list[tuple[bool, str]] = []
    for operator, _, literal in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if variables and not variables[-1][1]:  # two without anything between them are one
            variables[-1] = (variables[-1][0] and not operator, literal)
        else:
            variables.append((not operator, literal))
    return first, tuple(variables)


def is_of(template: str, uri: str) -> bool:
    """Return True if the URI looks like one of the template (RFC 6570, as far as its literal parts can tell).

    Takes a time that grows with the length alone, whatever a server calls a template.
    """
    if len(template) > MAX_URI or len(uri) > MAX_URI:
        return False
    first, variables = _parts(template)
    if not variables or not uri.startswith(first):
        return False
    position = len(first)
    for number, (is_simple, literal) in enumerate(variables, 1):
        is_last = number == len(variables)
        end = len(uri) - len(literal) if is_last else uri.find(literal, position + is_simple)
        if end < position or not uri.startswith(literal, end):
            return False
        value = uri[position:end]
        if is_simple and (not value or not STOPS.isdisjoint(value)):
            return False
        position = end + len(literal)
    return True
