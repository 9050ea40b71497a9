"""The hub: checks every request, forwards what is allowed, records it, answers. Raw ASGI, before Django."""

import asyncio
import contextlib
import time

import structlog
from msgspec import json

from activity.recorder import NotRecorded, Recorder
from nexus.hub import protocol, refusals, replies
from nexus.hub.accounting import Accounting
from nexus.hub.authority import AuthorityCache, Database, Unavailable
from nexus.hub.bus import Bus
from nexus.hub.caps import Caps
from nexus.hub.context import Changed, Context
from nexus.hub.counters import counters
from nexus.hub.credentials import Credentials
from nexus.hub.deeds import Deeds, Minute
from nexus.hub.door import Door
from nexus.hub.downstream import Downstream, rfc3339
from nexus.hub.exchange import Exchange
from nexus.hub.guesses import TooManyGuesses
from nexus.hub.limits import CALLS, STREAMS, Limits
from nexus.hub.methods import Methods
from nexus.hub.protocol import Call
from nexus.hub.replies import Reply
from nexus.hub.request import BadRequest, HubRequest, Receive, Scope, Send, TokenInUrl, TooLarge
from nexus.hub.rights import Rights
from nexus.hub.running import Running
from nexus.hub.sessions import ClientSessions
from nexus.hub.strangers import strangers
from nexus.hub.streams import Streams
from nexus.hub.upstreams import Upstreams
from profiles.resolver import ToolkitView
from profiles.upstream.asking import PLAIN_ENVELOPE, Principal
from tokens.lookup import TokenAuthority
from tokens.models import DelegatedToken

logger = structlog.stdlib.get_logger("nexus.hub")

MCP_PATHS = frozenset({"/hub/mcp", "/mcp"})
VERIFY_PATH = "/hub/token/verify"
PATHS = MCP_PATHS | {VERIFY_PATH}
DECISIONS = 5  # how often a request is decided anew when rights change under it
BODY_TIMEOUT = 30.0  # seconds
MAX_ATTEMPT = 64 * 1024  # bytes of a refused request that are looked at
TOUCH_EVERY = 20.0  # seconds between two writes of when tokens were last used
FORM = "application/x-www-form-urlencoded"
FIRST_WITH_STREAMS = "2025-03-26"  # before it, clients read one message of an answer


