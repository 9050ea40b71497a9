import hashlib

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles import confirmation
from profiles.access import signed_in
from profiles.events import Actor
from tokens import calendars
from tokens.models import CalendarFeed, DelegatedToken
from tokens.pages import unkept


@require_safe
def token_ics(request: HttpRequest, public_id: str) -> HttpResponse:
    """Hand over the end of one token as a file for a calendar."""
    visible = DelegatedToken.objects.visible_to(signed_in(request)).select_related("toolkit")
    token = get_object_or_404(visible, public_id=public_id)
    response = HttpResponse(calendars.calendar([token]), content_type=calendars.CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="nexus-token-{token.public_id}.ics"'
    return response


@login_not_required
@require_safe
@sensitive_variables("secret")
def feed_ics(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Serve a person's calendar to whoever has its address; every wrong address gets the same bytes."""
    now = timezone.now()
    found = CalendarFeed.objects.opened_by(secret, now=now)
    if found is None:
        return HttpResponse("There is no such calendar.\n", status=404, content_type="text/plain; charset=utf-8")
    with found.owner.in_own_language():
        body = calendars.calendar(found.tokens(now))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type=calendars.CONTENT_TYPE)
    response["ETag"] = etag
    answer = get_conditional_response(request, etag=etag, response=response) or response
    answer["Cache-Control"] = "private, max-age=300"
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("key", "context")
def feed(request: HttpRequest) -> HttpResponse:
    """Show whether there is a feed; to a POST make one, in place of the old, and show its address this once."""
    user = signed_in(request)
    found = CalendarFeed.objects.filter(owner=user).first()
    if request.method != "POST":
        return render(request, "tokens/feed.html", {"feed": found})
    if not confirmation.is_confirmed(request):
        return confirmation.ask(request, next_url=request.path)
    _, key = CalendarFeed.objects.make(user, by=Actor.from_request(request), now=timezone.now())
    address = settings.NEXUS_BASE_URL + reverse("feed_ics", args=[key.text])
    context = {"address": address, "webcal": f"webcal{address[address.index(':') :]}"}
    return unkept(request, "tokens/feed_issued.html", context)


@require_POST
def feed_revoke(request: HttpRequest) -> HttpResponse:
    found = CalendarFeed.objects.filter(owner=signed_in(request)).first()
    if found:
        found.revoke(by=Actor.from_request(request), now=timezone.now())
        messages.success(request, gettext("The feed is closed: its address leads nowhere from now on."))
    else:
        messages.info(request, gettext("There was no feed. Nothing was changed."))
    return redirect("feed")
