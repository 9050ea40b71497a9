"""What OAuth's endpoints for programs share: method, media type, each parameter once, errors as RFC 6749 has them."""

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters

View = Callable[[HttpRequest], HttpResponse]
FORM = "application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024  # bytes
RETRY_AFTER = 5  # seconds
MAY_REPEAT = ("resource", "audience")
TO_PLAIN = str.maketrans({"“": "'", "”": "'", '"': "'", "\\": "/", "…": "..."})

logger = logging.getLogger(__name__)


def form_endpoint(view: View) -> View:
    """Make the view one that takes a form by POST from programs."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or view(request)

    return endpoint(wrapped)


def endpoint(view: View) -> View:
    """Make the view one for programs: no session, no CSRF token, never kept."""

    @csrf_exempt
    @login_not_required
    @sensitive_post_parameters()
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            response = view(request)
        except (OperationalError, InterfaceError) as trouble:
            logger.error("database unavailable: %s", trouble)
            response = _unavailable()
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        return response

    return wrapped


def error(status: int, code: str, description: str, **headers: str) -> HttpResponse:
    """Return the error of RFC 6749 section 5.2."""
    content = {"error": code, "error_description": plain(description), "error_uri": guide_to(code)}
    return JsonResponse(
        content, status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def guide_to(code: str) -> str:
    """Return where the guide speaks of the error (error_uri of RFC 6749 section 5.2)."""
    return f"{settings.NEXUS_BASE_URL}/guide/troubleshooting/#{code}"


def plain(text: str) -> str:
    """Return the text in the characters that RFC 6749 section 5.2 allows in a description."""
    text = text.translate(TO_PLAIN)
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def _unavailable() -> HttpResponse:
    text = "The database does not answer. Nothing was changed; try again in a few seconds."
    return error(HTTPStatus.SERVICE_UNAVAILABLE, "temporarily_unavailable", text, Retry_After=str(RETRY_AFTER))


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        return error(HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", "Use POST.", Allow="POST")
    if request.content_type != FORM:
        return error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "invalid_request", f"Send the form as {FORM}.")
    if is_too_large(request):
        return error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "invalid_request", "The form is larger than 64 KB.")
    if request.GET:
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", "Send parameters in the body, not in the address.")
    return _unreadable(request)


def is_too_large(request: HttpRequest) -> bool:
    """Return True for a body of more than 64 KB, also where nothing in the head says so."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        return True
    try:
        return len(request.body) > MAX_BODY
    except RequestDataTooBig:
        return True


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    try:
        lists: Any = request.POST.lists()
    except (BadRequest, TooManyFieldsSent, SuspiciousOperation, UnicodeError):
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", "The form cannot be read: send it as UTF-8.")
    for name, values in lists:
        if len(values) > 1 and name not in MAY_REPEAT:
            return error(HTTPStatus.BAD_REQUEST, "invalid_request", f"Send {name[:40]} once.")
        if any("\0" in value for value in values):
            return error(HTTPStatus.BAD_REQUEST, "invalid_request", "The form has a NUL character.")
    return None
