"""Whether an installation works, while somebody looks: as a page that can be asked again, and as server-sent events."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from activity.arrivals import MISSES_FOR, MISSES_SHOWN, Arrived, calls_since, misses_since
from activity.misses import Miss
from nexus.hub.strangers import strangers
from profiles.access import signed_in
from profiles.models import Toolkit, User

LOOKS_BACK = timedelta(hours=1)
EVERY = 0.7  # seconds between two looks
LASTS = 30.0  # seconds of one stream: the browser asks again, and is known to be signed in still
STREAMS_OF_ONE, STREAMS = 4, 50  # at the same time, in this process

_open: Counter[int] = Counter()


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody waits for."""

    user: User
    toolkit: Toolkit
    since: datetime
    token: str
    address: str
    zone: tzinfo
    language: str

    @classmethod
    def read(cls, request: HttpRequest) -> Self:
        """Return what the address names; 404 for a toolkit that is not there, or not theirs."""
        user, said = signed_in(request), request.GET
        try:
            usable = Toolkit.objects.usable_by(user).filter(pk=said.get("toolkit", ""))
        except ValidationError:
            raise Http404 from None
        since, token = _moment(said.get("since", "")), said.get("token", "")[:12]
        toolkit, zone = get_object_or_404(usable), timezone.get_current_timezone()
        return cls(user, toolkit, since, token, request.META["REMOTE_ADDR"], zone, translation.get_language() or "en")

    def look(self) -> Arrived:
        since = max(self.since, timezone.now() - MISSES_FOR)
        met = (Miss.of_stranger(refusal, at, self.address) for refusal, at in strangers.at(self.address, since))
        misses = [*misses_since(self.user.pk, self.toolkit.account_id, since), *(miss for miss in met if miss)]
        misses.sort(key=lambda miss: miss.at, reverse=True)
        calls = calls_since(self.user.pk, self.toolkit.pk, self.since, self.token)
        return Arrived.of(calls, misses[:MISSES_SHOWN])


def _moment(text: str) -> datetime:
    """Return since when to look, at most an hour ago."""
    now = timezone.now()
    try:
        return min(max(datetime.fromtimestamp(int(text[:12]), UTC), now - LOOKS_BACK), now)
    except (ValueError, OverflowError, OSError):
        return now - LOOKS_BACK


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Show what has arrived; the whole page is for browsers without JavaScript."""
    watch = Watch.read(request)
    context = {"arrived": watch.look(), "toolkit": watch.toolkit, "again": request.get_full_path()}
    return render(request, "activity/arrivals.html", context)


@require_safe
def stream(request: HttpRequest) -> HttpResponseBase:
    """Send what has arrived whenever that changes (HTML Living Standard, section 9.2); 503 where too many look on."""
    watch = Watch.read(request)
    if _open[watch.user.pk] >= STREAMS_OF_ONE or _open.total() >= STREAMS:
        return HttpResponse("Too many pages look on; ask again.\n", status=503, content_type="text/plain")
    if request.method == "HEAD":
        return HttpResponse(content_type="text/event-stream")
    answer = StreamingHttpResponse(_events(watch), content_type="text/event-stream")
    answer["X-Accel-Buffering"] = "no"
    return answer


async def _events(watch: Watch) -> AsyncIterator[str]:
    _open[watch.user.pk] += 1
    begun, before = time.monotonic(), ""
    try:
        yield "retry: 500\n\n"
        while time.monotonic() - begun < LASTS:
            shown = await sync_to_async(_shown)(watch)
            # A comment otherwise: a proxy ends what is silent, and we learn of it when the browser has gone.
            yield f"data: {json.dumps(shown)}\n\n" if shown != before else ":\n\n"
            before = shown
            await asyncio.sleep(EVERY)
    finally:
        _open[watch.user.pk] -= 1


def _shown(watch: Watch) -> str:
    try:
        with timezone.override(watch.zone), translation.override(watch.language):
            return render_to_string("activity/_arrived.html", {"arrived": watch.look()})
    finally:
        close_old_connections()  # a stream would keep one of the pool's for as long as it lasts
