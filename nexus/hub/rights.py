"""Whether what has been going on for a while may go on."""

import time

from nexus.hub import refusals
from nexus.hub.authority import AuthorityCache, Unavailable
from nexus.hub.exchange import Exchange
from nexus.hub.replies import Reply
from profiles.resolver import ToolkitView


class Rights:
    def __init__(self, cache: AuthorityCache) -> None:
        self._cache = cache

    async def refusal(self, exchange: Exchange) -> Reply | None:
        """Return what the client is told if its token may no longer be used; None while it may."""
        try:
            self._cache.current()
            authority = exchange.authority
            if authority is None or not authority.is_current:
                authority = await self._cache.token(exchange.secret)
        except Unavailable:
            return refusals.nothing_is_known()
        if authority is None:
            return refusals.nothing_is_known()
        exchange.authority = authority
        refusal = authority.refusal(time.time())
        if refusal:
            return refusals.refused(authority, refusal, b"")
        if authority.networks:
            return refusals.wrong_address(authority, exchange.request.known_address, b"")
        return None

    async def view(self, exchange: Exchange) -> ToolkitView | None:
        """Return what the token may use of its toolkit now, or None if that is deleted."""
        return await self._cache.toolkit_of(exchange.authority) if exchange.authority else None
