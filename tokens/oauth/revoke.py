"""Revocation (RFC 7009): a client ends what came of a token of its own."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tokens import keys
from tokens.models import AccessToken, Application, DelegatedToken, OAuthSession, RefreshToken
from tokens.oauth import clients
from tokens.oauth.clients import Caller
from tokens.oauth.endpoint import error, form_endpoint


@form_endpoint
def revoke(request: HttpRequest) -> HttpResponse:
    """Answer when every hub knows; a token that is unknown or another client's is answered alike (section 2.2)."""
    caller = clients.authenticate(request, timezone.now())
    if isinstance(caller, HttpResponse):
        return caller
    text = request.POST.get("token", "")
    if not text:
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", "The parameter token is missing.")
    kind = keys.kind_of(text)
    if kind in (keys.Kind.ACCESS, keys.Kind.REFRESH):
        _end_session(keys.digest(text), kind, caller)
    elif kind is keys.Kind.DELEGATED:
        _revoke_exchanged(keys.digest(text), caller)
    return HttpResponse()


def _end_session(digest: str, kind: keys.Kind, caller: Caller) -> None:
    """End the session of an access or refresh token, also of one that is spent or over: its holder is done with it."""
    tokens: Any = AccessToken.objects if kind is keys.Kind.ACCESS else RefreshToken.objects
    own = tokens.filter(token_checksum=digest, application=caller.application).values("session")
    for session in OAuthSession.objects.with_connection().filter(pk__in=own):
        session.end(by=caller.actor, reason="revoked by the application", now=caller.now)


def _revoke_exchanged(digest: str, caller: Caller) -> None:
    token = DelegatedToken.objects.filter(digest=digest).select_related("account").first()
    if token and was_exchanged_by(token, caller.application):
        token.revoke(by=caller.actor, reason=DelegatedToken.Reason.UNNEEDED, now=caller.now)


def was_exchanged_by(token: DelegatedToken, application: Application) -> bool:
    return bool(token.actors) and token.actors[0].get("client_id") == application.client_id
