"""One command of the catalog: the process that clients without capabilities share, and when it may be started."""

import asyncio
import math
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from nexus.hub.stdio import messages
from nexus.hub.stdio.confinement import Confinement
from nexus.hub.stdio.program import ServerDied
from nexus.hub.stdio.server import Exchange, Hearer, Server
from nexus.hub.stdio.streams import Stream
from profiles.upstream import wire
from profiles.upstream.wire import Message

BACK_OFF_LIMIT = 30.0  # seconds between two starts of a server that keeps dying
CLIENT = {"name": "nexus", "version": "1"}
HELLO = wire.encode({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT})
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
SUBSCRIBE = "resources/subscribe"


class Sharer(Protocol):
    """A session that hears what the shared process says to all."""

    stream: Stream
    subscribed: set[str]  # addresses of resources


class BackOff:
    """Growing pauses before the next start of a program that ends without having answered anything."""

    def __init__(self) -> None:
        self._deaths = 0
        self._until = 0.0

    def refuse(self, now: float) -> None:
        """Raise ServerDied while it may not be started."""
        if (wait := self._until - now) > 0:
            raise ServerDied(f"Its program keeps ending; it is started again in {math.ceil(wait)} s.")

    def note_death(self, had_answered: bool, now: float) -> None:
        self._deaths = 0 if had_answered else self._deaths + 1
        self._until = now + min(2.0 ** (self._deaths - 1), BACK_OFF_LIMIT) if self._deaths else 0.0


class Command:
    def __init__(self, command: list[str], confinement: Confinement) -> None:
        self.sharers: set[Sharer] = set()
        self.server: Server | None = None
        self.back_off = BackOff()
        self._command = command
        self._confinement = confinement
        self._home = confinement.new_home()  # kept while we know the command: what programs cache is there again
        self._starting: asyncio.Task[Server] | None = None

    async def start(self, hearer: Hearer, hello: bytes, home: Path) -> Server:
        """Start a process, for one session or for all; raise ServerDied."""
        self.back_off.refuse(time.monotonic())
        try:
            return await Server.start(self._command, self._confinement, home, hello=hello, hearer=hearer)
        except ServerDied:
            self.back_off.note_death(False, time.monotonic())
            raise

    async def running(self) -> Server:
        """Return the shared process, started by whoever needs it first; raise ServerDied."""
        if self.server and not self.server.is_over:
            return self.server
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_shared())
            self._starting.add_done_callback(self._note_start)
        return await asyncio.shield(self._starting)  # who stops waiting does not stop it for others

    async def _start_shared(self) -> Server:
        server = await self.start(self, HELLO, self._home)
        await server.write(INITIALIZED)
        for address in self.subscribed():
            await server.ask(Exchange(b"0"), SUBSCRIBE, wire.encode({"uri": address}))
        self.server = server
        return server

    def _note_start(self, task: asyncio.Task[Server]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # read once, so that nobody is told of one that nobody waited for

    def new_home(self) -> Path:
        return self._confinement.new_home()

    def subscribed(self, besides: Sharer | None = None) -> set[str]:
        return set().union(*(sharer.subscribed for sharer in self.sharers if sharer is not besides))

    def is_idle(self, since: float) -> bool:
        """Return True if the shared process runs, and nobody has needed it for so long."""
        server = self.server
        return bool(server and not server.is_busy and server.used_at < since and not self.subscribed())

    async def stop(self) -> None:
        if self._starting:
            self._starting.cancel()
            await asyncio.wait((self._starting,))
        if self.server:
            await self.server.stop()
            self.server = None

    async def forget(self) -> None:
        await self.stop()
        await remove(self._home)

    def hear_request(self, server: Server, message: Message, line: bytes) -> None:
        """Refuse it: a process that many share can ask none of them."""
        server.refuse(message, messages.METHOD_NOT_FOUND, f"{message.method} is not supported")

    def hear_notification(self, server: Server, message: Message, line: bytes) -> None:
        for sharer in self._concerned(message):
            sharer.stream.put_once(line)

    def hear_end(self, server: Server) -> None:
        self.back_off.note_death(server.has_answered, time.monotonic())

    def _concerned(self, message: Message) -> Iterable[Sharer]:
        """Return who hears a notification: all that a list changed, subscribers that a resource did."""
        if message.method == "notifications/resources/updated":
            address = messages.text_in(messages.members_in(message.params).get("uri", b""))
            return [sharer for sharer in self.sharers if address in sharer.subscribed]
        return self.sharers if (message.method or "").endswith("/list_changed") else ()


async def remove(home: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
