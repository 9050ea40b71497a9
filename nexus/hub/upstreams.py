"""The servers behind the hub, as this process reaches them: legs that stay open, and what they listed last."""

import asyncio
import logging
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from nexus.hub.authority import Database
from profiles.models import Server
from profiles.upstream.discovery import all_tools, leg_to, sentence
from profiles.upstream.errors import UpstreamError
from profiles.upstream.leg import LIST_TIMEOUT, Leg

logger = logging.getLogger("nexus.hub")

LIST_EVERY = 60.0  # seconds after which a list is asked for again
CLIENT_WAITS = 2.0  # seconds that a client waits for it
ASK_AGAIN = 15.0  # seconds after which a server that failed is asked again


@dataclass(slots=True)
class State:
    """How a server has been doing, as this process saw it."""

    leg: Leg
    address: str
    listed_at: float = 0.0  # monotonic
    failed_at: float = 0.0
    failing_since: datetime | None = None
    failure: str = ""

    def fail(self, failure: str) -> None:
        self.failed_at = time.monotonic()
        self.failing_since = self.failing_since or timezone.now()
        self.failure = failure

    def recover(self) -> None:
        self.failing_since, self.failure = None, ""

    @property
    def wants_listing(self) -> bool:
        now = time.monotonic()
        return now - self.listed_at > LIST_EVERY and (not self.failure or now - self.failed_at > ASK_AGAIN)


class Upstreams:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._states: dict[uuid.UUID, State] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def state(self, server: Server) -> State:
        """Return the way to the server and its state; raise UpstreamError if its address is not one to connect to."""
        state = self._states.get(server.pk)
        if state is None or state.address != server.address:
            if state:
                state.leg.close()
            state = self._states[server.pk] = State(leg_to(server), server.address)
        return state

    def known_state(self, server: Server) -> State | None:
        """Return how the server has been doing, or None if this process has not asked it yet."""
        return self._states.get(server.pk)

    async def refresh(self, servers: list[Server]) -> None:
        """Ask those servers for their tools whose last list is old, all at once, within two seconds."""
        stale = [server for server in servers if self._wants_listing(server)]
        if stale:
            tasks = [asyncio.create_task(self._list(server)) for server in stale]
            for task in tasks:
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(_log_failure)
            await asyncio.wait(tasks, timeout=CLIENT_WAITS)

    def _wants_listing(self, server: Server) -> bool:
        try:
            return self.state(server).wants_listing
        except UpstreamError:
            return False

    async def _list(self, server: Server) -> None:
        """List the server's tools and store what has changed; what is asked too late still counts, later."""
        state = self.state(server)
        state.listed_at = time.monotonic()
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                tools = await all_tools(state.leg)
        except (UpstreamError, TimeoutError) as error:
            state.listed_at = 0.0
            state.fail(sentence(server, error) if isinstance(error, UpstreamError) else f"“{server}” does not answer.")
            await self._database.run(_remember_failure, server, state.failure)
            return
        state.recover()
        await self._database.run(_remember, server, tools)

    def stop(self) -> None:
        for state in self._states.values():
            state.leg.close()


def _remember(server: Server, tools: list[dict[str, Any]]) -> None:
    server.remember_tools(tools, now=timezone.now())


def _remember_failure(server: Server, failure: str) -> None:
    server.remember_failure(failure, now=timezone.now())


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("could not store what a server lists", exc_info=error)


def since(moment: datetime | None) -> str:
    return f" since {moment.astimezone(UTC):%H:%M} UTC" if moment else ""
