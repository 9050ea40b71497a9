"""Token exchange (RFC 8693): a token for a token, never wider, never longer, at most twice in a row."""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase

from profiles.events import Actor, ActorKind
from profiles.models import Toolkit
from tokens import keys, lookup
from tokens.models import Application, Connection, DelegatedToken, Issued
from tokens.models.applications import NOTE_USE_EVERY
from tokens.models.delegated import PRINTABLE
from tokens.models.exchanging import MIN_LIFE, SCOPE, CannotExchange
from tokens.models.policies import MAX_LIFE
from tokens.oauth.resources import InvalidTarget, Target, target_of

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105
URN = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN = f"{URN}access_token"
NOT_YET = (f"{URN}id_token", f"{URN}jwt")
DEFAULT_LIFE = timedelta(hours=1)
MAX_TARGETS = 10
LONGEST_NAME = 80
SECONDS = re.compile(r"[0-9]{1,9}")
NAMES = {"nexus_profile": "profile", "civic_profile": "profile", "nexus_account": "account", "civic_account": "account"}

UNREAL = "The subject_token is none of this server, or of a kind that cannot be exchanged."
REFUSALS = {
    lookup.Refusal.EXPIRED: "The subject token has expired. Ask for a new one.",
    lookup.Refusal.REVOKED: "The subject token has been revoked. Ask for a new one.",
    lookup.Refusal.OWNER_GONE: "The owner of the subject token may not use this account any more.",
    lookup.Refusal.TOOLKIT_DELETED: "The toolkit of the subject token has been deleted.",
    lookup.Refusal.PAUSED: "The subject token is paused. Resume it first.",
    lookup.Refusal.TOOLKIT_PAUSED: "The toolkit of the subject token is paused.",
    lookup.Refusal.TOOLKIT_ARCHIVED: "The toolkit of the subject token is archived.",
    lookup.Refusal.ACCOUNT_PAUSED: "The account of the subject token is paused.",
    lookup.Refusal.NOT_ASSIGNED: "The toolkit is not assigned to the owner of the subject token.",
}


class Refused(errors.OAuth2Error):
    """An error of RFC 6749 section 5.2, RFC 8693 section 2.2.2 or RFC 8707 section 2; its text is plain ASCII."""

    def __init__(self, code: str, description: str, retry_after: int = 0) -> None:
        self.error = code
        super().__init__(description=description)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the request asks for."""

    subject_token: str
    scopes: frozenset[str]
    lasts: timedelta
    targets: tuple[Target, ...]
    name: str

    @classmethod
    def read(cls, pairs: list[tuple[str, str]]) -> "Wanted":
        """Return what the form says; one without a value counts as not sent (RFC 6749 section 3.2)."""
        sent = [(name, value) for name, value in pairs if value]
        params = dict(sent)
        _check_types(params)
        return cls(
            subject_token=params["subject_token"],
            scopes=frozenset(params.get("scope", "").split()),
            lasts=_lasts(params.get("expires_in")),
            targets=_targets(sent),
            name=_name(params.get("token_name", "")),
        )


class TokenExchangeGrant(GrantTypeBase):
    def create_token_response(self, request: Request, token_handler: Any) -> tuple[dict[str, str], str, int]:
        headers = self._get_default_headers()
        try:
            answer = self._answer(request, timezone.now())
        except errors.OAuth2Error as error:
            return {**headers, **error.headers}, error.json, error.status_code
        return headers, json.dumps(answer), 200

    def _answer(self, request: Request, now: datetime) -> dict[str, Any]:
        """Return the successful answer of RFC 8693 section 2.2.1."""
        request.user = None  # a parameter of this name must mean nothing
        self.validate_client_authentication(request)
        if not request.client.may_exchange:
            raise Refused("unauthorized_client", "This application may not exchange tokens. Its account can allow it.")
        wanted = Wanted.read(request.decoded_body)
        subject = subject_of(wanted.subject_token, now, by=actor_of(request))
        _check_targets(wanted.targets, subject)
        issued = _issue(wanted, subject, request, now)
        _note_use(issued.token, now)
        life = issued.token.expires_at - issued.token.issued_at
        return {
            "access_token": issued.key.text,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": int(life.total_seconds()),
            "scope": SCOPE,
        }


def subject_of(text: str, now: datetime, *, by: Actor) -> lookup.TokenAuthority:
    """Return the subject token if the hub would take it at this moment (RFC 8693 section 2.1).

    The owner of a token that was replaced, and is used after its end, is told of that as at a call.
    """
    kind = keys.kind_of(text)
    if kind is None:
        raise Refused("invalid_request", UNREAL)
    # Those of another kind go the same way as one that nobody made: no digest of theirs is found there.
    _, subject = lookup.token_with(keys.digest(text), kind if kind in lookup.QUERIES else keys.Kind.DELEGATED)
    if subject is None:
        raise Refused("invalid_request", UNREAL)
    if refusal := subject.refusal(now.timestamp()):
        if subject.kind is keys.Kind.DELEGATED and refusal in lookup.SUPERSEDED:
            DelegatedToken.objects.note_reuse(subject.token_id, by=by, now=now)
        raise Refused("invalid_request", REFUSALS[refusal])
    return subject


def _issue(wanted: Wanted, subject: lookup.TokenAuthority, request: Request, now: datetime) -> Issued:
    application: Application = request.client
    try:
        return DelegatedToken.objects.exchange(
            keys.digest(wanted.subject_token),
            subject.kind,
            application=application,
            scopes=wanted.scopes,
            lasts=wanted.lasts,
            name=wanted.name or own_name(application),
            by=actor_of(request),
            now=now,
        )
    except CannotExchange as error:
        raise Refused(error.code, error.description, error.retry_after) from error


def _note_use(made: DelegatedToken, now: datetime) -> None:
    """Note, once a minute, the use of what it was exchanged for: one that is pending takes over, as at a call."""
    if parent := made.parent:
        if parent.stage == parent.Stage.PENDING:
            DelegatedToken.objects.activate(parent.pk, now=now)
        if parent.last_used_at is None or parent.last_used_at < now - NOTE_USE_EVERY:
            DelegatedToken.objects.all().touch({parent.pk: now})
    elif made.session:
        connection = made.session.connection
        if connection.last_used_at is None or connection.last_used_at < now - NOTE_USE_EVERY:
            Connection.objects.all().touch({connection.pk: now})


def actor_of(request: Request) -> Actor:
    """Return the application, and where it asks from."""
    headers, application = request.headers, request.client
    return Actor(
        ActorKind.APPLICATION,
        application.client_id[:64],
        application.name or application.client_id,
        headers.get("REMOTE_ADDR", ""),
        headers.get("HTTP_USER_AGENT", "")[:300],
        headers.get("nexus.request_id", ""),
    )


def own_name(application: Application) -> str:
    """Return the application's name as a token may be called."""
    name = " ".join(application.name.split())[:LONGEST_NAME].strip()
    try:
        PRINTABLE(name)
    except ValidationError:
        return application.client_id[:LONGEST_NAME]
    return name


