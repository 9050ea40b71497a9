"""Sending webhooks: what is due, signed as Standard Webhooks has it, over the guarded connector.

A run sends to many webhooks at once and to each of them one message after the other, so that one that hangs
keeps nobody but itself.
"""

import asyncio
import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from profiles.encryption import Unreadable
from profiles.models import Attempts, User
from profiles.models.servers import refuse_bad_address
from profiles.upstream import addresses, fetch
from profiles.upstream.errors import AddressRefused, Unreachable, UpstreamError
from profiles.visible import visible_lines
from tokens.models import Webhook, WebhookDelivery
from tokens.models.webhooks import PREFIX, Outcome

AT_ONCE = 32  # messages under way
FAILING_AT_ONCE = 16  # of these, to webhooks that failed the last time
MAX_ANSWER = 64 * 1024  # bytes that are read
SHOWN = 2000  # characters of an answer that are kept
LONGEST_RUN = 200.0  # seconds
SENT_BY_HAND = 30  # tests and replays of one person in
BY_HAND_IN = timedelta(minutes=10)
LOOK_EVERY = 0.25  # seconds, for what has become due while something is under way

_running = threading.Lock()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature of Standard Webhooks: HMAC-SHA256 of id, timestamp and body under the decoded secret."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def head_lines(delivery: WebhookDelivery, *, now: datetime) -> bytes:
    """Return the header lines of an attempt, signed with every secret that is valid now; raise Unreadable."""
    message_id, timestamp, body = str(delivery.id), int(now.timestamp()), delivery.body.encode()
    signatures = " ".join(signature(secret, message_id, timestamp, body) for secret in delivery.webhook.secrets(now))
    return (
        f"Content-Type: application/json\r\nwebhook-id: {message_id}\r\n"
        f"webhook-timestamp: {timestamp}\r\nwebhook-signature: {signatures}\r\n"
    ).encode()


def refuse_plain(parts: SplitResult) -> None:
    """Raise AddressRefused for http, unless this is an embedded run and the address one of this machine."""
    if parts.scheme != "https" and (settings.NEXUS_PRODUCTION or not _is_loopback(addresses.host_of(parts))):
        raise AddressRefused(gettext("The address must begin with https://: what is told is nobody else's business."))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def look_at(url: str) -> None:
    """Raise UpstreamError for an address to which nothing would be sent; nothing is connected yet."""
    parts = addresses.parse(url)
    refuse_plain(parts)
    asyncio.run(_resolve(addresses.host_of(parts), addresses.default_port(parts)))


def may_send_by_hand(user: User, *, now: datetime) -> bool:
    """Count a test or a replay; return False when there were too many."""
    return Attempts.objects.take(f"webhook:{user.pk}", SENT_BY_HAND, now=now, window=BY_HAND_IN)


def checked_address(url: str) -> str:
    """Return the address without what surrounds it; raise ValidationError for one to which nothing would be sent."""
    url = url.strip()
    refuse_bad_address(url)
    try:
        look_at(url)
    except UpstreamError as error:
        raise ValidationError({"url": str(error)}) from None
    return url


async def _resolve(host: str, port: int) -> None:
    try:
        async with asyncio.timeout(fetch.TIMEOUT):
            await addresses.resolve(host, port)
    except TimeoutError:
        raise Unreachable(gettext("The name %(host)s could not be looked up in time.") % {"host": host}) from None


def post(url: str, body: bytes, head: bytes) -> Outcome:
    """Make one attempt; whatever goes wrong is the outcome."""
    try:
        refuse_plain(addresses.parse(url))
        answer = asyncio.run(fetch.deliver(url, body, head, max_answer=MAX_ANSWER))
    except UpstreamError as error:
        return Outcome(error=str(error))
    is_elsewhere = 300 <= answer.status < 400
    elsewhere = f"it sends elsewhere (HTTP {answer.status}); give the final address instead" if is_elsewhere else ""
    return Outcome(answer.status, visible_lines(answer.body.decode(errors="replace")[:SHOWN]), elsewhere)


def send_due(*, clock: Callable[[], datetime]) -> int:
    """Send what is due until nothing is; return how many attempts were made. A process has one run at a time."""
    if not _running.acquire(blocking=False):
        return 0
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            return _Run(pool, clock).until_done()
    finally:
        _running.release()


@dataclass
class _Run:
    pool: ThreadPoolExecutor
    clock: Callable[[], datetime]
    under_way: "dict[Future[Outcome], WebhookDelivery]" = field(default_factory=dict)
    failed: set[UUID] = field(default_factory=set)  # webhooks, which wait for the next run
    attempts: int = 0

    def until_done(self) -> int:
        deadline = time.monotonic() + LONGEST_RUN
        while True:
            if time.monotonic() < deadline:
                self._begin_what_is_due()
            if not self.under_way:
                return self.attempts
            done, _ = wait(self.under_way, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            for future in done:
                self._settle(self.under_way.pop(future), future.result())

    def _begin_what_is_due(self) -> None:
        now, room = self.clock(), AT_ONCE - len(self.under_way)
        failing = sum(delivery.webhook.failing_since is not None for delivery in self.under_way.values())
        busy = {delivery.webhook_id for delivery in self.under_way.values()} | self.failed
        for webhook in Webhook.objects.ready(now).exclude(pk__in=busy).select_related("account")[:room]:
            if webhook.failing_since and failing >= FAILING_AT_ONCE:
                break
            failing += webhook.failing_since is not None
            self._begin(webhook, now)

    def _begin(self, webhook: Webhook, now: datetime) -> None:
        if not webhook.claim(now=now):
            return
        delivery = webhook.deliveries.due(now).first()  # type: ignore[attr-defined]
        if delivery is None or not delivery.claim(now=now):
            webhook.release()
            return
        delivery.webhook = webhook
        self.attempts += 1
        try:
            head = head_lines(delivery, now=now)
        except Unreadable:
            self._settle(delivery, Outcome(error="its secret cannot be read any more; replace it"))
        else:
            self.under_way[self.pool.submit(post, webhook.url, delivery.body.encode(), head)] = delivery

    def _settle(self, delivery: WebhookDelivery, outcome: Outcome) -> None:
        delivery.settle(outcome, now=self.clock())
        if not outcome.is_success:
            self.failed.add(delivery.webhook_id)
