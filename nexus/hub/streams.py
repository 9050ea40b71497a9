"""Streams that stay open: the session's own stream of the older eras, and subscriptions/listen of the modern one."""

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from nexus.hub import subscriptions
from nexus.hub.asked import Asked
from nexus.hub.bus import Bus
from nexus.hub.catalogs import Catalogs
from nexus.hub.context import Context
from nexus.hub.exchange import Exchange
from nexus.hub.replies import Reply
from nexus.hub.rights import Rights
from nexus.hub.running import COMMENT_EVERY, TICK, disconnected, still_reads, went_away
from nexus.hub.sessions import ClientSessions
from nexus.hub.subscriptions import Wanted
from nexus.hub.upstreams import Upstreams
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.answers import OnMessage
from profiles.upstream.asking import Ask, Principal
from profiles.upstream.errors import UpstreamError
from profiles.upstream.wire import Message

TRY_AGAIN = 15.0  # seconds after which a server whose stream broke off is listened to again
REMEMBERED = 10_000  # sessions of which this process knows the newest stream


@dataclass(slots=True)
class Attachment:
    """How we listen to one server; `key` says what for."""

    key: tuple[str, Any]  # signed in as whom, and in which session or for what
    task: "asyncio.Task[None]"
    begun_at: float

    def is_due(self, key: tuple[str, Any]) -> bool:
        """Return True if it should be begun again: for something else, or because it broke off a while ago."""
        if self.key != key:
            return True
        broke_off = self.task.done() and not self.task.cancelled() and self.task.exception() is not None
        return broke_off and time.monotonic() - self.begun_at > TRY_AGAIN