def _check_types(params: dict[str, str]) -> None:
    for name in ("subject_token", "subject_token_type"):
        if name not in params:
            raise Refused("invalid_request", f"Send {name}.")
    if params["subject_token_type"] in NOT_YET:
        raise Refused("invalid_request", f"Tokens of other issuers are not taken yet. Send {ACCESS_TOKEN}.")
    if params["subject_token_type"] != ACCESS_TOKEN:
        raise Refused("invalid_request", f"The subject_token_type is {ACCESS_TOKEN}.")
    if params.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise Refused("invalid_request", f"The requested_token_type is {ACCESS_TOKEN}, or not sent.")
    if "actor_token" in params or "actor_token_type" in params:
        raise Refused("invalid_request", "An actor_token is not supported: the application is who acts.")


def _lasts(text: str | None) -> timedelta:
    if text is None:
        return DEFAULT_LIFE
    if not SECONDS.fullmatch(text):
        raise Refused("invalid_request", "Write expires_in as a whole number of seconds, from 60 to 2592000.")
    lasts = timedelta(seconds=int(text))
    if lasts > MAX_LIFE:
        raise Refused("invalid_request", "A token lives at most 30 days: expires_in is at most 2592000.")
    if lasts < MIN_LIFE:
        raise Refused("invalid_request", "A token lives at least a minute: expires_in is at least 60.")
    return lasts


def _name(text: str) -> str:
    name = " ".join(text.split())
    try:
        if name:
            DelegatedToken._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise Refused("invalid_request", f"token_name: {' '.join(error.messages)}") from error
    return name


def _targets(sent: list[tuple[str, str]]) -> tuple[Target, ...]:
    """Return what resource (RFC 8707), audience (RFC 8693) and our own parameters name."""
    targets = []
    for name, value in sent:
        if name in NAMES:
            targets.append(Target(**{NAMES[name]: value}))
        elif name == "resource" or (name == "audience" and ":" in value):
            targets.append(_address(value))
        elif name == "audience":
            targets.append(Target(profile=value))
    if len(targets) > MAX_TARGETS:
        raise Refused("invalid_target", f"Name at most {MAX_TARGETS} targets.")
    return tuple(targets)


def _address(text: str) -> Target:
    try:
        return target_of(text)
    except InvalidTarget as error:
        raise Refused("invalid_target", str(error)) from error


def _check_targets(targets: tuple[Target, ...], subject: lookup.TokenAuthority) -> None:
    """Raise Refused unless each target is the toolkit of the subject: by its id, its alias, or one that it had."""
    accounts = {target.account for target in targets} - {""}
    names = {target.profile for target in targets} - {"", subject.toolkit_alias}
    names -= {name for name in names if _is_id(name, subject.toolkit_id)}
    if names:
        toolkit = Toolkit.objects.filter(pk=subject.toolkit_id)
        names -= set(toolkit.filter(former_aliases__alias__in=names).values_list("former_aliases__alias", flat=True))
    if names or not all(_is_id(name, subject.account_id) for name in accounts):
        raise Refused("invalid_target", "The subject token is for another toolkit or account than the request names.")


def _is_id(text: str, own: uuid.UUID) -> bool:
    try:
        return uuid.UUID(text) == own
    except ValueError:
        return False
