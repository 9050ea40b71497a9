"""What happens to every request for a page, from the outside in. The hub has its own ways."""

import logging
import re
import time
import zoneinfo
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote_plus

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexus import proxies
from nexus.views import database_unavailable, trouble
from profiles.events import Actor, ActorKind
from tokens import keys
from tokens.models import DelegatedToken

Handler = Callable[[HttpRequest], HttpResponse]
DATABASE_DOWN = (OperationalError, InterfaceError)
SECRET_SEGMENT = re.compile(r"[0-9A-Za-z_-]{40,}")  # of one-time links and resets; ids are shorter
# The one address that a secret belongs in: a calendar program can send no header, and the secret opens nothing else.
CALENDAR_FEED = re.compile(r"/tokens/feed/nxsc_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\.ics")
DECODED = 5  # times that an address is percent-decoded in search of a token

logger = structlog.stdlib.get_logger("nexus.request")


def client_address(get_response: Handler) -> Handler:
    """Put the address that trusted proxies vouch for where Django looks for it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.META["REMOTE_ADDR"] = proxies.client_address(
            request.META.get("REMOTE_ADDR", ""),
            request.META.get("HTTP_X_FORWARDED_FOR", ""),
            settings.NEXUS_TRUSTED_PROXIES,
        )
        return get_response(request)

    return middleware


def request_id(get_response: Handler) -> Handler:
    """Name the request in its answer, in every log line and in the events it causes."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = proxies.request_id(request.META.get("HTTP_X_REQUEST_ID", ""), settings.NEXUS_TRUSTED_PROXIES)
        request.META["nexus.request_id"] = name
        with structlog.contextvars.bound_contextvars(request_id=name):
            response = get_response(request)
        response["X-Request-Id"] = name
        return response

    return middleware


def level_of(request: HttpRequest, response: HttpResponse) -> int:
    if response.status_code >= 500:
        return logging.WARNING
    is_static = request.path.startswith(settings.STATIC_URL) and response.status_code < 400
    return logging.DEBUG if is_static else logging.INFO


def request_log(get_response: Handler) -> Handler:
    """Write one line for each request; the query is left out, and what may be a secret in the path."""

    def middleware(request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        response = get_response(request)
        logger.log(
            level_of(request, response),
            "request",
            method=request.method,
            path=SECRET_SEGMENT.sub("…", request.path),
            status=response.status_code,
            ms=round((time.perf_counter() - begun) * 1000, 1),
            address=request.META["REMOTE_ADDR"],
        )
        return response

    return middleware


class DatabaseDown:
    """Says so, with 503, where a view finds no database; elsewhere nexus.views.server_error does."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DATABASE_DOWN):
            return None
        logger.error("database unavailable", error=str(exception))
        return database_unavailable(request)


def no_token_in_address(get_response: Handler) -> Handler:
    """Refuse an address that holds a token, before anything repeats it; tell the token's owner."""

    def middleware(request: HttpRequest) -> HttpResponse:
        path = "" if CALENDAR_FEED.fullmatch(request.path) else request.path
        secret = token_in(path) or token_in(request.META.get("QUERY_STRING", ""))
        if secret is None:
            return get_response(request)
        note_token_in_url(request, secret)
        return trouble(
            request,
            HTTPStatus.BAD_REQUEST,
            _("This address holds a token"),
            _(
                "Addresses stay in histories and logs, so nothing was done. Send a token in the Authorization header "
                "only, and revoke this one: others may have read it."
            ),
            topic="wrong-place",
        )

    return middleware


def token_in(address: str) -> str | None:
    """Return the first token in a part of an address, however often it is percent-encoded."""
    for __ in range(DECODED):
        if match := keys.ANYWHERE.search(address):
            return match[0]
        decoded = unquote_plus(address)
        if decoded == address:
            return None
        address = decoded
    return None


def note_token_in_url(request: HttpRequest, secret: str) -> None:
    if keys.kind_of(secret):  # a guess leaves no trace
        actor = Actor(
            ActorKind.TOKEN,
            address=request.META["REMOTE_ADDR"],
            request_id=request.META.get("nexus.request_id", ""),
        )
        DelegatedToken.objects.all().note_in_url(keys.digest(secret), by=actor, now=timezone.now())


def no_null_characters(get_response: Handler) -> Handler:
    """Refuse NUL in addresses: no text of ours has it, and PostgreSQL takes it in no comparison."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return trouble(
                request, HTTPStatus.BAD_REQUEST, _("This address has a NUL character"), _("Remove it and try again.")
            )
        return get_response(request)

    return middleware


def time_zone(get_response: Handler) -> Handler:
    """Show moments in the person's own zone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request)):
            return get_response(request)

    return middleware


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    if not request.user.is_authenticated:
        return None
    try:
        return request.user.zone
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None


def signed_in_pages(get_response: Handler) -> Handler:
    """Keep what a signed-in person sees out of every cache."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.user.is_authenticated:
            response["Cache-Control"] = "no-store"
        return response

    return middleware
