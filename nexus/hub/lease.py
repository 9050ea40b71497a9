"""On PostgreSQL: told of changes by NOTIFY, and allowed to act on what is known under a lease of two seconds."""

import asyncio
import contextlib
import logging
import time
import uuid
from typing import Any

import psycopg
from psycopg import sql

from nexus.hub.authority import AuthorityCache, Unavailable
from tokens.models.authority import CHANNEL, LEASE

logger = logging.getLogger("nexus.hub")

RENEW_EVERY = 0.5  # seconds
RETRY_EVERY = 0.2
RENEWAL_TIMEOUT = 3.0  # seconds, after which another connection is tried
PATIENCE: dict[str, Any] = {"connect_timeout": 3, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}
STALE = "1 hour"  # rows of processes that ended without saying so


class PostgresWatch:
    """Listens on a connection of its own, renews the lease, and confirms each epoch when it is applied."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._id = uuid.uuid4()
        self._deadline = 0.0
        self._cache: AuthorityCache
        self._task: asyncio.Task[None] | None = None

    async def start(self, cache: AuthorityCache) -> None:
        self._cache = cache
        first = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_on(first))
        await first

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def current(self) -> None:
        if boot_time() >= self._deadline:
            raise Unavailable("PostgreSQL has not been heard of for two seconds")

    async def _keep_on(self, first: "asyncio.Future[None]") -> None:
        while True:
            try:
                await self._listen(first)
            except (psycopg.Error, OSError) as error:
                logger.warning("lost the connection that hears of changes: %s", type(error).__name__)
                await asyncio.sleep(RETRY_EVERY)
            except Exception:
                logger.exception("the task that hears of changes failed; it goes on")
                await asyncio.sleep(RETRY_EVERY)

    async def _listen(self, first: "asyncio.Future[None]") -> None:
        async with await psycopg.AsyncConnection.connect(**PATIENCE | self._parameters, autocommit=True) as connection:
            await self._register(connection)
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            try:
                while True:
                    async with asyncio.timeout(RENEWAL_TIMEOUT):
                        await self._renew(connection)
                    if not first.done():
                        first.set_result(None)
                    async for _ in connection.notifies(timeout=RENEW_EVERY, stop_after=1):
                        pass
            except asyncio.CancelledError:
                self._deadline = 0.0
                await connection.execute("DELETE FROM tokens_hubprocess WHERE id = %s", [self._id])
                raise

    async def _register(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        await connection.execute(
            "DELETE FROM tokens_hubprocess WHERE renewed_at < clock_timestamp() - %s::interval", [STALE]
        )
        await connection.execute(
            "INSERT INTO tokens_hubprocess (id, confirmed_epoch, renewed_at) VALUES (%s, %s, clock_timestamp())"
            " ON CONFLICT (id) DO NOTHING",
            [self._id, self._cache.epoch],
        )

    async def _renew(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        """Confirm what is known and extend the lease, which counts from before the confirmation is sent.

        It is extended only by knowing what was true then: whoever changed rights since may have given up on us.
        """
        while True:
            begun = boot_time()
            cursor = await connection.execute(
                "UPDATE tokens_hubprocess SET confirmed_epoch = %s, renewed_at = clock_timestamp() WHERE id = %s"
                " RETURNING (SELECT epoch FROM tokens_authority WHERE id = 1)",
                [self._cache.epoch, self._id],
            )
            row = await cursor.fetchone()
            if row is None:
                await self._register(connection)
                continue
            if row[0] is None:
                raise psycopg.DataError("the row that counts changes of rights is missing")
            is_confirmed = row[0] == self._cache.epoch
            if row[0] < self._cache.epoch:
                self._cache.start_over(row[0])
            elif not is_confirmed:
                await self._catch_up(connection, row[0])
            self._deadline = begun + LEASE.total_seconds()
            if is_confirmed:
                return

    async def _catch_up(self, connection: "psycopg.AsyncConnection[Any]", epoch: int) -> None:
        cursor = await connection.execute(
            "SELECT epoch, scope, subject FROM tokens_authoritychange WHERE epoch > %s AND epoch <= %s ORDER BY epoch",
            [self._cache.epoch, epoch],
        )
        self._cache.catch_up(epoch, await cursor.fetchall())


def boot_time() -> float:
    """Return seconds since the machine was started, sleep included, so that no pause lengthens a lease."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
