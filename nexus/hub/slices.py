"""Rates that all hub processes keep together, through Redis.

A process grants up to a slice (a tenth of a second's worth) of its own accord, and settles at least every INTERVAL:
it reports what it granted and learns what is left of the bucket that all share. So processes together grant at most a
slice each too much, and what was too much is paid back before anything more is granted. One script settles many keys.
Without Redis each process grants its share of the rate: the limit holds, on the processes that were last seen.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator

import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from nexus.hub.buckets import Bucket

logger = logging.getLogger("nexus.hub")

INTERVAL = 0.05  # seconds; half a slice
PAUSE = 0.005  # seconds between two scripts, however much is wanted
HEARTBEAT = 2.0  # seconds after which a process shows itself even if nothing was asked for
ALIVE = 10.0  # seconds for which a process counts after it was seen
RETRY_EVERY = 1.0
TIMEOUT = 0.5  # seconds in which Redis must answer
MOST_KEYS = 300  # of one script: a millisecond of Redis's time
PROCESSES = "nexus:rate:processes"

SETTLE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
local answer = {redis.call('ZCARD', KEYS[1])}
for i = 2, #KEYS do
  local rate, burst, spent = tonumber(ARGV[3 * i - 3]), tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local known = redis.call('HMGET', KEYS[i], 'level', 'at')
  local level, at = tonumber(known[1]) or burst, tonumber(known[2]) or now
  level = math.min(burst, level + math.max(0, now - at) * rate) - spent
  redis.call('HSET', KEYS[i], 'level', string.format('%.6f', level), 'at', string.format('%.6f', now))
  redis.call('EXPIRE', KEYS[i], math.ceil((burst - level) / rate) + 1)
  answer[i] = string.format('%.6f', level)
end
return answer
"""


class Slices:
    def __init__(self, url: str) -> None:
        self._url = url
        self._name = uuid.uuid4().hex
        self._processes = 1
        self._is_up = True
        self._is_stopping = False
        self._spent: set[Bucket] = set()
        self._has_news = asyncio.Event()
        self._is_wanted = asyncio.Event()
        self._all: Callable[[], Iterable[Bucket]] = tuple
        self._task: asyncio.Task[None] | None = None

    async def start(self, buckets: Callable[[], Iterable[Bucket]]) -> None:
        self._all = buckets
        self._task = asyncio.create_task(self._keep_on())

    async def stop(self) -> None:
        """Report what is unreported, then end. A cancelled command of the Redis client may never return."""
        self._is_stopping = True
        self._has_news.set()
        self._is_wanted.set()
        if self._task:
            await self._task

    def adopt(self, bucket: Bucket) -> None:
        """Let the bucket grant a slice; or, without Redis, the share of this process."""
        if self._is_up:
            bucket.restrict(bucket.allowance.rate, bucket.allowance.slice)
        else:
            share = 1 / self._processes
            bucket.restrict(bucket.allowance.rate * share, max(1.0, bucket.allowance.burst * share))

    def note(self, granted: tuple[Bucket, ...]) -> None:
        """Remember to report the call; report at once where a slice is half used and more can be had."""
        if not self._is_up:
            return
        for bucket in granted:
            if not bucket.spent:
                self._spent.add(bucket)
                self._has_news.set()
            bucket.spent += 1
            if bucket.has_more and bucket.level < bucket.low:
                self._is_wanted.set()

    async def _keep_on(self) -> None:
        while not self._is_stopping:
            try:
                await self._settle_for_long()
            except (RedisError, OSError, TimeoutError) as error:
                self._fall_back(error)
            except Exception:
                logger.exception("the task that shares rates failed; it goes on")
            if not self._is_stopping:
                await _within(RETRY_EVERY, self._is_wanted)

    async def _settle_for_long(self) -> None:
        client = redis.asyncio.from_url(
            self._url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        async with client:
            script = client.register_script(SETTLE)
            while True:
                for batch in _batches(self._spent):
                    await self._settle(script, batch)
                self._come_back()
                if self._is_stopping:
                    return
                await asyncio.sleep(PAUSE)
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        if not self._spent:
            await _within(HEARTBEAT, self._has_news)
        if self._spent:
            await _within(INTERVAL, self._is_wanted)

    async def _settle(self, script: "redis.commands.core.AsyncScript", batch: list[Bucket]) -> None:
        reports = [bucket.spent for bucket in batch]
        arguments: list[str | float] = [self._name, ALIVE]
        for bucket, spent in zip(batch, reports, strict=True):
            arguments += [bucket.allowance.rate, bucket.allowance.burst, spent]
        answer = await script(keys=[PROCESSES, *(bucket.key for bucket in batch)], args=arguments)
        self._processes = int(answer[0])
        for bucket, spent, left in zip(batch, reports, answer[1:], strict=True):
            bucket.settle(float(left), spent)
            if not bucket.spent:
                self._spent.discard(bucket)

    def _fall_back(self, error: Exception) -> None:
        if not self._is_up:
            return
        self._is_up = False
        self._spent.clear()
        for bucket in self._all():
            bucket.spent, bucket.has_more = 0, False
            self.adopt(bucket)
        logger.warning(
            "Redis does not answer (%s): until it does, this process grants 1/%d of each rate on its own",
            type(error).__name__,
            self._processes,
        )

    def _come_back(self) -> None:
        if self._is_up:
            return
        self._is_up = True
        for bucket in self._all():
            self.adopt(bucket)
        logger.warning("Redis answers again: rates are shared between processes")


def _batches(buckets: set[Bucket]) -> Iterator[list[Bucket]]:
    """Yield the buckets in lists of at most MOST_KEYS; one empty list if there are none."""
    everything = list(buckets)
    for start in range(0, max(1, len(everything)), MOST_KEYS):
        yield everything[start : start + MOST_KEYS]


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, but no longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
