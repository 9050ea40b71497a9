"""The hub: checks every request, forwards what is allowed, records it, answers. Raw ASGI, before Django."""

import asyncio
import contextlib
import time
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from msgspec import json

from activity.recorder import NotRecorded, Recorder
from nexus.hub import protocol, refusals, replies, sessions
from nexus.hub.authority import AuthorityCache, Database, Unavailable
from nexus.hub.counters import counters
from nexus.hub.exchange import Exchange
from nexus.hub.methods import Changed, Context, Methods
from nexus.hub.replies import Reply
from nexus.hub.request import BadRequest, HubRequest, Receive, Scope, Send, TokenInUrl, TooLarge
from nexus.hub.rows import row_of
from nexus.hub.upstreams import Upstreams
from profiles.events import Actor, ActorKind
from profiles.resolver import ToolkitView
from tokens import keys
from tokens.lookup import WARN_BEFORE, TokenAuthority
from tokens.models import DelegatedToken

logger = structlog.stdlib.get_logger("nexus.hub")

MCP_PATHS = frozenset({"/hub/mcp", "/mcp"})
VERIFY_PATH = "/hub/token/verify"
PATHS = MCP_PATHS | {VERIFY_PATH}
REFUSED_ROWS = 60  # rows of refusals per token and minute; the rest is counted
DECISIONS = 5  # how often a request is decided anew when rights change under it
BODY_TIMEOUT = 30.0  # seconds
MAX_ATTEMPT = 64 * 1024  # bytes of a refused request that are looked at
TOUCH_EVERY = 20.0  # seconds between two writes of when tokens were last used
FORM = "application/x-www-form-urlencoded"


