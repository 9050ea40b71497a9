"""The grants that begin or carry on a session: authorization code, refresh token, client credentials (RFC 6749)."""

import json
import math
import uuid
from functools import reduce
from typing import Any, TypeAlias

from django.db import transaction
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase

from profiles.models import Toolkit, User
from tokens import keys
from tokens.models import AccessToken, Application, Connection, Grant, RefreshToken
from tokens.models.connections import ACCESS_LIFE, Refused
from tokens.oauth import failures
from tokens.oauth.clients import Caller
from tokens.oauth.endpoint import plain
from tokens.oauth.resources import SCOPE, InvalidTarget, Target, audience, target_of

Answer: TypeAlias = dict[str, Any] | errors.OAuth2Error


class SessionGrant(GrantTypeBase):
    """Says who asks, and lets `answer` decide; an error that it returns keeps what it wrote, one it raises does not."""

    def create_token_response(self, request: Request, token_handler: Any) -> tuple[dict[str, str], str, int]:
        headers = self._get_default_headers()
        try:
            self.validate_client_authentication(request)
            self.validate_grant_type(request)
            answer = self.answer(request)
        except errors.OAuth2Error as error:
            answer = error
        except InvalidTarget as error:
            answer = _error("invalid_target", str(error))
        if isinstance(answer, dict):
            return headers, json.dumps(answer), 200
        return headers | answer.headers, answer.json, answer.status_code

    def validate_grant_type(self, request: Request) -> None:
        client, grant_type = request.client, request.grant_type
        if not self.request_validator.validate_grant_type(client.client_id, grant_type, client, request):
            raise _error("unauthorized_client", f"This application is not registered for the grant {grant_type}.")

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    @property
    def caller(self) -> Caller:
        caller: Caller = self.request_validator.caller
        return caller


class CodeGrant(SessionGrant):
    """Authorization code (RFC 6749 section 4.1.3) with PKCE (RFC 7636).

    One attempt of its client spends a code, with a wrong verifier too: nobody guesses twice.
    """

    def answer(self, request: Request) -> Answer:
        if not request.code:
            return _error("invalid_request", "The parameter code is missing.")
        if not Grant.objects.is_known(request.code, request.client):
            return _refused(Refused.CODE_UNKNOWN)
        with transaction.atomic():
            return self._redeem(request)

    def _redeem(self, request: Request) -> Answer:
        by, now = self.caller.actor, self.caller.now
        grant = Grant.objects.spend(request.code, request.client, by=by, now=now)
        if isinstance(grant, Refused):
            return _refused(grant)
        verifier, redirect_uri = request.code_verifier or "", request.redirect_uri or ""
        if refused := grant.refusal(verifier=verifier, redirect_uri=redirect_uri, now=now):
            return _refused(refused)
        if strange := _other_target(request, grant.connection.toolkit):
            return strange
        session = grant.begin_session(by=by, now=now)
        token, key = AccessToken.objects.issue(session, scope=grant.scope, resource=[audience()], now=now)
        return _issued(token, key, RefreshToken.objects.issue(session, token, now=now), self.caller)


class RefreshGrant(SessionGrant):
    """Refresh token (RFC 6749 section 6), each good once. One that is refused for another reason is not spent."""

    def answer(self, request: Request) -> Answer:
        if not request.refresh_token:
            return _error("invalid_request", "The parameter refresh_token is missing.")
        if not RefreshToken.objects.is_known(request.refresh_token, request.client):
            return _refused(Refused.REFRESH_UNKNOWN)
        with transaction.atomic():
            return self._refresh(request)

    def _refresh(self, request: Request) -> Answer:
        now = self.caller.now
        found = RefreshToken.objects.find(request.refresh_token, request.client, by=self.caller.actor, now=now)
        if isinstance(found, Refused):
            return _refused(found)
        if strange := _other_target(request, found.session.connection.toolkit, code="invalid_grant"):
            return strange
        scopes = (request.scope or "").split() or found.scopes
        if not scopes or not set(scopes) <= set(found.scopes):
            return _error("invalid_scope", f"The sign-in gave no more than: {' '.join(found.scopes)}.")
        refresh = found.rotate(now=now)
        scope = " ".join(scopes)
        token, key = AccessToken.objects.issue(found.session, scope=scope, resource=[audience()], now=now)
        return _issued(token, key, refresh, self.caller)


