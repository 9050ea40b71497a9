"""What a client says of itself (RFC 7591 section 2): as it registers, or in the document that its id is the address of.

All of it is a stranger's word. Nothing that it names is fetched.
"""

from dataclasses import dataclass
from typing import Any

from profiles.visible import UNSEEN, has_piled_marks
from tokens.oauth.redirects import PLAIN, objection_to

GRANT_TYPES = ("authorization_code", "refresh_token")  # what whoever registers by itself may have, both or none
BY_HAND = ("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange")
AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")
MAX_NAME = 100  # characters
MAX_REDIRECT_URIS = 10
MAX_CLIENT_URI = 300


class InvalidMetadata(Exception):
    """The client cannot be registered so (RFC 7591 section 3.2.2): an error code, and a sentence that says why."""

    def __init__(self, description: str, code: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.code, self.description = code, description


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What is registered of what the client said; the rest was left out."""

    name: str
    redirect_uris: tuple[str, ...]
    auth_method: str
    client_uri: str = ""

    @property
    def is_public(self) -> bool:
        return self.auth_method == "none"


def read(said: dict[str, Any]) -> ClientMetadata:
    """Return what can be registered of it; raise InvalidMetadata."""
    _check_grant_types(_texts(said, "grant_types", ["authorization_code"]))
    if "code" not in _texts(said, "response_types", ["code"]):
        raise InvalidMetadata("response_types: this server answers with a code only. Ask for “code”.")
    redirect_uris = _redirect_uris(said)
    return ClientMetadata(
        name=_name(said),
        redirect_uris=redirect_uris,
        auth_method=_auth_method(said, redirect_uris),
        client_uri=_client_uri(said),
    )


def _check_grant_types(asked: list[str]) -> None:
    if "authorization_code" in asked:
        return
    if any(grant_type in BY_HAND for grant_type in asked):
        raise InvalidMetadata(
            "grant_types: whoever registers by itself can sign people in, with authorization_code. For client "
            "credentials or token exchange, ask an admin to register the application in the portal."
        )
    raise InvalidMetadata("grant_types: name authorization_code; no other way to sign people in is offered.")


def _redirect_uris(said: dict[str, Any]) -> tuple[str, ...]:
    uris = tuple(dict.fromkeys(_texts(said, "redirect_uris", [])))
    if not uris:
        raise InvalidMetadata("redirect_uris: name at least one.", "invalid_redirect_uri")
    if len(uris) > MAX_REDIRECT_URIS:
        raise InvalidMetadata(f"redirect_uris: {MAX_REDIRECT_URIS} are the most.", "invalid_redirect_uri")
    for uri in uris:
        if objection := objection_to(uri):
            shown = uri[:100] if PLAIN.fullmatch(uri) else "one of them"
            raise InvalidMetadata(f"redirect_uris: {shown} {objection}.", "invalid_redirect_uri")
    return uris


def _auth_method(said: dict[str, Any], redirect_uris: tuple[str, ...]) -> str:
    """Left out, it is client_secret_basic, as RFC 7591 has it; a native client is public (RFC 8252 section 8.4)."""
    is_native = said.get("application_type") == "native" or any(map(_is_native, redirect_uris))
    method = said.get("token_endpoint_auth_method") or ("none" if is_native else "client_secret_basic")
    if method not in AUTH_METHODS:
        raise InvalidMetadata(f"token_endpoint_auth_method: {', '.join(AUTH_METHODS)} are taken.")
    return str(method)


def _is_native(uri: str) -> bool:
    return not uri.startswith("https:")


def _name(said: dict[str, Any]) -> str:
    name = said.get("client_name") or ""
    if not isinstance(name, str) or len(name) > MAX_NAME or UNSEEN.search(name) or has_piled_marks(name):
        raise InvalidMetadata(f"client_name: at most {MAX_NAME} characters, each of which can be seen in its place.")
    return " ".join(name.split())


def _client_uri(said: dict[str, Any]) -> str:
    """Return the home page, or nothing: it is shown only, and no reason to turn a client away."""
    uri = said.get("client_uri")
    if not isinstance(uri, str) or len(uri) > MAX_CLIENT_URI or objection_to(uri):
        return ""
    return uri if uri.startswith("https://") else ""


def _texts(said: dict[str, Any], name: str, default: list[str]) -> list[str]:
    values = said.get(name)
    if values is None:
        return default
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidMetadata(f"{name}: send an array of strings.")
    return values
