"""What a client asks at the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636, RFC 8707), checked in order."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.http import QueryDict
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import Request

from tokens.models import Application
from tokens.oauth import redirects
from tokens.oauth.resources import SCOPE, InvalidTarget, Target, target_of

MAY_REPEAT = ("resource",)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # of S256: base64url of a SHA-256
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
# Clients ask for these from habit. They are left out, which the answer's scope says (RFC 6749 section 3.3).
IGNORED_SCOPES = frozenset({"offline_access", "openid", "profile", "email"})


class NoRedirect(Exception):
    """Whom to answer is not sure, so that nothing may be sent anywhere (RFC 6749 section 4.1.2.1)."""


class Refusal(Exception):
    """An error that the client is told at its redirect URI."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code, self.description = code, description


@dataclass(frozen=True, slots=True)
class Asker:
    """A known application, and where it wants its answer."""

    application: Application
    redirect_uri: str
    state: str

    @property
    def destination(self) -> redirects.Destination:
        return redirects.destination_of(self.redirect_uri)

    @property
    def document_host(self) -> str:
        """Return the host of the document that describes the application, which is its client id; else ""."""
        is_described = self.application.registration_source == Application.RegistrationSource.CIMD
        return urlsplit(self.application.client_id).netloc if is_described else ""

    @property
    def is_only_loopback(self) -> bool:
        return redirects.are_all_loopback(self.application.redirect_uris.split())

    @property
    def can_be_impersonated(self) -> bool:
        """Return True if any program on the person's computer could ask in its name (RFC 8252 section 8.6)."""
        is_confidential = self.application.client_type == Application.CLIENT_CONFIDENTIAL
        return not (is_confidential or self.destination.is_claimed)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the asker wants."""

    scopes: list[str]
    challenge: str
    target: Target
    prompt: frozenset[str] = field(default_factory=frozenset)

    @property
    def scope(self) -> str:
        return " ".join(self.scopes)


def asker_of(params: QueryDict, *, may_fetch: bool) -> Asker | None:
    """Return who asks; None if only a fetch could tell, and that is not allowed yet. Raise NoRedirect."""
    client_id = _single(params, "client_id")
    if not client_id:
        raise NoRedirect("The address names no application: client_id is missing.")
    application = _application(client_id, may_fetch)
    if application is None and not may_fetch and client_id.startswith("https://"):
        return None
    if application is None:
        raise NoRedirect(
            f"No application with the client_id “{client_id[:100]}” is registered here, or it was disabled. "
            "Remove the server from your client and add it again, so that it registers anew."
        )
    states = params.getlist("state")
    state = states[0] if len(states) == 1 else ""
    return Asker(application, _redirect_uri(params, application), state)


def _application(client_id: str, may_fetch: bool) -> Application | None:
    """Return the usable application. A client id that is the address of a document may have to be fetched."""
    if may_fetch:
        request = Request("")
        validator = get_oauthlib_core().server.request_validator
        return request.client if validator.validate_client_id(client_id, request) else None
    found: Application | None = Application.objects.filter(client_id=client_id, disabled_at=None).first()
    return found


def _redirect_uri(params: QueryDict, application: Application) -> str:
    registered = application.redirect_uris.split()
    uri = _single(params, "redirect_uri")
    if not uri and len(registered) == 1:
        uri = registered[0]  # RFC 6749 section 3.1.2.3
    if not uri:
        raise NoRedirect("The address says not where to come back to: redirect_uri is missing.")
    if not redirects.is_registered(uri, registered):
        raise NoRedirect(
            f"The redirect_uri “{uri[:200]}” is none of those that the application registered. It has to be "
            "the same, character by character; only the port of a loopback address may differ."
        )
    return uri


def _single(params: QueryDict, name: str) -> str:
    values = params.getlist(name)
    if len(values) > 1:
        raise NoRedirect(f"The address has {name} more than once.")
    return values[0] if values else ""


def wish_of(params: QueryDict, asker: Asker) -> Wish:
    """Return what is asked for; raise Refusal for what cannot be, the first that is wrong."""
    _refuse_repeated(params)
    _refuse_unsupported(params)
    _refuse_other_flows(params, asker)
    return Wish(_scopes(params), _challenge(params), _target(params), _prompt(params))


def _refuse_repeated(params: QueryDict) -> None:
    for name, values in params.lists():
        if len(values) > 1 and name not in MAY_REPEAT:
            raise Refusal("invalid_request", f"Send {name[:40]} once.")


def _refuse_unsupported(params: QueryDict) -> None:
    for name in ("request", "request_uri"):
        if name in params:
            raise Refusal(f"{name}_not_supported", "Send the parameters in the query, not as a request object.")
    if params.get("response_mode", "query") != "query":
        raise Refusal("invalid_request", "The only response_mode is query.")


def _refuse_other_flows(params: QueryDict, asker: Asker) -> None:
    if not params.get("response_type"):
        raise Refusal("invalid_request", "response_type is missing: send code.")
    if params["response_type"] != "code":
        raise Refusal("unsupported_response_type", "The only response_type is code.")
    if not asker.application.allows_grant_type(Application.GRANT_AUTHORIZATION_CODE):
        raise Refusal("unauthorized_client", "This application may not sign people in: it has another grant type.")


def _challenge(params: QueryDict) -> str:
    """Return the PKCE challenge, which every client sends, by S256 (RFC 7636 section 4.3, RFC 9700 section 2.1.1)."""
    challenge = params.get("code_challenge", "")
    if not challenge:
        raise Refusal("invalid_request", "code_challenge is missing: PKCE with S256 is required.")
    if params.get("code_challenge_method") != "S256":
        raise Refusal("invalid_request", "The only code_challenge_method is S256, and it has to be sent.")
    if not CHALLENGE.fullmatch(challenge):
        raise Refusal("invalid_request", "code_challenge is not the base64url of a SHA-256: 43 characters.")
    return challenge


def _scopes(params: QueryDict) -> list[str]:
    asked = set(params.get("scope", "").split()) - IGNORED_SCOPES
    if unknown := sorted(asked - set(oauth2_settings.SCOPES)):
        raise Refusal("invalid_scope", f"There is no scope {unknown[0][:40]}. Ask for {SCOPE}.")
    return sorted(asked) or [SCOPE]


def _target(params: QueryDict) -> Target:
    target = Target()
    try:
        for resource in params.getlist("resource"):
            target = target.merged(target_of(resource))
    except InvalidTarget as error:
        raise Refusal("invalid_target", str(error)) from error
    return target


def _prompt(params: QueryDict) -> frozenset[str]:
    prompt = frozenset(params.get("prompt", "").split())
    if unknown := sorted(prompt - PROMPTS):
        raise Refusal("invalid_request", f"There is no prompt {unknown[0][:40]}.")
    if "none" in prompt and len(prompt) > 1:
        raise Refusal("invalid_request", "The prompt none goes with no other.")
    return prompt
