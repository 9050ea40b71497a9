"""Who the client is (RFC 6749 section 2.3): HTTP Basic, client_id and client_secret in the form, or a public client."""

import base64
import binascii
import math
import secrets
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import unquote_plus

from django.http import HttpRequest, HttpResponse

from profiles.events import Actor, ActorKind
from tokens.hashers import MachineSecretHasher
from tokens.models import Application
from tokens.oauth import failures
from tokens.oauth.endpoint import error

HASHER = MachineSecretHasher()
# What the secret of an unknown client is compared with: of a secret that nobody has.
NOBODYS = HASHER.encode(secrets.token_urlsafe(32), "nexus")
MAX_ID = 255
NAMED = "SELECT * FROM tokens_application WHERE client_id = %s"  # ready-made: each request of a program asks it


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that sent a request, proved if it is confidential."""

    application: Application
    actor: Actor
    now: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the request says; no secret is "", as RFC 6749 section 2.3.1 has it."""

    client_id: str
    secret: str = ""


def authenticate(request: HttpRequest, now: datetime) -> Caller | HttpResponse:
    """Return who sends the request, or the refusal: an unknown client and a wrong secret cost and read the same."""
    found = _credentials(request)
    if isinstance(found, HttpResponse):
        return found
    address = request.META.get("REMOTE_ADDR", "")
    if seconds := failures.wait(address, found.client_id, now):
        return _too_many(seconds)
    application = next(iter(Application.objects.raw(NAMED, [found.client_id])), None)
    if not _is_proved(application, found.secret) or application is None:
        failures.note(address, found.client_id, now)
        return unauthorized("The client is unknown, or its secret is wrong.")
    if not application.is_usable(request):
        return unauthorized("This application has been disabled in Nexus.")
    return Caller(application, _actor(request, application), now)


def unauthorized(description: str) -> HttpResponse:
    return error(HTTPStatus.UNAUTHORIZED, "invalid_client", description, WWW_Authenticate='Basic realm="Nexus OAuth"')


def _credentials(request: HttpRequest) -> Credentials | HttpResponse:
    client_id, secret = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        if not client_id or len(client_id) > MAX_ID:
            return unauthorized("Say which client this is: by client_id in the form, or by HTTP Basic.")
        return Credentials(client_id, secret)
    basic = _decoded(encoded.strip())
    if basic is None:
        return unauthorized("The Authorization header is not Basic with base64 of client_id:client_secret.")
    if secret:
        return _malformed("Authenticate the client in one way: by HTTP Basic or by client_secret in the form.")
    if client_id and client_id != basic.client_id:
        return _malformed("The client_id in the form is not the one in the Authorization header.")
    return basic


def _decoded(encoded: str) -> Credentials | None:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = text.partition(":")
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if not colon or not client_id or len(client_id) > MAX_ID or "\0" in text + client_id + secret:
        return None
    return Credentials(client_id, secret)


def _is_proved(application: Application | None, secret: str) -> bool:
    stored = application.client_secret if application else NOBODYS
    fits = HASHER.verify(secret, stored if stored.startswith(f"{HASHER.algorithm}$") else NOBODYS)
    if application is None:
        return False
    return fits or (application.client_type == Application.CLIENT_PUBLIC and not secret)


def _too_many(seconds: float) -> HttpResponse:
    wait = math.ceil(seconds)  # the code is not invalid_client: on that, clients throw their registration away
    text = f"Too many failed client authentications from this address. Wait {wait} s and check client_id and secret."
    return error(HTTPStatus.TOO_MANY_REQUESTS, "temporarily_unavailable", text, Retry_After=str(wait))


def _malformed(description: str) -> HttpResponse:
    return error(HTTPStatus.BAD_REQUEST, "invalid_request", description)


def _actor(request: HttpRequest, application: Application) -> Actor:
    return Actor(
        kind=ActorKind.APPLICATION,
        id=application.client_id[:64],
        label=str(application),
        address=request.META.get("REMOTE_ADDR", ""),
        agent=request.headers.get("User-Agent", "")[:300],
        request_id=request.META.get("nexus.request_id", ""),
    )
