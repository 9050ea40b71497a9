from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from activity.models import Call
from profiles.access import current_account, signed_in

PAGE = 50


@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    account = current_account(request)
    calls = Call.objects.visible_to(signed_in(request)).filter(account_id=account.pk).page_before(None, PAGE)
    return render(request, "activity/activity.html", {"calls": calls})
