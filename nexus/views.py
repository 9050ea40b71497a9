"""Answers for when something is wrong. They use no database, no session and no template that needs one."""

import json
import sys
from http import HTTPStatus

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RETRY_AFTER = 5  # seconds
GUIDE = "/guide/troubleshooting/#"
NOTHING_CHANGED = _("Nothing was changed. Try again in a few seconds; if it lasts, tell whoever runs this Nexus.")
NOTHING_REVOKED = _("Nothing was revoked. Try again in a few seconds; if it lasts, tell whoever runs this Nexus.")


def database_unavailable(request: HttpRequest) -> HttpResponse:
    response = trouble(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        _("The database does not answer"),
        NOTHING_REVOKED if is_revocation(request) else NOTHING_CHANGED,
        topic="unavailable",
    )
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def is_revocation(request: HttpRequest) -> bool:
    return request.path.rstrip("/").endswith("revoke")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that nobody caught (handler500)."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return database_unavailable(request)
    return trouble(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        _("Something went wrong here"),
        _("The fault is ours, and it is in the log. Tell whoever runs this Nexus the request id below."),
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself refuses to read (handler400). Its own page reads the form once more, and fails."""
    return trouble(
        request,
        HTTPStatus.BAD_REQUEST,
        _("This request cannot be read"),
        _("It is too long, or not what a browser or program sends. Nothing was changed."),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return trouble(
        request,
        HTTPStatus.FORBIDDEN,
        _("This form could not be checked"),
        _("Nothing was changed. Go back, reload the page and send it again. Your browser must accept our cookies."),
        topic="a-form-that-could-not-be-checked",
    )


def trouble(request: HttpRequest, status: HTTPStatus, title: Promise, detail: Promise, topic: str = "") -> HttpResponse:
    """Return a page, or RFC 9457 problem details where the client asked for JSON; with a topic, the guide's link."""
    request_id = request.META.get("nexus.request_id", "")
    said = {"title": title, "detail": detail, "request_id": request_id}
    if wants_json(request):
        about = f"{settings.NEXUS_BASE_URL}{GUIDE}{topic}" if topic else "about:blank"
        with translation.override(settings.LANGUAGE_CODE):  # programs and agents read English
            content = json.dumps({"type": about, "status": status} | said, cls=DjangoJSONEncoder)
        kind = "application/problem+json"
    else:
        content = render_to_string("trouble.html", said | {"guide": GUIDE + topic if topic else ""})
        kind = "text/html; charset=utf-8"
    return HttpResponse(content, status=status, content_type=kind, headers={"Cache-Control": "no-store"})


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or "json" in request.META.get("HTTP_ACCEPT", "")
