"""Tokens that were made for a number of calls: what this process has taken of it in advance, and gives back.

Counted is every call of a tool of a server, however it ends, and nothing else: neither lists nor the hub's own tool.
Calls are reserved in the database before they begin, so all processes together never make more than the cap; what a
process that was killed had reserved is lost, at most BLOCK calls.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from nexus.hub.authority import PATIENCE, Database, Unavailable
from tokens.lookup import TokenAuthority
from tokens.models import DelegatedToken

logger = structlog.stdlib.get_logger("nexus.hub")

BLOCK = 20  # calls reserved at once


@dataclass(slots=True)
class Reserve:
    """Calls of one family of tokens that this process may still make."""

    left: int = 0
    is_idle: bool = True
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Caps:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserves: dict[UUID, Reserve] = {}

    async def take(self, authority: TokenAuthority) -> bool:
        """Count one call of a token that has a cap; return False when it has none left. Raise Unavailable."""
        assert authority.family
        reserve = self._reserves.setdefault(authority.family, Reserve())
        reserve.is_idle = False
        async with reserve.lock:
            if not reserve.left:
                reserve.left += await self._reserved(authority.family)
            if not reserve.left:
                return False
            reserve.left -= 1
            return True

    def hand_back(self, authority: TokenAuthority) -> None:
        """Take back the count of a call that did not begin."""
        assert authority.family
        self._reserves.setdefault(authority.family, Reserve()).left += 1

    async def give_back(self, *, all_of_them: bool = False) -> None:
        """Return to the database what no call has needed since the last time."""
        for family, reserve in list(self._reserves.items()):
            if reserve.lock.locked() or not (reserve.is_idle or all_of_them):
                reserve.is_idle = True
                continue
            unused, reserve.left = self._reserves.pop(family).left, 0
            if unused:
                await self._return(family, unused)

    async def _return(self, family: UUID, unused: int) -> None:
        try:
            await self._database.run(_return, family, unused)
        except Exception:
            logger.exception("calls that were reserved and not made are lost", calls=unused)

    async def _reserved(self, family: UUID) -> int:
        """Return how many more calls this process may make; one that it does not hear of is lost, never made twice."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._database.run(_reserve, family)
        except Exception as error:
            logger.warning("calls could not be counted", exc_info=error)
            raise Unavailable(type(error).__name__) from error


def _reserve(family: UUID) -> int:
    return DelegatedToken.objects.reserve_calls(family, BLOCK)


def _return(family: UUID, unused: int) -> None:
    DelegatedToken.objects.return_calls(family, unused)
