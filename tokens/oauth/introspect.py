"""Introspection (RFC 7662): what a token is good for, told to confidential clients of its account."""

from functools import reduce
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from tokens import keys
from tokens.lookup import QUERIES, TokenAuthority, token_with
from tokens.models import AccessToken, Application, DelegatedToken, RefreshToken
from tokens.oauth import clients
from tokens.oauth.clients import Caller
from tokens.oauth.endpoint import error, form_endpoint
from tokens.oauth.resources import SCOPE, audience

Claims = dict[str, Any]


@form_endpoint
def introspect(request: HttpRequest) -> HttpResponse:
    caller = clients.authenticate(request, timezone.now())
    if isinstance(caller, HttpResponse):
        return caller
    if caller.application.client_type != Application.CLIENT_CONFIDENTIAL:
        return clients.unauthorized("A client without a secret may not introspect tokens.")
    text = request.POST.get("token", "")
    if not text:
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", "The parameter token is missing.")
    claims = claims_of(text, caller)
    return JsonResponse({"active": True} | claims if claims else {"active": False})


def claims_of(text: str, caller: Caller) -> Claims | None:
    """Return what the client may know of the token; None for one that is not good now, or none of its business."""
    kind = keys.kind_of(text)
    if kind is keys.Kind.REFRESH:
        return _refresh_claims(keys.digest(text), caller)
    if kind not in QUERIES:
        return None
    _, known = token_with(keys.digest(text), kind)
    if known is None or known.account_id != caller.application.account_id:
        return None
    if known.refusal(caller.now.timestamp()):  # the hub's own rule
        return None
    own = _access_claims if kind is keys.Kind.ACCESS else _delegated_claims
    return _common_claims(known) | own(keys.digest(text))


def _common_claims(known: TokenAuthority) -> Claims:
    return {
        "token_type": "Bearer",
        "exp": int(known.ends_at),
        "sub": str(known.owner_id),
        "username": known.owner_email,
        "aud": audience(),
        "iss": settings.NEXUS_BASE_URL,
        "nexus_account": str(known.account_id),
        "nexus_profile": known.toolkit_alias,
    }


def _access_claims(digest: str) -> Claims:
    token = AccessToken.objects.select_related("application").get(token_checksum=digest)
    client_id = token.application.client_id if token.application else ""
    return {"client_id": client_id, "scope": token.scope, "iat": int(token.created.timestamp())}


def _delegated_claims(digest: str) -> Claims:
    """Return the chain of who exchanged it as `act` (RFC 8693 section 4.1): the last one outside."""
    token = DelegatedToken.objects.get(digest=digest)
    claims: Claims = {"scope": SCOPE, "iat": int(token.issued_at.timestamp())}
    if token.actors:
        claims["client_id"] = token.actors[0]["client_id"]
        claims["act"] = reduce(_inside, reversed(token.actors), None)
    return claims


def _inside(inner: Claims | None, actor: Claims) -> Claims:
    outer = {"client_id": actor["client_id"], "name": actor["name"]}
    return outer | ({"act": inner} if inner else {})


def _refresh_claims(digest: str, caller: Caller) -> Claims | None:
    """Return what a refresh token is, to the client that it was issued to and to nobody else."""
    tokens = RefreshToken.objects.select_related("session__connection__owner", "session__connection__toolkit")
    token = tokens.filter(token_checksum=digest, application=caller.application, revoked=None).first()
    if token is None or token.expires_at <= caller.now or token.session.refusal(caller.now):
        return None
    connection = token.session.connection
    return {
        "client_id": caller.application.client_id,
        "scope": connection.scope,
        "exp": int(token.expires_at.timestamp()),
        "iat": int(token.created.timestamp()),
        "sub": str(connection.owner_id),
        "username": connection.owner.email,
        "iss": settings.NEXUS_BASE_URL,
        "nexus_account": str(connection.account_id),
        "nexus_profile": connection.toolkit.alias,
    }
