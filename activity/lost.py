"""Ends the calls of hub processes that are gone: of these nobody else will ever say how they ended."""

from collections.abc import Sequence
from datetime import datetime

import redis
from django.conf import settings
from django.db import connections, router, transaction
from django.utils.translation import gettext_noop

from activity import stream
from activity.models import Call, Uncounted, UnderWay
from activity.models.under_way import PATIENCE, SAID_EVERY
from activity.recorder.rows import COLUMNS, CallRow
from activity.storing import Store, connection_parameters

AT_ONCE = 500  # calls
BATCHES = 100  # at most, in one run
REASON = gettext_noop("The hub ended before an answer did. Whether the tool ran is not known.")


def end_lost(now: datetime) -> str:
    """End what was begun and of which no process has said for minutes that it goes on; return what was done."""
    if (waiting := _oldest_waiting()) and waiting < now - PATIENCE + SAID_EVERY:
        return f"nothing: calls wait in Redis since {waiting:%Y-%m-%d %H:%M} UTC, and may say how they ended"
    before, ended = now - PATIENCE, 0
    for _ in range(BATCHES):
        lost = _lost(before)
        if not lost:
            break
        ended += _end(lost)
    UnderWay.objects.filter(seen_at__lt=before).delete()
    return f"calls ended of which nothing more was heard: {ended}"


def _oldest_waiting() -> datetime | None:
    if not settings.REDIS_URL:
        return None
    with redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=3) as client:
        return stream.oldest(client)


def _lost(before: datetime) -> list[Call]:
    begun = Call.objects.filter(outcome=Call.Outcome.OPEN, at__lt=before)
    return list(begun.exclude(pk__in=UnderWay.objects.seen_since(before).values("pk")).order_by("at")[:AT_ONCE])


def _end(calls: Sequence[Call]) -> int:
    """End and count them, each once, as the hub would have; one that has ended meanwhile stays as it is."""
    database = router.db_for_write(Call) or "default"
    if connections[database].vendor == "postgresql":
        store = Store(connection_parameters())
        refused = store.store([_row(call) for call in calls]).refused
        store.close()
        return len(calls) - len(refused)
    with transaction.atomic(using=database):
        pks = [call.pk for call in calls if _end_here(call)]
        Uncounted.objects.bulk_create(Uncounted(call_id=pk) for pk in pks)
    return len(pks)


def _end_here(call: Call) -> int:
    open_one = Call.objects.filter(pk=call.pk, outcome=Call.Outcome.OPEN)
    return open_one.update(outcome=Call.Outcome.UNKNOWN, reason=REASON)


def _row(call: Call) -> CallRow:
    row = CallRow(**{name: getattr(call, name) for name in COLUMNS})
    return row._replace(outcome=Call.Outcome.UNKNOWN.value, reason=REASON)
