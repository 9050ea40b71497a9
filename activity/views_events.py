"""The page of events: who issued, replaced, revoked, paused, changed what."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from activity import trail
from activity.addresses import chips_of, pages_of, ranges_of
from activity.forms_events import EventsForm
from activity.keyset import Listing
from activity.views import page_of
from profiles.access import current_account, signed_in
from profiles.events import Event


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    form = asked(request)
    page = page_of(form, listing_of(form)) if form.is_valid() else None
    context = {"form": form, "ranges": ranges_of(request.GET, form), "chips": chips_of(request.GET, form)}
    if page is None:
        return render(request, "activity/events.html", context, status=422)
    context |= {
        "page": page,
        "query": request.GET.urlencode(),
        "pages": pages_of(request.GET, page),
        "rows": trail.told(page.rows, form.user, form.now),
        "is_newest": not (form.cleaned_data["before"] or form.cleaned_data["after"]),
    }
    return render(request, "activity/events.html", context)


def asked(request: HttpRequest) -> EventsForm:
    """Return the form of the address."""
    return EventsForm(request.GET, account=current_account(request), user=signed_in(request), now=timezone.now())


def listing_of(form: EventsForm) -> Listing[Event]:
    return form.listing(trail.events_of(form.account, form.user))
