"""Sessions of the older eras: on the shared process of a command, or with a process of their own."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

from nexus.hub.stdio import messages
from nexus.hub.stdio.commands import SUBSCRIBE, Command, remove
from nexus.hub.stdio.messages import Key, key_of, members_in
from nexus.hub.stdio.program import ServerDied
from nexus.hub.stdio.server import Server
from nexus.hub.stdio.streams import Stream
from profiles.upstream.wire import Message

UNSUBSCRIBE = "resources/unsubscribe"
CANCELLED = "notifications/cancelled"
MOST_UNHEARD = 100  # messages that wait for a client that does not listen
MOST_ASKED = 100  # requests of a server that wait for its client


class Session(Protocol):
    command: Command
    stream: Stream  # of what belongs to no request
    used_at: float

    @property
    def is_over(self) -> bool: ...
    async def running(self) -> Server: ...
    def is_settled(self, method: str, params: bytes) -> bool: ...
    async def notify(self, message: Message, line: bytes) -> None: ...
    async def answer(self, message: Message, line: bytes) -> None: ...
    async def end(self) -> None: ...


class SharedSession:
    """A client without capabilities: it can be asked nothing, and shares a process with all of its kind."""

    is_over = False

    def __init__(self, command: Command) -> None:
        self.command = command
        self.stream = Stream(MOST_UNHEARD)
        self.used_at = time.monotonic()
        self.subscribed: set[str] = set()
        command.sharers.add(self)

    async def running(self) -> Server:
        """Raise ServerDied."""
        return await self.command.running()

    def is_settled(self, method: str, params: bytes) -> bool:
        """Note what the client subscribes to; return True if the server need not know, for others hear of it too."""
        if method not in (SUBSCRIBE, UNSUBSCRIBE):
            return False
        address = messages.text_in(members_in(params).get("uri", b""))
        if method == SUBSCRIBE:
            self.subscribed.add(address)
            return False
        self.subscribed.discard(address)
        return address in self.command.subscribed(besides=self)

    async def notify(self, message: Message, line: bytes) -> None:
        """Pass a cancellation on; the process knows no client but us, who introduced ourselves long ago."""
        if message.method == CANCELLED and self.command.server:
            _cancel(self.command.server, self, message)

    async def answer(self, message: Message, line: bytes) -> None:
        """Nothing was asked of this client."""

    async def end(self) -> None:
        self.stream.break_off()
        self.command.sharers.discard(self)


class OwnSession:
    """A client that can be asked: what its server asks and says goes to it alone."""

    def __init__(self, command: Command, home: Path) -> None:
        self.command = command
        self.stream = Stream(MOST_UNHEARD)
        self.used_at = time.monotonic()
        self.server: Server
        self._home = home
        self._asked: set[Key] = set()

    @classmethod
    async def open(cls, command: Command, hello: bytes) -> "OwnSession":
        """Start its process; raise ServerDied."""
        session = cls(command, command.new_home())
        try:
            session.server = await command.start(session, hello, session._home)
        except (ServerDied, asyncio.CancelledError):
            await remove(session._home)
            raise
        return session

    @property
    def is_over(self) -> bool:
        return self.server.is_over

    async def running(self) -> Server:
        return self.server

    def is_settled(self, method: str, params: bytes) -> bool:
        return False

    async def notify(self, message: Message, line: bytes) -> None:
        if message.method == CANCELLED:
            _cancel(self.server, self, message)
        else:
            await self.server.write(line)

    async def answer(self, message: Message, line: bytes) -> None:
        """Pass on the answer to what the server asked; one that nobody waits for is dropped."""
        if (key := key_of(message.id)) in self._asked:
            self._asked.discard(key)
            await self.server.write(line)

    async def end(self) -> None:
        self.stream.break_off()
        await self.server.stop()
        await remove(self._home)

    def hear_request(self, server: Server, message: Message, line: bytes) -> None:
        key = key_of(message.id)
        if key is None or len(self._asked) >= MOST_ASKED or not self._stream_of_now(server).put(line):
            server.refuse(message, messages.INTERNAL_ERROR, "The client does not keep up with what it is asked.")
        else:
            self._asked.add(key)

    def hear_notification(self, server: Server, message: Message, line: bytes) -> None:
        self._stream_of_now(server).put(line)

    def hear_end(self, server: Server) -> None:
        self.command.back_off.note_death(server.has_answered, time.monotonic())
        self.stream.break_off()

    def _stream_of_now(self, server: Server) -> Stream:
        """Return the stream of the newest request in flight, else the session's own."""
        exchanges = server.exchanges_of(self)
        return exchanges[0].stream if exchanges else self.stream


def _cancel(server: Server, session: Session, message: Message) -> None:
    """Cancel the session's own request of this id; there may be none any more."""
    params = members_in(message.params)
    wanted = key_of(params.get("requestId", b""))
    for exchange in server.exchanges_of(session):
        if wanted is not None and key_of(exchange.id) == wanted:
            server.cancel(exchange, bytes(message.params))
