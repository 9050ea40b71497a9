"""How the hub processes of an installation reach each other: within the process, or over Redis.

What travels here is a convenience of sessions (docs/adr/0008-messages-pass-through.md); no right depends on it.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

logger = logging.getLogger("nexus.hub")

CHANNEL = "nexus:hub"
STREAM_TAKEN = "stream taken"  # another process reads the stream of an upstream session from now on
SESSION_KEPT = 24 * 3600  # seconds
RETRY_AFTER = 1.0  # seconds
HEED_STOP = 0.2  # seconds after which the listener looks whether it should end

Heard = Callable[[dict[str, Any]], None]


class Bus(Protocol):
    """`publish` reaches every process, our own included; the last four share upstream sessions (SessionStore)."""

    process: str

    def on(self, topic: str, heard: Heard) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def publish(self, topic: str, data: dict[str, Any]) -> None: ...
    async def get(self, key: str) -> str: ...
    async def claim(self, key: str, value: str) -> str: ...
    async def drop(self, key: str) -> None: ...
    async def take_stream(self, key: str) -> None: ...


class LocalBus:
    """For one process: whoever listens is here."""

    def __init__(self) -> None:
        self.process = os.urandom(6).hex()
        self._heard: dict[str, list[Heard]] = {}

    def on(self, topic: str, heard: Heard) -> None:
        self._heard.setdefault(topic, []).append(heard)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    async def publish(self, topic: str, data: dict[str, Any]) -> None:
        self._tell(topic, data)

    def _tell(self, topic: str, data: dict[str, Any]) -> None:
        for heard in self._heard.get(topic, []):
            heard(data)

    async def get(self, key: str) -> str:
        return ""

    async def claim(self, key: str, value: str) -> str:
        return value

    async def drop(self, key: str) -> None:
        """Nothing is kept beside what the process itself knows."""

    async def take_stream(self, key: str) -> None:
        await self.publish(STREAM_TAKEN, {"key": key, "process": self.process})


class RedisBus(LocalBus):
    """For several processes; while Redis is away, each of them is on its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._redis = redis.asyncio.from_url(url, decode_responses=True, socket_timeout=2, socket_connect_timeout=2)
        self._listener: asyncio.Task[None] | None = None
        self._is_over = asyncio.Event()

    async def start(self) -> None:
        ready = asyncio.Event()
        self._listener = asyncio.create_task(self._listen(ready))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_AFTER):
                await ready.wait()

    async def stop(self) -> None:
        """Let the listener end by itself: cancelling a command of the Redis client can hang."""
        self._is_over.set()
        if self._listener:
            await self._listener
        await self._redis.aclose()

    async def publish(self, topic: str, data: dict[str, Any]) -> None:
        self._tell(topic, data)
        message = msgspec.json.encode([self.process, topic, data])
        with contextlib.suppress(RedisError, OSError):
            await self._redis.publish(CHANNEL, message)

    async def get(self, key: str) -> str:
        with contextlib.suppress(RedisError, OSError):
            return str(await self._redis.get(f"nexus:session:{key}") or "")
        return ""

    async def claim(self, key: str, value: str) -> str:
        name = f"nexus:session:{key}"
        with contextlib.suppress(RedisError, OSError):
            if not await self._redis.set(name, value, nx=True, ex=SESSION_KEPT):
                return str(await self._redis.get(name) or value)
        return value

    async def drop(self, key: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.delete(f"nexus:session:{key}")

    async def _listen(self, ready: asyncio.Event) -> None:
        while not self._is_over.is_set():
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(CHANNEL)
                    ready.set()
                    while not self._is_over.is_set():
                        message = await channel.get_message(timeout=HEED_STOP)
                        if message:
                            self._take(message["data"])
            except (RedisError, OSError) as error:
                logger.warning("the bus is away, processes are on their own: %s", type(error).__name__)
                await asyncio.sleep(RETRY_AFTER)

    def _take(self, text: str) -> None:
        try:
            process, topic, data = msgspec.json.decode(text, type=tuple[str, str, dict[str, Any]])
        except msgspec.DecodeError:
            logger.warning("the bus carried something that is not ours")
            return
        if process != self.process:
            self._tell(topic, data)