class TooManyTokens(errors.CustomOAuth2Error):
    """An access token lives an hour: who asks for one at each call is told to keep it (RFC 6585 section 4)."""

    def __init__(self, seconds: int) -> None:
        text = f"Too many tokens for one application. Keep each for its hour; ask again in {seconds} s."
        super().__init__(error="invalid_request", description=text, status_code=429)
        self.seconds = seconds

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"Retry-After": str(self.seconds)}


class ClientCredentialsGrant(SessionGrant):
    """Client credentials (RFC 6749 section 4.4): the application acts as its machine, on one toolkit."""

    def answer(self, request: Request) -> Answer:
        application: Application = request.client
        machine = application.machine
        if application.client_type != Application.CLIENT_CONFIDENTIAL:
            return _error("unauthorized_client", "A public client cannot prove who it is, so it gets no token alone.")
        if machine is None or not machine.is_active:
            return _error("unauthorized_client", "This application has no machine user that may act.")
        if not set((request.scope or SCOPE).split()) <= {SCOPE}:
            return _error("invalid_scope", f"The scope is: {SCOPE}.")
        if seconds := failures.OF_APPLICATION.wait(application.client_id, self.caller.now):
            return TooManyTokens(math.ceil(seconds))
        failures.OF_APPLICATION.note(application.client_id, self.caller.now)
        toolkit = _toolkit(_asked(request).merged(_named_in_form(request)), machine)
        with transaction.atomic():
            return self._issue(application, machine, toolkit)

    def _issue(self, application: Application, machine: User, toolkit: Toolkit) -> Answer:
        by, now = self.caller.actor, self.caller.now
        connection = Connection.objects.connect(
            application, machine, toolkit, scope=SCOPE, by=by, now=now, lasts=ACCESS_LIFE
        )
        session = connection.begin_session(ends_at=now + ACCESS_LIFE, by=by, now=now)
        token, key = AccessToken.objects.issue(session, scope=SCOPE, resource=[audience()], now=now)
        return _issued(token, key, None, self.caller)


def _issued(token: AccessToken, key: keys.Key, refresh: keys.Key | None, caller: Caller) -> dict[str, Any]:
    """Return the answer of RFC 6749 section 5.1."""
    seconds = int((token.expires - caller.now).total_seconds())
    content = {"access_token": key.text, "token_type": "Bearer", "expires_in": seconds, "scope": token.scope}
    return content | ({"refresh_token": refresh.text} if refresh else {})


def _asked(request: Request) -> Target:
    """Return what the resource parameters name together (RFC 8707); each must be ours."""
    resources = [value for name, value in request.decoded_body or [] if name == "resource" and value]
    return reduce(Target.merged, map(target_of, resources), Target())


def _named_in_form(request: Request) -> Target:
    form = dict(request.decoded_body or [])
    named = [Target(form.get(f"{name}_account", ""), form.get(f"{name}_profile", "")) for name in ("nexus", "civic")]
    return named[0].merged(named[1])


def _toolkit(target: Target, machine: User) -> Toolkit:
    """Return the toolkit that is asked for or, where none is, the only one that the machine may use."""
    if named := target.toolkit_of(machine):
        return named
    usable = Toolkit.objects.usable_by(machine).select_related("account")
    found = list(usable.filter(account=_account_id(target.account)) if target.account else usable)
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidTarget("This application's machine user may use no toolkit here. Ask an administrator.")
    raise InvalidTarget(
        f"Say which toolkit the token is for, by resource={audience()}?profile=... or by nexus_profile: "
        f"this application may use {len(found)}."
    )


def _other_target(request: Request, toolkit: Toolkit, code: str = "invalid_target") -> errors.OAuth2Error | None:
    """Return the error of a request that asks for another account or toolkit than the session's.

    Where the toolkit is one of ours, a refresh token is not valid for it: "invalid_grant" (RFC 6749 section 5.2), at
    which clients sign in anew. RFC 8707 section 2 asks for invalid_target only where the resource is not acceptable.
    """
    try:
        asked = _asked(request)
        is_other = bool(asked.account) and _account_id(asked.account) != toolkit.account_id
    except InvalidTarget as error:
        return _error("invalid_target", str(error))
    if asked.profile and not is_other:
        is_other = not Toolkit.objects.filter(pk=toolkit.pk).named(asked.profile).exists()
    text = f"This session is for the toolkit {toolkit.alias}. Sign in again to use another."
    return _error(code, text) if is_other else None


def _account_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidTarget("The account is named by its UUID.") from None


def _refused(reason: Refused) -> errors.OAuth2Error:
    return _error("invalid_grant", reason.value)


def _error(code: str, description: str) -> errors.OAuth2Error:
    return errors.CustomOAuth2Error(error=code, description=plain(description))
