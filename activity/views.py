from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from activity import charts
from activity.forms import ActivityForm
from activity.models import Call, CallQuerySet
from profiles.access import current_account, signed_in

CALLS_A_PAGE = 25


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """Show the calls that the address describes; what it cannot mean is said, and nothing is shown instead."""
    user, account, now = signed_in(request), current_account(request), timezone.now()
    calls = Call.objects.of_account(account, user)
    form = ActivityForm(request.GET, account=account, user=user)
    before = _place(form, calls)
    if form.errors:
        return render(request, "activity/activity.html", {"form": form}, status=422)
    narrowed, wanted = form.narrow(calls, now)
    page = narrowed.search_page(wanted, before, CALLS_A_PAGE)
    context = {
        "form": form,
        "page": page,
        "before": before,
        "is_unused": not (page.calls or page.older or before or form.is_filtered),
        "chart": None if before or form.is_filtered else charts.calls_per_hour(calls, now),
    }
    return render(request, "activity/activity.html", context)


def _place(form: ActivityForm, calls: CallQuerySet) -> Call | None:
    """Return the call below which the page begins."""
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return None
    call = calls.filter(pk=form.cleaned_data["before"]).first()
    if call is None:
        form.add_error("before", "The call at which this page began is no longer kept.")
    return call
