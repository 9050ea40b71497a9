"""Calls and events as files. A POST: that somebody took them along is an event of its own."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.http import require_POST

from activity import export, views, views_events
from activity.forms import SpanForm
from activity.keyset import Listing

DEFAULT = "csv"


@require_POST
def export_calls(request: HttpRequest) -> HttpResponseBase:
    form = views.asked(request)
    if not form.is_valid():
        return _back(request, "/activity/")
    return _send(request, form, form.listing, "calls")


@require_POST
def export_events(request: HttpRequest) -> HttpResponseBase:
    form = views_events.asked(request)
    if not form.is_valid():
        return _back(request, "/activity/events/")
    return _send(request, form, views_events.listing_of(form), "events")


def _back(request: HttpRequest, path: str) -> HttpResponseRedirect:
    """Lead to the page that says what is wrong with the filters."""
    response = HttpResponseRedirect(f"{path}?{request.GET.urlencode()}")
    response.status_code = 303
    return response


def _send(request: HttpRequest, form: SpanForm, listing: Listing[Any], what: str) -> HttpResponseBase:
    kind = request.POST.get("format", DEFAULT)
    return export.take(request, form, listing, what, kind if kind in export.TYPES else DEFAULT)