class Hub:
    """One per process; `start` before the first request, `stop` after the last."""

    def __init__(self, database: Database, cache: AuthorityCache, recorder: Recorder, bus: Bus, limits: Limits) -> None:
        self._database = database
        self._cache = cache
        self._recorder = recorder
        self._bus = bus
        self._limits = limits
        self._door = Door()
        self._credentials = Credentials(database)
        cache.on_server(self._credentials.forget)
        self._upstreams = Upstreams(database, self._credentials, bus)
        self._clients = ClientSessions(bus)
        rights = Rights(cache)
        self._methods = methods = Methods(cache, self._upstreams, bus, self._clients)
        self._running = Running(rights, bus)
        self._streams = Streams(rights, self._upstreams, methods.catalogs, methods.asked, self._clients, bus)
        self._minute = Minute()
        self._deeds = Deeds(database, cache, self._minute)
        self._caps = Caps(database)
        self._accounting = Accounting(recorder, database, self._minute)
        self._toucher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._cache.start()
        await self._recorder.start()
        await self._bus.start()
        await self._limits.start()
        self._toucher = asyncio.create_task(self._touch_now_and_then())

    async def stop(self) -> None:
        if self._toucher:
            self._toucher.cancel()
        await self._credentials.touch()
        await self._deeds.touch()
        await self._accounting.touch()
        await self._caps.give_back(all_of_them=True)
        await self._limits.stop()
        await self._recorder.stop()
        self._upstreams.stop()
        await self._credentials.stop()
        await self._bus.stop()
        await self._cache.stop()
        await self._database.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HubRequest(scope)
        downstream = Downstream(request, send)
        downstream.shown_origin = self._door.shown_origin(request)
        exchange = Exchange(request, receive, downstream)
        downstream.before_first_byte = lambda: self._accounting.begin(exchange)
        try:
            reply = self._door.answer(request) or await self._answer(exchange)
            if exchange.authority:
                await self._accounting.record(exchange, exchange.authority, reply)
        except Unavailable as problem:
            logger.warning("refused, nothing is known for certain: %s", problem)
            reply = refusals.nothing_is_known()
            if exchange.opened_at:
                await self._accounting.record_failure(exchange, reply)
        except TooManyGuesses:
            reply, exchange.is_only_counted = replies.too_many_guesses(), True  # a flood fills no log
        except NotRecorded as problem:
            reply = refusals.not_recorded(may_have_run=exchange.context is not None)
            logger.error("a call could not be recorded: %s", problem)
        except Exception:
            logger.exception("the hub failed")
            reply = replies.error(500, replies.UNAVAILABLE, f"Nexus failed. Give the operator this id: {request.id}")
            await self._accounting.record_failure(exchange, reply)
        finally:
            self._accounting.leave(exchange)
        self._count(exchange, reply)
        downstream.authority = exchange.authority
        await downstream.finish(reply)
        del downstream.before_first_byte  # a cycle, which the garbage collector would have to find

    def _count(self, exchange: Exchange, reply: Reply) -> None:
        request = exchange.request
        counters.answered(reply.status, reply.outcome, time.perf_counter() - request.begun)
        if reply.refusal:
            counters.refusals[reply.refusal] += 1
        if reply.refusal and not exchange.authority:
            strangers.note(request.address, reply.refusal)
        if reply.refusal and not exchange.is_only_counted:
            logger.info(
                "refused",
                refusal=reply.refusal,
                status=reply.status,
                method=request.method,
                path=request.path,
                address=request.address,
                token=exchange.authority.public_id if exchange.authority else "",
                request_id=request.id,
            )

    async def _answer(self, exchange: Exchange) -> Reply:
        request = exchange.request
        try:
            accounts, profiles = request.names()
            secret = request.secret()
        except TokenInUrl as problem:
            exchange.authority = await self._deeds.token_in_url(request, problem.secret)
            return replies.bad_credentials(str(problem))
        except (BadRequest, ValueError) as problem:
            return replies.bad_credentials(str(problem))
        if secret is None:
            return await self._without_credentials(request, exchange.receive)
        exchange.secret = secret
        for _ in range(DECISIONS):
            try:
                return await self._decide(exchange, accounts, profiles)
            except Changed:
                continue
        raise Unavailable("rights keep changing")

    async def _decide(self, exchange: Exchange, accounts: list[str], profiles: list[str]) -> Reply:
        """Decide on what is true now, and do it; raise Changed if that changes before the call begins."""
        request = exchange.request
        authority = await self._cache.token(exchange.secret, request.address)
        if authority is None:
            return replies.invalid_token(request.resource)
        exchange.authority = authority
        if refusal := authority.refusal(time.time()):
            await self._read_attempt(exchange)
            await self._deeds.reuse(request, authority, refusal)
            return refusals.refused(authority, refusal, request.resource)
        if authority.networks and (wrong := refusals.wrong_address(authority, request.known_address, request.resource)):
            await self._read_attempt(exchange)
            return wrong
        view = await self._cache.toolkit_of(authority)
        if view is None:
            raise Changed
        if wrong := refusals.wrong_names(authority, view, accounts, profiles, request.resource):
            await self._read_attempt(exchange)
            return wrong
        if authority.stage == DelegatedToken.Stage.PENDING:
            await self._deeds.activate(authority)
            raise Changed
        self._accounting.look()
        if not self._recorder.is_drained:  # else the drain notes it
            self._deeds.use(authority)
        cap = STREAMS if request.method == "GET" else CALLS
        if wait := await self._limits.admit(authority, cap):
            return replies.too_many(wait)
        try:
            if not authority.is_current:
                raise Changed
            return await self._allowed(exchange, authority, view)
        finally:
            self._limits.leave(authority, cap)

    async def _allowed(self, exchange: Exchange, authority: TokenAuthority, view: ToolkitView) -> Reply:
        request = exchange.request
        if request.path == VERIFY_PATH:
            return _verified(request, authority, view)
        if request.method == "POST":
            return await self._call(exchange, authority, view)
        return await self._without_body(exchange, authority, view)

    async def _read_attempt(self, exchange: Exchange) -> None:
        """Note what a refused request asked for, so that the owner sees in Activity what the service attempted."""
        request = exchange.request
        if request.method != "POST" or request.content_type != "application/json":
            return
        with contextlib.suppress(TooLarge, BadRequest, TimeoutError, protocol.Refused):
            body = exchange.body  # read already, if rights changed after it had come
            if body is None:
                work = request.body(exchange.receive, MAX_ATTEMPT)
                body = await self._running.within(BODY_TIMEOUT, work)
            call = protocol.read(request, body)
            exchange.attempt = call.method, protocol.text_of(call.params, "name")

    async def _without_credentials(self, request: HubRequest, receive: Receive) -> Reply:
        return await self._token_in_form(request, receive) or replies.no_credentials(request.resource)

    async def _token_in_form(self, request: HubRequest, receive: Receive) -> Reply | None:
        """Refuse a form-encoded token, beside a header too (RFC 6750 section 2: one method in a request)."""
        if request.content_type != FORM or request.method != "POST":
            return None
        with contextlib.suppress(TooLarge, BadRequest, TimeoutError):
            body = await self._running.within(BODY_TIMEOUT, request.body(receive, MAX_ATTEMPT))
            if b"access_token=" in body:
                return replies.bad_credentials("Send the token in the Authorization header, not in the body.")
        return None

    async def _call(self, exchange: Exchange, authority: TokenAuthority, view: ToolkitView) -> Reply:
        request = exchange.request
        if request.content_type != "application/json":
            if twice := await self._token_in_form(request, exchange.receive):
                return twice
            message = "Send the header Content-Type: application/json."
            return replies.error(415, replies.INVALID_REQUEST, message, topic="content-type")
        try:
            if exchange.body is None:
                exchange.body = await self._running.within(BODY_TIMEOUT, request.body(exchange.receive))
            call = protocol.read(request, exchange.body)
        except TimeoutError:
            return replies.error(408, replies.INVALID_REQUEST, f"The body did not arrive within {BODY_TIMEOUT:.0f} s.")
        except TooLarge:
            return replies.error(413, replies.INVALID_REQUEST, "The body is larger than 4 MB.", topic="too-large")
        except BadRequest as problem:
            return replies.error(400, replies.INVALID_REQUEST, str(problem), topic="unreadable")
        except protocol.Refused as refused:
            return refused.reply
        if isinstance(context := self._context(exchange, call, authority, view), Reply):
            return context
        exchange.context = context
        if call.is_modern and call.id and call.method == "subscriptions/listen":
            return await self._listen(exchange, context)
        return await self._counted(exchange, context)

    async def _counted(self, exchange: Exchange, context: Context) -> Reply:
        """Answer; count the call of a server's tool before, if the token has a cap, and not if it is decided anew."""
        authority, call, work = context.authority, context.call, self._methods.answer
        is_free = authority.call_cap is None or call.method != "tools/call"
        if is_free or protocol.text_of(call.params, "name") not in context.view.routes:
            return await self._running.run(exchange, work(context))
        if not await self._caps.take(authority):
            return refusals.cap_reached(authority, exchange.request.resource)
        try:
            return await self._running.run(exchange, work(context))
        except Changed:
            self._caps.hand_back(authority)
            raise

    def _context(self, exchange: Exchange, call: Call, authority: TokenAuthority, view: ToolkitView) -> Context | Reply:
        """Return what the call stands in: its session, if it names one, and as whom servers see it."""
        downstream = exchange.downstream
        if call.is_modern:
            downstream.allows_stream = exchange.request.accepts_stream
            principal = Principal(authority.credential)
            return Context(call, authority, view, downstream, principal, None, mirrored=exchange.request.mirrored())
        text = exchange.request.text(b"mcp-session-id")
        if not text and call.is_answer:
            return call.error(
                replies.INVALID_REQUEST, "An answer belongs to a session: name it.", status=400, topic="session"
            )
        if not text or call.method == "initialize":
            return Context(call, authority, view, downstream, Principal(authority.credential), PLAIN_ENVELOPE)
        session = self._clients.find(text, authority.owner_id, authority.toolkit_id)
        if session is None:
            message = "This session is not known; initialize again."
            return call.error(replies.UNAUTHORIZED, message, status=404, topic="session")
        call.client, call.version = session.client, call.version or session.protocol
        downstream.allows_stream = exchange.request.accepts_stream and session.protocol >= FIRST_WITH_STREAMS
        principal, envelope = self._clients.principal_of(session), self._clients.envelope_of(session)
        return Context(call, authority, view, downstream, principal, envelope, session)

    async def _without_body(self, exchange: Exchange, authority: TokenAuthority, view: ToolkitView) -> Reply:
        """Serve the stream of an older client's session, or end the session."""
        request = exchange.request
        version = request.text(b"mcp-protocol-version")
        if request.method not in ("GET", "DELETE") or version == protocol.MODERN or not request.text(b"mcp-session-id"):
            return replies.only_post()
        context = self._context(exchange, protocol.no_call(version), authority, view)
        if isinstance(context, Reply):
            return context
        assert context.session
        exchange.context = context
        if request.method == "GET":
            context.downstream.allows_stream = True
            return await self._streams.of_session(exchange, context)
        await self._clients.end(context.session)
        await self._upstreams.end(context)
        return Reply(200)

    async def _listen(self, exchange: Exchange, context: Context) -> Reply:
        self._methods.forwarding.look(context)
        if not context.downstream.allows_stream:
            message = "Subscriptions come as a stream: send Accept: application/json, text/event-stream."
            return context.call.error(replies.INVALID_REQUEST, message, status=400)
        await self._upstreams.refresh(context, list(context.view.servers.values()))
        wanted = await self._methods.offers.wanted(context)
        if wanted is None:
            message = "The member “notifications” must say what to tell, for at most 1,000 resources."
            return context.call.error(replies.INVALID_PARAMS, message, status=400)
        if wait := self._limits.enter(context.authority, STREAMS):
            return replies.too_many(wait)
        try:
            return await self._streams.listen(exchange, context, wanted)
        finally:
            self._limits.leave(context.authority, STREAMS)

    async def _touch_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_EVERY)
            self._upstreams.reap()
            try:
                await self._credentials.touch()
                await self._deeds.touch()
                await self._accounting.touch()
                await self._caps.give_back()
            except Exception:
                logger.exception("could not note when tokens were last used")


def _verified(request: HubRequest, authority: TokenAuthority, view: ToolkitView) -> Reply:
    """Answer GET /hub/token/verify: the token's own state."""
    if request.method != "GET":
        return replies.error(405, replies.INVALID_REQUEST, "Use GET.", headers=[(b"allow", b"GET")])
    content = {
        "status": "active",
        "account": str(authority.account_id),
        "profile": view.alias,
        "name": authority.name,
        "expires_at": rfc3339(authority.ends_at),
        "seconds_left": int(authority.ends_at - time.time()),
    }
    return Reply(200, json.encode(content), [replies.JSON, replies.NO_STORE])
