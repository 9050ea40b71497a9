"""The row of Activity that a request becomes: bounded, and with the names copied in."""

import time
from datetime import UTC, datetime
from functools import lru_cache

from activity.recorder import CallRow
from nexus.hub import kept
from nexus.hub.exchange import Exchange
from nexus.hub.replies import Reply
from tokens import keys
from tokens.lookup import BEHIND, TokenAuthority

MOST_BYTES = 2**31 - 1  # a stream may carry more than its column can say


def row_of(exchange: Exchange, authority: TokenAuthority, reply: Reply) -> CallRow:
    request, context = exchange.request, exchange.context
    call = context.call if context else None
    method, tool = (context.call.method, context.tool) if context else exchange.attempt
    upstream_ms = context.upstream_ms if context else 0.0
    policy = context.view.kept_of_calls if context else ""
    return CallRow(
        id=request.row_id,
        at=exchange.opened_at or datetime.now(UTC),
        account_id=authority.account_id,
        owner_id=authority.owner_id,
        owner_email=authority.owner_email,
        toolkit_id=authority.toolkit_id,
        toolkit_alias=authority.toolkit_alias,
        token_public_id=authority.public_id,
        token_name=authority.name[:80],
        token_kind=authority.kind,
        actors=authority.actors[:200],
        client_name=bounded(call.client.name, 100) if call else "",
        client_version=bounded(call.client.version, 50) if call else "",
        address=request.address[:45],
        user_agent=bounded(request.text(b"user-agent"), 300),
        protocol=call.version[:10] if call else "",
        method=bounded(method or f"{request.method} {request.path}", 60),
        server=context.server if context else "",
        tool=bounded(tool, 200),
        outcome=reply.outcome,
        reason=bounded(reply.reason, 300) if reply.reason else "",
        hub_ms=round((time.perf_counter() - request.begun) * 1000 - upstream_ms, 3),
        upstream_ms=round(upstream_ms, 3),
        bytes_in=len(exchange.body or b""),
        bytes_out=min(exchange.downstream.bytes_out + len(reply.body), MOST_BYTES),
        request_id=request.id,
        application=authority.name[:100]
        if authority.kind is keys.Kind.ACCESS
        else authority.actors.partition(BEHIND)[0][:100],
        arguments=kept.of_arguments(policy, method, call.params) if call else "",
        result=kept.of_result(policy, method, reply.body) if call else "",
    )


def bounded(text: str, limit: int) -> str:
    """Return at most `limit` characters that every store takes, without a secret among them."""
    return _bounded(text[: limit * 2], limit) if text else ""


@lru_cache(maxsize=4096)
def _bounded(text: str, limit: int) -> str:
    return keys.redact(text.encode("utf-8", "replace").decode().replace("\0", "\ufffd"))[:limit]
