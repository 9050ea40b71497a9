"""What waits to be sent to a client: bounded, so that a server that writes more than is read fills no memory."""

import asyncio
from collections import deque

MOST_WAITING = 1000  # messages
MOST_BYTES = 8 << 20


class Stream:
    """Messages for one HTTP answer, or for the session's own stream, which may be read by one request at a time."""

    __slots__ = ("_arrived", "_bytes", "_most", "_waiting", "answer", "is_over", "is_read", "reason")

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.answer: bytes | None = None  # the last message, if it is one that answers
        self.reason = ""  # why it is over without an answer
        self.is_over = False
        self.is_read = False
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def put(self, message: bytes) -> bool:
        """Add a message; return False if too much waits already."""
        is_full = len(self._waiting) >= self._most or (self._waiting and self._bytes + len(message) > MOST_BYTES)
        if self.is_over or is_full:
            return False
        self._add(message)
        return True

    def put_once(self, message: bytes) -> None:
        """Add a message unless the same waits already, as one that says only that something changed."""
        if message not in self._waiting:
            self.put(message)

    def finish(self, answer: bytes) -> None:
        if not self.is_over:
            self.answer, self.is_over = answer, True
            self._add(answer)

    def break_off(self, reason: str = "") -> None:
        if not self.is_over:
            self.reason, self.is_over = reason, True
            self._arrived.set()

    async def next(self) -> bytes | None:
        """Wait for a message and take it; None when it is over."""
        while not self._waiting:
            if self.is_over:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        message = self._waiting.popleft()
        self._bytes -= len(message)
        return message

    def _add(self, message: bytes) -> None:
        self._waiting.append(message)
        self._bytes += len(message)
        self._arrived.set()
