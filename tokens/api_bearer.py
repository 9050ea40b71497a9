"""REST without a session: what a token may do to itself, and the intake of leaked credentials."""

from datetime import timedelta
from typing import Any

from celery import current_app
from django.urls import path
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request

from profiles.events import Actor, ActorKind
from profiles.models import Attempts, User
from profiles.rest.acts import Input, reads, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from tokens import keys, lookup
from tokens.api_output import TokenOutput
from tokens.models import DelegatedToken

MAX_REPORTED = 1000
REPORTS = 60  # from one address in
REPORTS_IN = timedelta(hours=1)
CREDENTIALS = (keys.Kind.DELEGATED, keys.Kind.ACCESS, keys.Kind.REFRESH, keys.Kind.MANAGEMENT)
MANY = f"Send a list of 1 to {MAX_REPORTED} credentials."
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


@reads("tokens:self", TokenOutput)
def get_token_itself(asked: Asked) -> DelegatedToken:
    """Show the delegated token that is the bearer its own state."""
    return _itself(asked)


@writes("tokens:self", None)
def revoke_token_itself(asked: Asked) -> None:
    """End the delegated token that is the bearer; when this answers, no call of it begins any more."""
    token = _itself(asked)
    by = _actor(asked.request, token)
    token.revoke(by=by, reason=token.Reason.UNNEEDED, note="by the token itself", now=asked.now)


def _itself(asked: Asked) -> DelegatedToken:
    token = asked.request.auth
    assert isinstance(token, DelegatedToken)
    return token


class Anonymous(BaseAuthentication):
    """Refuses whoever says who they are: a report is nobody's act, and nobody's rights are lent to it."""

    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") or SessionAuthentication().authenticate(request):
            raise exceptions.PermissionDenied("Report leaked credentials without signing in and without a token.")

    def authenticate_header(self, request: Request) -> str:
        return "None"


class LeakInput(Input):
    credentials = serializers.ListField(
        child=serializers.JSONField(allow_null=True),
        min_length=1,
        max_length=MAX_REPORTED,
        help_text="Found texts; what is none of ours is passed over.",
        error_messages=dict.fromkeys(("min_length", "max_length", "not_a_list"), MANY),
    )


class LeakOutput(serializers.Serializer[Any]):
    detail = serializers.CharField()


@writes("credentials:report", LeakOutput, LeakInput, status=202)
def report_leaked_credentials(asked: Asked, wish: dict[str, Any]) -> dict[str, str]:
    """Take a report of leaked credentials from anybody; the answer is the same whatever they are.

    Whether one is real is found out later: neither the answer nor its time tells.
    """
    address = asked.request.META.get("REMOTE_ADDR", "")
    if not Attempts.objects.take(f"leaked:{address}", REPORTS, now=asked.now, window=REPORTS_IN):
        raise exceptions.Throttled(wait=int(REPORTS_IN.total_seconds()))
    args = [_digests(wish["credentials"]), address]  # a task is given digests, never secrets
    try:
        current_app.send_task("tokens.tasks.revoke_leaked", args=args, retry=False)
    except (BrokerError, OSError) as error:
        raise NotNow from error
    return {"detail": "Thank you. What is real among these is being revoked, and its owner is told."}


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


urlpatterns = [
    path(
        "tokens/self",
        resource(
            authentication=[TokenItself],
            permissions=[IsAuthenticated],
            get=get_token_itself,
            delete=revoke_token_itself,
        ),
    ),
    path(
        "credentials/revoke",
        resource(authentication=[Anonymous], permissions=[AllowAny], post=report_leaked_credentials),
    ),
]