class Hub:
    """One per process; `start` before the first request, `stop` after the last."""

    def __init__(self, database: Database, cache: AuthorityCache, recorder: Recorder) -> None:
        self._database = database
        self._cache = cache
        self._recorder = recorder
        self._upstreams = Upstreams(database)
        self._methods = Methods(cache, self._upstreams)
        self._used: dict[int, datetime] = {}
        self._minute = 0
        self._written: Counter[str] = Counter()  # rows of refusals in this minute, by token
        self._toucher: asyncio.Task[None] | None = None
        self._origins = _own_origins() | set(settings.NEXUS_ALLOWED_ORIGINS)

    async def start(self) -> None:
        await self._cache.start()
        await self._recorder.start()
        self._toucher = asyncio.create_task(self._touch_now_and_then())

    async def stop(self) -> None:
        if self._toucher:
            self._toucher.cancel()
        await self._touch()
        await self._recorder.stop()
        self._upstreams.stop()
        await self._cache.stop()
        await self._database.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HubRequest(scope)
        exchange = Exchange(request)
        try:
            reply = self._door(request) or await self._answer(exchange, receive)
            if exchange.authority:
                await self._record(exchange, exchange.authority, reply)
        except Unavailable as problem:
            logger.warning("refused, nothing is known for certain: %s", problem)
            reply = replies.unavailable(
                "Nexus cannot reach its database, so nothing is allowed now. Try again shortly."
            )
        except NotRecorded as problem:
            reply = replies.unavailable("Activity cannot be written, so the answer is withheld; the tool may have run.")
            logger.error("a call could not be recorded: %s", problem)
        except Exception:
            logger.exception("the hub failed")
            reply = replies.error(500, replies.UNAVAILABLE, f"Nexus failed. Give the operator this id: {request.id}")
            await self._record_failure(exchange, reply)
        self._count(exchange, reply)
        await self._send(exchange, reply, send)

    def _count(self, exchange: Exchange, reply: Reply) -> None:
        request = exchange.request
        counters.answered(reply.status, reply.outcome, time.perf_counter() - request.begun)
        if reply.refusal:
            counters.refusals[reply.refusal] += 1
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

    def _door(self, request: HubRequest) -> Reply | None:
        """Answer what needs no credentials: foreign hosts and origins (DNS rebinding), and preflights."""
        if not _is_our_host(request.text(b"host")):
            return replies.error(400, replies.INVALID_REQUEST, "This host name is not one of Nexus's.", refusal="host")
        origin = request.text(b"origin")
        if origin and origin not in self._origins:
            message = (
                "Web pages of this origin may not call Nexus. The operator can allow it with NEXUS_ALLOWED_ORIGINS."
            )
            return replies.error(403, replies.FORBIDDEN, message, refusal="origin")
        if request.method == "OPTIONS":
            return Reply(204, headers=_PREFLIGHT)
        return None

    async def _answer(self, exchange: Exchange, receive: Receive) -> Reply:
        request = exchange.request
        try:
            accounts, profiles = request.names()
            secret = request.secret()
        except TokenInUrl as problem:
            exchange.authority = await self._token_in_url(request, problem.secret)
            return replies.bad_credentials(str(problem))
        except (BadRequest, ValueError) as problem:
            return replies.bad_credentials(str(problem))
        if secret is None:
            return await self._without_credentials(request, receive)
        for _ in range(DECISIONS):
            with contextlib.suppress(Changed):
                return await self._decide(exchange, secret, accounts, profiles, receive)
        raise Unavailable("rights keep changing")

    async def _decide(
        self, exchange: Exchange, secret: str, accounts: list[str], profiles: list[str], receive: Receive
    ) -> Reply:
        """Decide on what is true now, and do it; raise Changed if that changes before the call begins."""
        request = exchange.request
        authority = await self._cache.token(secret)
        if authority is None:
            return replies.invalid_token(request.raw_query)
        exchange.authority = authority
        if refusal := authority.refusal(time.time()):
            await self._read_attempt(exchange, receive)
            return refusals.refused(authority, refusal, request.raw_query)
        view = await self._cache.toolkit(authority.toolkit_id)
        if view is None:
            raise Changed
        if wrong := refusals.wrong_names(authority, view, accounts, profiles, request.raw_query):
            await self._read_attempt(exchange, receive)
            return wrong
        self._used[authority.token_id] = datetime.now(UTC)
        if request.path == VERIFY_PATH:
            return _verified(request, authority, view)
        if request.method != "POST":
            return _only_post()
        return await self._call(exchange, authority, view, receive)

    async def _read_attempt(self, exchange: Exchange, receive: Receive) -> None:
        """Note what a refused request asked for, so that the owner sees in Activity what the service attempted."""
        request = exchange.request
        if request.method != "POST" or request.content_type != "application/json":
            return
        with contextlib.suppress(TooLarge, BadRequest, TimeoutError, protocol.Refused):
            async with asyncio.timeout(BODY_TIMEOUT):
                call = protocol.read(request, await request.body(receive, MAX_ATTEMPT))
            exchange.attempt = call.method, protocol.text_of(call.params, "name")

    async def _without_credentials(self, request: HubRequest, receive: Receive) -> Reply:
        return await self._token_in_form(request, receive) or replies.no_credentials(request.raw_query)

    async def _token_in_form(self, request: HubRequest, receive: Receive) -> Reply | None:
        """Refuse a form-encoded token, beside a header too (RFC 6750 section 2: one method in a request)."""
        if request.content_type != FORM or request.method != "POST":
            return None
        with contextlib.suppress(TooLarge, BadRequest, TimeoutError):
            async with asyncio.timeout(BODY_TIMEOUT):
                if b"access_token=" in await request.body(receive, MAX_ATTEMPT):
                    return replies.bad_credentials("Send the token in the Authorization header, not in the body.")
        return None

    async def _call(self, exchange: Exchange, authority: TokenAuthority, view: ToolkitView, receive: Receive) -> Reply:
        request = exchange.request
        if twice := await self._token_in_form(request, receive):
            return twice
        if request.content_type != "application/json":
            message = "Send the header Content-Type: application/json."
            return replies.error(415, replies.INVALID_REQUEST, message)
        try:
            if exchange.body is None:
                async with asyncio.timeout(BODY_TIMEOUT):
                    exchange.body = await request.body(receive)
            call = protocol.read(request, exchange.body)
        except TimeoutError:
            return replies.error(408, replies.INVALID_REQUEST, f"The body did not arrive within {BODY_TIMEOUT:.0f} s.")
        except TooLarge:
            return replies.error(413, replies.INVALID_REQUEST, "The body is larger than 4 MB.")
        except BadRequest as problem:
            return replies.error(400, replies.INVALID_REQUEST, str(problem))
        except protocol.Refused as refused:
            return refused.reply
        principal = str(authority.token_id)
        if not call.is_modern and call.method != "initialize" and (text := request.text(b"mcp-session-id")):
            session = sessions.session_of(text, authority.owner_id, authority.toolkit_id)
            if session is None:
                return call.error(replies.UNAUTHORIZED, "This session is not known; initialize again.", status=404)
            call.client = protocol.ClientInfo(session.client_name, session.client_version)
            call.version = call.version or session.protocol
            principal = f"{authority.owner_id}:{authority.toolkit_id}:{session.nonce}"
        exchange.context = Context(call, authority, view, principal)
        return await self._methods.answer(exchange.context)

    async def _record(self, exchange: Exchange, authority: TokenAuthority, reply: Reply) -> None:
        if reply.outcome == "refused" and not self._has_room(authority.public_id, REFUSED_ROWS):
            counters.refusals_only_counted += 1
            return
        row = row_of(exchange, authority, reply)
        try:
            await self._recorder.record(row)
        except NotRecorded:
            if settings.NEXUS_ACTIVITY != "best-effort":
                raise
            counters.calls_not_recorded += 1

    async def _record_failure(self, exchange: Exchange, reply: Reply) -> None:
        """Write the row of a request in which we failed: its tool may have run."""
        if exchange.authority:
            with contextlib.suppress(NotRecorded):
                await self._record(exchange, exchange.authority, reply)

    def _has_room(self, subject: str, limit: int) -> bool:
        """Return True for the first `limit` rows about the subject in this minute: nobody fills the disk by asking."""
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._written = minute, Counter()
        self._written[subject] += 1
        return self._written[subject] <= limit

    async def _send(self, exchange: Exchange, reply: Reply, send: Send) -> None:
        request, authority = exchange.request, exchange.authority
        headers, body = reply.headers, reply.body
        if reply.status == 200 and body and request.accepts_only_stream():
            body = b"event: message\ndata: " + body.replace(b"\n", b"\ndata: ") + b"\n\n"
            headers = [header for header in headers if header != replies.JSON]
            headers += [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        headers = [*headers, (b"x-request-id", request.id.encode())]
        if reply.status != 204:
            headers.append((b"content-length", str(len(body)).encode()))
        if authority:
            headers += _token_headers(authority)
        if (origin := request.headers.get(b"origin")) and origin.decode("latin-1") in self._origins:
            headers += [(b"access-control-allow-origin", origin), (b"vary", b"origin"), _EXPOSED]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _token_in_url(self, request: HubRequest, text: str) -> TokenAuthority | None:
        """Return the real token that was sent in the address, and tell its owner; a guess leaves no trace."""
        match = keys.ANYWHERE.search(text)
        found = await self._cache.token(match[0]) if match else None
        if match and found and self._has_room(f"url {found.public_id}", 1):
            actor = Actor(ActorKind.TOKEN, address=request.address, request_id=request.id)
            await self._database.run(_note_in_url, keys.digest(match[0]), actor)
        return found

    async def _touch_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_EVERY)
            try:
                await self._touch()
            except Exception:
                logger.exception("could not note when tokens were last used")

    async def _touch(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._database.run(DelegatedToken.objects.all().touch, used)
        except Exception:
            self._used = used | self._used
            raise


@lru_cache(maxsize=256)
def _is_our_host(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return validate_host(domain, settings.ALLOWED_HOSTS)


def _note_in_url(digest: str, by: Actor) -> None:
    DelegatedToken.objects.all().note_in_url(digest, by=by, now=datetime.now(UTC))


def _only_post() -> Reply:
    """Older clients ask for a stream and end their session in this way, and go on without: no fault of theirs."""
    reply = replies.error(405, replies.INVALID_REQUEST, "Use POST.", headers=[(b"allow", b"POST")])
    reply.outcome, reply.reason = "ok", "only POST is offered"
    return reply


def _verified(request: HubRequest, authority: TokenAuthority, view: ToolkitView) -> Reply:
    """Answer GET /hub/token/verify: the token's own state."""
    if request.method != "GET":
        return replies.error(405, replies.INVALID_REQUEST, "Use GET.", headers=[(b"allow", b"GET")])
    content = {
        "status": "active",
        "account": str(authority.account_id),
        "profile": view.alias,
        "name": authority.name,
        "expires_at": _rfc3339(authority.ends_at),
        "seconds_left": int(authority.ends_at - time.time()),
    }
    return Reply(200, json.encode(content), [replies.JSON, replies.NO_STORE])


def _token_headers(authority: TokenAuthority) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"nexus-token-id", authority.public_id.encode()),
        (b"nexus-token-expires", _rfc3339(authority.ends_at).encode()),
    ]
    left = authority.ends_at - time.time()
    if 0 < left <= WARN_BEFORE:
        headers.append((b"nexus-token-warning", b"expires-in=%d" % left))
    return headers


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _own_origins() -> set[str]:
    """Return the portal's own origin; on a developer's machine, by each of its names."""
    base = urlsplit(settings.NEXUS_BASE_URL)
    if settings.NEXUS_PRODUCTION:
        return {settings.NEXUS_BASE_URL}
    port = f":{base.port}" if base.port else ""
    return {settings.NEXUS_BASE_URL} | {f"http://{host}{port}" for host in ("localhost", "127.0.0.1", "[::1]")}


_EXPOSED = (
    b"access-control-expose-headers",
    b"Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Nexus-Token-Id, Nexus-Token-Expires, Nexus-Token-Warning",
)
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name",
    ),
    (b"access-control-max-age", b"600"),
]
