"""The page of calls, the part of it that is asked for again and again, and the page of one call."""

import hashlib
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from activity import charts
from activity.addresses import changed, chips_of, pages_of, ranges_of
from activity.forms import CallsForm, SpanForm
from activity.keyset import Listing, Page, R
from activity.models import Call, Drop
from activity.unexpected import strip
from profiles.access import current_account, signed_in
from tokens.models import DelegatedToken
from tokens.views import Shown

CALLS_A_PAGE = 50


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """Show the calls that the address describes; what it cannot mean is said, and nothing is shown instead."""
    form = asked(request)
    page = page_of(form, form.listing) if form.is_valid() else None
    context = {"form": form, "ranges": ranges_of(request.GET, form), "chips": chips_of(request.GET, form)}
    if page is None:
        return render(request, "activity/activity.html", context, status=422)
    is_newest = not (form.cleaned_data["before"] or form.cleaned_data["after"])
    context |= {
        "page": page,
        "query": request.GET.urlencode(),
        "pages": pages_of(request.GET, page),
        "chart": charts.chart_of(form),
        "base": changed(request.GET, range="", since="", until=""),
        "missing": Drop.objects.warning(form.now),
        "findings": strip.open_findings(form.account, form.user, sees_all=form.sees_all, now=form.now),
        "is_newest": is_newest,
        "is_unused": not (page.rows or page.older or form.is_filtered) and not form.visible.exists(),
        "tail": request.GET.urlencode() if is_newest and form.cleaned_data["span"].is_live else None,
    }
    return render(request, "activity/activity.html", context)


@require_safe
def tail(request: HttpRequest) -> HttpResponse:
    """Return the newest rows of the same address, or 304 where they are those that the script has."""
    form = asked(request)
    if not form.is_valid():
        return HttpResponse(status=422)
    page = form.listing.page(CALLS_A_PAGE)
    state = "".join(f"{call.pk}{call.outcome}" for call in page.rows)
    etag = quote_etag(hashlib.sha256(state.encode()).hexdigest())
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified()
    response = render(request, "activity/_table.html", {"calls": page.rows})
    response["ETag"], response["Cache-Control"] = etag, "private, no-cache"
    return response


@require_safe
def call(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show all that is kept of one call, and what can be done about its token."""
    user, now = signed_in(request), timezone.now()
    found = get_object_or_404(Call.objects.visible_to(user), pk=pk)
    tokens = DelegatedToken.objects.visible_to(user).filter(public_id=found.token_public_id)
    token = tokens.select_related("toolkit").first() if found.has_page else None
    context = {
        "call": found,
        "shown": Shown.at(token, now) if token else None,
        "may_replace": token is not None and token.owner_id == user.pk and token.may_be_replaced(now),
    }
    return render(request, "activity/call.html", context)


def asked(request: HttpRequest) -> CallsForm:
    """Return the form of the address."""
    return CallsForm(request.GET, account=current_account(request), user=signed_in(request), now=timezone.now())


def page_of(form: SpanForm, listing: Listing[R]) -> Page[R] | None:
    """Return the page, or None if the row at which it should begin is not there; the form says so then."""
    places = {name: listing.find(form.cleaned_data[name]) for name in ("before", "after")}
    for name, row in places.items():
        if form.cleaned_data[name] and row is None:
            form.add_error(name, _("The row at which this page began is no longer kept."))
            return None
    return listing.page(CALLS_A_PAGE, **places)
