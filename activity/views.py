import uuid
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from activity import charts
from activity.forms import CallFilterForm
from activity.models import Call, CallQuerySet
from profiles.access import current_account, signed_in
from profiles.models import Toolkit
from tokens.models import DelegatedToken

PAGE_SIZE = 50


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    account, now = current_account(request), timezone.now()
    visible: CallQuerySet = Call.objects.visible_to(signed_in(request)).filter(account_id=account.pk)
    toolkits = [(str(pk), name) for pk, name in Toolkit.objects.filter(account=account).values_list("pk", "name")]
    form = CallFilterForm(request.GET, toolkits=toolkits)
    before = _cursor(visible, request.GET.get("before", ""))
    calls = form.narrow(visible, now).page_before(before, PAGE_SIZE + 1)
    filters = {key: value for key, value in request.GET.items() if value and key in form.fields}
    context = {
        "form": form,
        "calls": calls[:PAGE_SIZE],
        "chart": charts.calls_per_hour(visible, now),
        "is_filtered": bool(filters),
        "newer": f"?{urlencode(filters)}" if before else "",
        "older": f"?{urlencode({**filters, 'before': calls[PAGE_SIZE - 1].pk})}" if calls[PAGE_SIZE:] else "",
    }
    return render(request, "activity/activity.html", context)


@require_safe
def of_token(request: HttpRequest, public_id: str) -> HttpResponse:
    """Lead to the calls of one token, which the person must be allowed to see."""
    token = get_object_or_404(DelegatedToken.objects.visible_to(signed_in(request)), public_id=public_id)
    return redirect(f"{reverse('activity')}?{urlencode({'token': token.public_id, 'range': '30d'})}")


def _cursor(visible: CallQuerySet, text: str) -> Call | None:
    try:
        return visible.filter(pk=uuid.UUID(text)).first()
    except ValueError:
        return None
