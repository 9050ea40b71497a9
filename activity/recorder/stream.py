import asyncio
import logging
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from activity import stream
from activity.recorder.gathering import Gathering
from activity.recorder.postgres import PostgresRecorder
from activity.recorder.rows import CallRow, NotRecorded

logger = logging.getLogger("nexus.activity")

ASK_EVERY = 30.0  # seconds between two looks whether Redis keeps what it is given
SLOWEST = 2.0  # seconds that Redis may take


class StreamRecorder(Gathering):
    """Appends to the stream; straight to PostgreSQL while Redis is away or would not keep the rows.

    Where it is not known whether Redis has taken them, they go both ways: they are stored by their ids.
    """

    def __init__(self, url: str, direct: PostgresRecorder) -> None:
        super().__init__()
        self._redis = redis.asyncio.from_url(url, socket_timeout=SLOWEST, socket_connect_timeout=SLOWEST)
        self._direct = direct
        self._ask_at = 0.0  # seconds of the event loop's clock
        self._problem = ""  # why rows would not be safe in Redis

    @property
    def is_drained(self) -> bool:
        return not self._problem

    async def start(self) -> None:
        await self._ask()

    async def stop(self) -> None:
        await self._finish()
        await self._redis.aclose()
        await self._direct.stop()

    async def _write(self, rows: list[CallRow]) -> list[NotRecorded | None]:
        if asyncio.get_running_loop().time() >= self._ask_at:
            await self._ask()
        if self._problem or not await self._append(rows):
            return await self._direct.write(rows)
        return [None] * len(rows)

    async def _append(self, rows: list[CallRow]) -> bool:
        try:
            await self._redis.xadd(stream.STREAM, {stream.ROWS: stream.encode(rows)})
        except (RedisError, OSError) as error:
            self._note(f"Redis does not take calls: {type(error).__name__}.")
            return False
        return True

    async def _ask(self) -> None:
        self._ask_at = asyncio.get_running_loop().time() + ASK_EVERY
        try:
            info: dict[str, Any] = await self._redis.info()
        except (RedisError, OSError) as error:
            self._note(f"Redis does not answer: {type(error).__name__}.")
        else:
            self._note(stream.why_not_durable(info))

    def _note(self, problem: str) -> None:
        if problem:
            self._ask_at = min(self._ask_at, asyncio.get_running_loop().time() + SLOWEST)
        if problem and not self._problem:
            logger.warning("calls go straight to PostgreSQL: %s", problem)
        elif self._problem and not problem:
            logger.info("calls go through Redis")
        self._problem = problem
