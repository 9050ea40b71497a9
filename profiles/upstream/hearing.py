"""What an older server says beside its answers, on the stream of a session: heard from before its first request on."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from profiles.upstream import sse
from profiles.upstream.answers import OnMessage, message_in
from profiles.upstream.connection import Response
from profiles.upstream.wire import Message

KEPT = 20
KEPT_SIZE = 16 * 1024  # bytes of an announcement that is kept
BEGINS_WITHIN = 5.0  # seconds that the first request of a session waits for its stream
RECONNECT_AFTER = 1.0  # seconds between two streams of one session


class Hearing:
    """Reads the stream in one task, and hands each message to whoever takes it at that moment."""

    def __init__(self) -> None:
        self.on_idle: OnMessage | None = None  # takes it where the client has a stream of its own
        self._waiting: list[OnMessage] = []  # the requests under way, newest last
        self._kept: deque[tuple[Message, bytes]] = deque(maxlen=KEPT)  # announcements that nobody could take yet
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_settled = asyncio.Event()  # the server has said whether there is a stream

    @property
    def has_ended(self) -> bool:
        return self._task is None or self._task.done()

    @property
    def broke_off(self) -> bool:
        """Return True for a stream that was there, and has ended by a failure."""
        task = self._task
        return task is not None and task.done() and not task.cancelled() and task.exception() is not None

    @property
    def is_settled(self) -> bool:
        return self._is_settled.is_set()

    def start(self, open_stream: Callable[[], Awaitable[Response]], refuse: OnMessage, *, announces: bool) -> None:
        """Read from now on. Without `announces`, a request under way is given only what the server asks."""
        self._task = asyncio.create_task(self._read(open_stream, refuse, announces))
        self._task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    async def give_to(self, take: OnMessage) -> None:
        """Hand everything to the client's own stream from now on, first what was announced before it was there."""
        async with self._turn:
            self.on_idle = take
            while self._kept:
                await take(*self._kept.popleft())

    async def settled(self) -> None:
        """Wait until the stream is there or known not to come, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEGINS_WITHIN):
                await self._is_settled.wait()

    async def end(self, seconds: float) -> bool:
        """Wait so long for the end of the stream; return True if it has come. Raise UpstreamError if it broke off."""
        if self._task is None:
            await asyncio.sleep(seconds)
            return False
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        if done and not self._task.cancelled():
            self._task.result()
        return bool(done)

    @contextlib.asynccontextmanager
    async def during(self, take: OnMessage) -> AsyncIterator[None]:
        """Let a request take what comes while it is under way; what is being handed to it goes before its answer."""
        self._waiting.append(take)
        try:
            yield
        finally:
            async with self._turn:
                self._waiting.remove(take)

    async def _read(self, open_stream: Callable[[], Awaitable[Response]], refuse: OnMessage, announces: bool) -> None:
        try:
            while True:
                response = await open_stream()
                try:
                    if response.status != 409:  # that is: it has not noticed yet that its last stream is gone
                        self._is_settled.set()
                        if response.status != 200 or response.content_type != "text/event-stream":
                            return
                        await self._hand_on(response, refuse, announces)
                finally:
                    response.close()
                await asyncio.sleep(RECONNECT_AFTER)
        finally:
            self._is_settled.set()

    async def _hand_on(self, response: Response, refuse: OnMessage, announces: bool) -> None:
        async for data in sse.data_of_events(response.chunks()):
            message = message_in(data)
            if message and self.on_idle:
                await self.on_idle(message, data)  # a slow reader of that stream holds up no answer
            elif message:
                async with self._turn:
                    await self._hand(message, data, refuse, announces)

    async def _hand(self, message: Message, data: bytes, refuse: OnMessage, announces: bool) -> None:
        if self._waiting and (message.id or announces):
            await self._waiting[-1](message, data)
        elif message.id:
            await refuse(message, data)
        elif announces and len(data) <= KEPT_SIZE:
            self._kept.append((message, data))
