"""Dynamic client registration (RFC 7591): open to everybody, in small numbers. What is registered cannot be changed
afterwards (RFC 7592 is not offered)."""

import ipaddress
from functools import wraps
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from profiles.events import Actor, ActorKind
from profiles.models import Attempts
from profiles.models.attempts import WINDOW
from tokens.models import Application
from tokens.oauth.client_metadata import GRANT_TYPES, ClientMetadata, InvalidMetadata, read
from tokens.oauth.endpoint import View, endpoint, error, is_too_large
from tokens.oauth.resources import SCOPE

PER_ADDRESS = 100  # registrations within ten minutes; behind one address there may be a whole office


def json_endpoint(view: View) -> View:
    """Make the view one that takes JSON by POST from programs."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        return _refusal(request) or view(request)

    return endpoint(wrapped)


@json_endpoint
def register(request: HttpRequest) -> HttpResponse:
    """Register a client, and answer with all that was registered (RFC 7591 section 3.2.1)."""
    now, address = timezone.now(), request.META.get("REMOTE_ADDR", "")
    if not Attempts.objects.take(f"register:{network_of(address)}", PER_ADDRESS, now=now):
        return _later(HTTPStatus.TOO_MANY_REQUESTS, "Too many clients were registered from this address.", WINDOW)
    try:
        metadata = read(_members(request))
    except InvalidMetadata as refusal:
        return error(HTTPStatus.BAD_REQUEST, refusal.code, refusal.description)
    if not Application.objects.has_room():
        text = "Too many clients are registered that nobody has signed in with yet."
        return _later(HTTPStatus.SERVICE_UNAVAILABLE, text, 6 * WINDOW)
    application, secret = Application.objects.register_by_itself(metadata, by=_stranger(request), now=now)
    return JsonResponse(_registered(application, metadata, secret), status=HTTPStatus.CREATED)


def network_of(address: str) -> str:
    """Return what limits go by: an IPv4 address, or the /64 that one IPv6 client has to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        return error(HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", "Use POST.", Allow="POST")
    if request.content_type != "application/json":
        return error(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "invalid_request", "Send JSON, with Content-Type: application/json."
        )
    if is_too_large(request):
        return error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "invalid_request", "The body is larger than 64 KB.")
    return None


def _members(request: HttpRequest) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidMetadata("The body is no JSON object. Send the client's metadata as one.")
    return found


def _registered(application: Application, metadata: ClientMetadata, secret: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "client_id": application.client_id,
        "client_id_issued_at": int(application.created.timestamp()),
        "redirect_uris": metadata.redirect_uris,
        "grant_types": GRANT_TYPES,
        "response_types": ["code"],
        "token_endpoint_auth_method": metadata.auth_method,
        "scope": SCOPE,
    }
    shown = {"client_name": metadata.name, "client_uri": metadata.client_uri}
    answer |= {name: text for name, text in shown.items() if text}
    return answer | ({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})


def _stranger(request: HttpRequest) -> Actor:
    return Actor(
        ActorKind.SYSTEM,
        label="registration",
        address=request.META.get("REMOTE_ADDR", ""),
        agent=request.headers.get("User-Agent", "")[:300],
        request_id=request.META.get("nexus.request_id", ""),
    )


def _later(status: int, text: str, wait: Any) -> HttpResponse:
    seconds = int(wait.total_seconds())
    return error(
        status, "temporarily_unavailable", f"{text} Try again in {seconds // 60} minutes.", Retry_After=str(seconds)
    )
