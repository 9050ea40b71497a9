from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from profiles.access import current_account, signed_in
from profiles.events import Action, Actor, Event
from profiles.permissions import Act
from tokens import expiry
from tokens.models import Connection, OAuthSession

PAGE_SIZE = 50
SESSIONS_SHOWN = 50
EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """A session, and what the clock makes of it."""

    session: OAuthSession
    is_living: bool
    words: str

    @classmethod
    def at(cls, session: OAuthSession, now: datetime) -> "Shown":
        return cls(session, session.ended_at is None and now < session.ends_at, expiry.words(session.ends_at, now))


@require_safe
def connections(request: HttpRequest) -> HttpResponse:
    """List what the person let applications do; to an admin, what everybody in the account did."""
    user, account, now = signed_in(request), current_account(request), timezone.now()
    visible = Connection.objects.visible_to(user).filter(account=account)
    before = visible.filter(public_id=request.GET.get("before", "")).first()
    found = visible.older_than(before) if before else visible
    rows = list(found.with_sessions(now).select_related("application", "owner", "toolkit")[: PAGE_SIZE + 1])
    context = {
        "rows": rows[:PAGE_SIZE],
        "shows_owner": account.lets(user, Act.SEE_ACTIVITY),
        "newer": "?" if before else "",
        "older": f"?{urlencode({'before': rows[PAGE_SIZE - 1].public_id})}" if rows[PAGE_SIZE:] else "",
    }
    return render(request, "tokens/connections.html", context)


def _visible(request: HttpRequest, public_id: str) -> Connection:
    visible = Connection.objects.visible_to(signed_in(request))
    return get_object_or_404(visible.select_related("application", "owner", "toolkit", "account"), public_id=public_id)


@require_safe
def connection(request: HttpRequest, public_id: str) -> HttpResponse:
    found, now = _visible(request, public_id), timezone.now()
    context = {
        "connection": found,
        "sessions": [Shown.at(session, now) for session in found.sessions.all()[:SESSIONS_SHOWN]],
        "events": Event.objects.filter(subject_kind="connection", subject_id=str(found.pk))[:EVENTS_SHOWN],
    }
    return render(request, "tokens/connection.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """Say what stops; to a POST, end it before the answer is sent."""
    found, now = _visible(request, public_id), timezone.now()
    if request.method != "POST":
        return render(request, "tokens/connection_revoke.html", {"connection": found})
    if found.revoke(by=Actor.from_request(request), now=now):
        messages.success(
            request,
            gettext("“%(application)s” can no longer use “%(toolkit)s”.")
            % {"application": found.application, "toolkit": found.toolkit.name},
        )
    else:
        messages.info(
            request,
            gettext("“%(application)s” was disconnected already. Nothing was changed.")
            % {"application": found.application},
        )
    return redirect("connection", found.public_id)


@require_POST
def end_session(request: HttpRequest, public_id: str, pk: int) -> HttpResponse:
    """End one sign-in of the application, and leave the consent and its other sign-ins as they are."""
    found, now = _visible(request, public_id), timezone.now()
    session = get_object_or_404(found.sessions, pk=pk)
    if session.end(by=Actor.from_request(request), action=Action.SESSION_ENDED, now=now):
        messages.success(request, gettext("That session has ended. Its application has to sign in again."))
    else:
        messages.info(request, gettext("That session had ended already. Nothing was changed."))
    return redirect("connection", found.public_id)