class Streams:
    def __init__(
        self, rights: Rights, upstreams: Upstreams, catalogs: Catalogs, asked: Asked, clients: ClientSessions, bus: Bus
    ) -> None:
        self._rights = rights
        self._upstreams = upstreams
        self._catalogs = catalogs
        self._asked = asked
        self._clients = clients
        self._bus = bus
        self._newest: OrderedDict[str, str] = OrderedDict()  # the stream that has the messages of a session
        bus.on("stream", self._note_newest)

    async def of_session(self, exchange: Exchange, context: Context) -> Reply:
        """Serve the stream of an older client's session; a newer one of the same session takes its place."""
        assert context.session
        name = str(exchange.request.row_id)
        await self._bus.publish("stream", {"nonce": context.session.nonce, "stream": name})
        await exchange.downstream.comment()
        return await self._serve(exchange, context, None, name)

    async def listen(self, exchange: Exchange, context: Context, wanted: Wanted) -> Reply:
        """Serve subscriptions/listen (2026-07-28): acknowledge, then tell what was asked for."""
        await exchange.downstream.event(subscriptions.acknowledged(context.call, wanted))
        return await self._serve(exchange, context, wanted, "")

    async def _serve(self, exchange: Exchange, context: Context, wanted: Wanted | None, name: str) -> Reply:
        attached: dict[uuid.UUID, Attachment] = {}
        gone = asyncio.ensure_future(disconnected(exchange.receive))
        said_at = time.monotonic()
        try:
            while not gone.done() and self._is_newest(context, name):
                if refusal := await self._rights.refusal(exchange):
                    return refusal
                await self._tell_of_toolkit(exchange, context, wanted)
                await self._attach_all(context, wanted, attached)
                if time.monotonic() - said_at > COMMENT_EVERY:
                    said_at = time.monotonic()
                    if not await still_reads(exchange):
                        break
                await asyncio.wait({gone}, timeout=TICK)
            return _over(exchange)
        finally:
            gone.cancel()
            for attachment in attached.values():
                attachment.task.cancel()

    def _is_newest(self, context: Context, name: str) -> bool:
        return not (name and context.session) or self._newest.get(context.session.nonce, name) == name

    def _note_newest(self, data: dict[str, str]) -> None:
        self._newest[data["nonce"]] = data["stream"]
        self._newest.move_to_end(data["nonce"])
        while len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)

    async def _tell_of_toolkit(self, exchange: Exchange, context: Context, wanted: Wanted | None) -> None:
        """Tell the client that its lists have changed because the toolkit has."""
        view = await self._rights.view(exchange)
        if view is None or view is context.view:
            return
        before, context.view = context.view, view
        for kind in subscriptions.differing(before, view):
            if wanted is None or kind in wanted.lists:
                message = subscriptions.list_changed(kind, context.call.id if wanted else b"")
                await exchange.downstream.event(message)

    async def _attach_all(self, context: Context, wanted: Wanted | None, attached: dict[uuid.UUID, Attachment]) -> None:
        for pk in [pk for pk in attached if pk not in context.view.servers]:
            attached.pop(pk).task.cancel()
        for server in context.view.servers.values():
            found = await self._attachment(context, wanted, server)
            if found is None:
                if before := attached.pop(server.pk, None):
                    await self._detach(context, server, before)
                continue
            key, work = found
            before = attached.get(server.pk)
            if before and not before.is_due(key):
                work.close()
                continue
            if before:
                await self._detach(context, server, before)
            attached[server.pk] = Attachment(key, asyncio.create_task(work), time.monotonic())

    async def _detach(self, context: Context, server: Server, attachment: Attachment) -> None:
        """Stop listening; what was opened with an authorization that has ended is ended at the server, too."""
        attachment.task.cancel()
        signed_in_as, _ = attachment.key
        with contextlib.suppress(UpstreamError):
            await self._upstreams.leave(context, server, signed_in_as)

    async def _attachment(
        self, context: Context, wanted: Wanted | None, server: Server
    ) -> tuple[tuple[str, Any], Coroutine[Any, Any, None]] | None:
        """Return how to listen to the server now, and what tells that from other ways; None if there is nothing to."""
        with contextlib.suppress(UpstreamError):
            return await self._way_to_listen(context, wanted, server)
        return None

    async def _way_to_listen(
        self, context: Context, wanted: Wanted | None, server: Server
    ) -> tuple[tuple[str, Any], Coroutine[Any, Any, None]] | None:
        leg = self._upstreams.state(server).leg
        signed_in_as = await self._upstreams.credential_key(context, server)
        if wanted is None and not leg.is_modern_only:
            session = await self._upstreams.known_session(context, server)  # opened by whichever process
            if session:
                take = self._taker(context, wanted, server)
                return (signed_in_as, session), self._upstreams.listen(context, server, context.principal, take)
        if not leg.is_known:
            return None
        if leg.is_modern_for(context.principal):
            asked = wanted or Wanted.of_session(context.view, self._clients.subscribed(context.session))
            content = asked.for_server(server.pk)
            return (signed_in_as, content), self._listen_to_modern(context, wanted, server, content)
        return ((signed_in_as, "own session"), self._listen_to_older(context, wanted, server)) if wanted else None

    async def _listen_to_modern(self, context: Context, wanted: Wanted | None, server: Server, content: bytes) -> None:
        params = {"notifications": msgspec.Raw(content)}
        if "_meta" in context.call.params:
            params["_meta"] = context.call.params["_meta"]
        ask = Ask(
            "subscriptions/listen", params, id=context.call.id or wire.encode(f"nx-{context.principal.key}"),
            envelope=context.envelope, timeout=None, on_message=self._taker(context, wanted, server),
        )  # fmt: skip
        await self._upstreams.ask(context, server, ask)

    async def _listen_to_older(self, context: Context, wanted: Wanted, server: Server) -> None:
        """Listen in a session that is opened for this, subscribe to what the client named, and end it afterwards."""
        principal = Principal(f"listen:{context.authority.credential}:{uuid.uuid4().hex}")
        try:
            for uri in wanted.uris.get(server.pk, []):
                params = {"uri": msgspec.Raw(wire.encode(uri))}
                await self._upstreams.ask(context, server, Ask("resources/subscribe", params, principal=principal))
            await self._upstreams.open(context, server, principal)
            await self._upstreams.listen(context, server, principal, self._taker(context, wanted, server))
        finally:
            await self._upstreams.end_session(context, server, principal)

    def _taker(self, context: Context, wanted: Wanted | None, server: Server) -> OnMessage:
        passes_on = self._asked.passes_on(context, server)

        async def take(message: Message, data: bytes) -> bool:
            if (message.method or "").endswith("list_changed"):
                self._upstreams.forget_lists(server)
                self._catalogs.forget(server)
            if wanted is None:
                return message.method == subscriptions.ACKNOWLEDGED or await passes_on(message, data)
            if not message.id and wanted.includes(message):
                await context.downstream.event(subscriptions.with_id(message, context.call.id))
            return not message.id

        return take


def _over(exchange: Exchange) -> Reply:
    reply = went_away(exchange)
    reply.outcome, reply.reason, reply.body = "ok", "the stream has ended", b""
    return reply
