"""REST without a session: what a token may do to itself, and the intake of leaked credentials."""

from datetime import timedelta
from typing import Any

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from profiles.events import Actor, ActorKind
from profiles.models import Attempts, User
from tokens import keys, lookup
from tokens.api_output import TokenOutput
from tokens.models import DelegatedToken

MAX_REPORTED = 1000
REPORTS = 60  # from one address in
REPORTS_IN = timedelta(hours=1)
CREDENTIALS = (keys.Kind.DELEGATED, keys.Kind.ACCESS, keys.Kind.REFRESH, keys.Kind.MANAGEMENT)
NOT_VALID = "This token is not valid: it is unknown, expired or revoked."


class TokenItself(BaseAuthentication):
    """Takes a delegated token as bearer (RFC 6750), paused or not; it says for itself alone."""

    def authenticate(self, request: Request) -> tuple[User, DelegatedToken] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if keys.kind_of(text) is not keys.Kind.DELEGATED:
            raise exceptions.AuthenticationFailed(NOT_VALID)
        _, authority = lookup.token_with(keys.digest(text), keys.Kind.DELEGATED)
        refusal = authority.refusal(timezone.now().timestamp()) if authority else None
        if authority is None or (refusal and refusal.is_final):
            raise exceptions.AuthenticationFailed(NOT_VALID)
        token = DelegatedToken.objects.select_related("owner", "account", "toolkit").get(pk=authority.token_id)
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@api_view(["GET", "DELETE"])
@authentication_classes([TokenItself])
def token_itself(request: Request) -> Response:
    """Show the token's own state, or end it; when that answers, no call of it begins any more."""
    token, now = request.auth, timezone.now()
    assert isinstance(token, DelegatedToken)
    if request.method == "DELETE":
        token.revoke(by=_actor(request, token), reason=token.Reason.UNNEEDED, note="by the token itself", now=now)
        return Response(status=204, headers={"Cache-Control": "no-store"})
    return Response(TokenOutput(token, context={"now": now}).data, headers={"Cache-Control": "no-store"})


class Anonymous(BaseAuthentication):
    """Refuses whoever says who they are: a report is nobody's act, and nobody's rights are lent to it."""

    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") or SessionAuthentication().authenticate(request):
            raise exceptions.PermissionDenied("Report leaked credentials without signing in and without a token.")

    def authenticate_header(self, request: Request) -> str:
        return "None"


@api_view(["POST"])
@authentication_classes([Anonymous])
@permission_classes([AllowAny])
def credentials_revoke(request: Request) -> Response:
    """Take a report of leaked credentials; the answer is the same whatever they are.

    Whether one is real is found out by a task, later: neither the answer nor its time tells. The task is given digests.
    """
    now, address = timezone.now(), request.META.get("REMOTE_ADDR", "")
    if not Attempts.objects.take(f"leaked:{address}", REPORTS, now=now, window=REPORTS_IN):
        raise exceptions.Throttled(wait=int(REPORTS_IN.total_seconds()))
    args = [_digests(_reported(request)), address]
    try:
        current_app.send_task("tokens.tasks.revoke_leaked", args=args, retry=False)
    except (BrokerError, OSError) as error:
        raise NotNow from error
    return Response(
        {"detail": "Thank you. What is real among these is being revoked, and its owner is told."},
        status=202,
        headers={"Cache-Control": "no-store"},
    )


def _reported(request: Request) -> list[Any]:
    content = request.data
    found = content.get("credentials") if isinstance(content, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_REPORTED:
        raise exceptions.ValidationError({"credentials": [f"Send a list of 1 to {MAX_REPORTED} credentials."]})
    return found


def _digests(reported: list[Any]) -> list[tuple[str, str]]:
    """Return digest and kind of what has the form of a credential of ours, each once; the rest is passed over."""
    texts = {text.strip() for text in reported if isinstance(text, str)}
    kinds = [(text, keys.kind_of(text)) for text in texts]
    return sorted((keys.digest(text), kind.value) for text, kind in kinds if kind and kind in CREDENTIALS)


class NotNow(exceptions.APIException):
    status_code = 503
    default_detail = "The report cannot be taken now, so nothing was revoked. Send it again in a minute."
    wait = 60


def _actor(request: Request, token: DelegatedToken) -> Actor:
    return Actor(
        ActorKind.TOKEN,
        id=token.public_id,
        label=str(token),
        address=request.META.get("REMOTE_ADDR", ""),
        agent=request.headers.get("User-Agent", "")[:300],
        request_id=request.META.get("nexus.request_id", ""),
    )
