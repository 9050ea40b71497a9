"""/healthz for everybody: 200 or 503 and nothing else. /readyz and /metrics for operators: to others, 404."""

import asyncio
import hmac
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils import timezone
from msgspec import json

from nexus import readiness
from nexus.hub import metrics as hub_metrics
from nexus.hub.request import Receive, Scope, Send

LONGEST_CHECK = 1.0  # seconds
FORWARDING = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-host")
PLAIN = b"text/plain; charset=utf-8"


class Check:
    """Runs a blocking check in a thread of its own, one at a time: a check that hangs holds up nothing else."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")
        self._running: asyncio.Future[Any] | None = None

    async def result(self, seconds: float) -> Any:
        """Return what the check says; raise TimeoutError, or whatever the check raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().run_in_executor(self._threads, self._ask)
            self._running.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.wait_for(asyncio.shield(self._running), seconds)


def ask_database() -> None:
    """Raise an exception if the database does not answer."""
    try:
        for alias in connections:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
    finally:
        connections.close_all()


def ask_everything() -> dict[str, Any]:
    try:
        return readiness.report(timezone.now())
    finally:
        connections.close_all()


database = Check(ask_database)
everything = Check(ask_everything)


async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await database.result(LONGEST_CHECK)
    except Exception:  # noqa: BLE001  whatever it is, the answer is 503
        await answer(send, 503, PLAIN, b"unavailable")
    else:
        await answer(send, 200, PLAIN, b"ok")


async def readyz(scope: Scope, receive: Receive, send: Send) -> None:
    if not is_operator(scope):
        await answer(send, 404, PLAIN, b"not found")
        return
    try:
        report = await everything.result(LONGEST_CHECK * 3)
    except TimeoutError:
        report = {"ready": False, "detail": "The checks took too long."}
    await answer(send, 200 if report["ready"] else 503, b"application/json", json.encode(report))


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    if not is_operator(scope):
        await answer(send, 404, PLAIN, b"not found")
        return
    await answer(send, 200, hub_metrics.CONTENT_TYPE, hub_metrics.exposition())


def is_operator(scope: Scope) -> bool:
    """Return True for a peer on this machine that forwards for nobody, and for the holder of NEXUS_METRICS_TOKEN."""
    headers = dict(scope["headers"])
    wanted = settings.NEXUS_METRICS_TOKEN
    if wanted and hmac.compare_digest(headers.get(b"authorization", b""), f"Bearer {wanted}".encode()):
        return True
    if any(name in headers for name in FORWARDING):
        return False
    return is_loopback((scope.get("client") or ("", 0))[0])


def is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


async def answer(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
