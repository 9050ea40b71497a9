"""Calls and events as files. A POST: that somebody took them along is an event of its own."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import translation
from django.views.decorators.http import require_POST

from activity import export, views, views_events
from activity.forms import CallsForm, SpanForm
from activity.keyset import Listing
from profiles.events import Action, Actor, Event

DEFAULT = "csv"


@require_POST
def export_calls(request: HttpRequest) -> HttpResponseBase:
    form = views.asked(request)
    if not form.is_valid():
        return _back(request, "/activity/")
    return send_calls(request, form, request.POST.get("format", DEFAULT))


@require_POST
def export_events(request: HttpRequest) -> HttpResponseBase:
    form = views_events.asked(request)
    if not form.is_valid():
        return _back(request, "/activity/events/")
    listing = views_events.listing_of(form)
    return _send(request, form, listing, "events", export.EVENT_COLUMNS, request.POST.get("format", DEFAULT))


def send_calls(request: HttpRequest, form: CallsForm, form_of_file: str) -> HttpResponseBase:
    """Answer with the calls that a valid form describes; the page and REST end here."""
    return _send(request, form, form.listing, "calls", export.CALL_COLUMNS, form_of_file)


def _back(request: HttpRequest, path: str) -> HttpResponseRedirect:
    """Lead to the page that says what is wrong with the filters."""
    response = HttpResponseRedirect(f"{path}?{request.GET.urlencode()}")
    response.status_code = 303
    return response


def _send(
    request: HttpRequest, form: SpanForm, listing: Listing[Any], what: str, columns: Sequence[str], form_of_file: str
) -> HttpResponseBase:
    form_of_file = form_of_file if form_of_file in export.TYPES else DEFAULT
    span = form.cleaned_data["span"]
    after = {
        "what": what, "format": form_of_file, "from": span.start.isoformat(), "to": span.end.isoformat(),
        "filters": _filters(form),
    }  # fmt: skip
    Event.record(
        Action.ACTIVITY_EXPORTED, by=Actor.from_request(request), now=form.now, account=form.account,
        subject=form.account, after=after,
    )  # fmt: skip
    pieces = export.pieces_of(listing, columns, form_of_file, form.user.zone)
    return export.answer(request, pieces, f"nexus-{what}-{form.now:%Y-%m-%d}", form_of_file)


def _filters(form: SpanForm) -> dict[str, str]:
    """Return the filters as an event keeps them: in one language, whoever exports."""
    with translation.override(settings.LANGUAGE_CODE):
        return {label: value for _, label, value in form.chips()}
