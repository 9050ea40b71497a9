"""Django behind ASGI, where a whole request runs on one thread, and threads and what they hold open are kept."""

import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.http import FileResponse, HttpRequest, HttpResponseBase

KEPT = 8  # threads at rest: as many requests at once begin without a new thread and a new connection to the database


class Threads:
    """Threads of which each serves one request at a time; the one that rested least is asked first."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self.resting: list[Executor] = []

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        thread = self.resting.pop() if self.resting else ThreadPoolExecutor(1, "django")
        try:
            async with ThreadSensitiveContext(executor=thread):
                yield
        finally:
            self._rest(thread)

    def _rest(self, thread: Executor) -> None:
        if len(self.resting) < self.kept:
            self.resting.append(thread)
        else:
            # An end of its own, else they stay open until garbage is collected: each burst would add descriptors.
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)


class DjangoApplication(ASGIHandler):
    """Django's own handler, but for two things.

    It makes a thread for each request, which opens a connection to the database of its own, and takes every
    middleware that is not asynchronous, as all of ours are, for a reason to change threads.
    """

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.threads = Threads()
        self.load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self.threads.one():
            if scope["type"] != "http":
                raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")
            await self.handle(scope, receive, send)

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        response = await sync_to_async(self.get_response)(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        return response
