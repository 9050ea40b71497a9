"""Who may sign people in at a server: RFC 9728 from the server, then RFC 8414 from its authorization server.

Everything read here was written by strangers. What Nexus would connect to goes through the guard before anybody is
sent anywhere; the authorization endpoint is only ever a link.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from profiles.upstream import addresses, fetch, wire
from profiles.upstream.errors import AddressRefused, SignInFailed

PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
HELLO = wire.request(
    b"1", "initialize",
    wire.encode(
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "nexus", "version": "1"}}
    ),
)  # fmt: skip
MAX_URL = 500  # characters


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """What an authorization server says of itself, as far as it was checked (RFC 8414 section 2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str
    client_methods: tuple[str, ...]
    scopes: tuple[str, ...]
    takes_documents: bool
    names_issuer: bool  # RFC 9207: its answers carry `iss`


@dataclass(frozen=True, slots=True)
class Discovered:
    server: AuthorizationServer
    resource: str  # RFC 8707
    scopes: str  # that the server asks for


async def discover(url: str) -> Discovered:
    """Find out who signs people in at the server; raise UpstreamError with what is wrong."""
    challenge = bearer_parameters(await fetch.challenge(url, HELLO) or "")
    resource = await _protected_resource(url, challenge.get("resource_metadata", ""))
    issuer = _first(resource.get("authorization_servers")) if resource else _origin(addresses.parse(url))
    if not issuer:
        raise SignInFailed("its metadata names no authorization server")
    server = await _authorization_server(issuer, must_be_https=url.startswith("https:"))
    scopes = challenge.get("scope") or " ".join(_texts(resource.get("scopes_supported")))
    named = resource.get("resource")
    return Discovered(server, named if isinstance(named, str) else url, scopes)


def bearer_parameters(challenge: str) -> dict[str, str]:
    """Return the parameters of a WWW-Authenticate header that asks for a bearer token (RFC 6750 section 3)."""
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() != "bearer":
        return {}
    return {name.lower(): quoted.replace("\\", "") or plain for name, quoted, plain in PARAMETER.findall(rest)}


async def _protected_resource(url: str, named: str) -> dict[str, Any]:
    """Return the server's own metadata; nothing if it has none, as servers of 2025-03-26 (RFC 9728 section 3)."""
    parts, must_be_https = addresses.parse(url), url.startswith("https:")
    known = f"{_origin(parts)}/.well-known/oauth-protected-resource"
    path = parts.path.rstrip("/")
    for place in dict.fromkeys([named] if named else [known + path, known]):
        found = await fetch.get(await checked(place, "resource_metadata", must_be_https=must_be_https))
        if found.status == 200:
            members = found.members()
            if not covers(str(members.get("resource", "")), url):
                raise SignInFailed("its metadata is about another resource than this server")
            return members
    if named:
        raise SignInFailed("the metadata that it points to is not there")
    return {}


def covers(resource: str, url: str) -> bool:
    """Return True if the identifier is the server's address, or that of a folder above it (RFC 9728 section 3.3)."""
    try:
        whole, asked = addresses.parse(resource), addresses.parse(url)
    except AddressRefused:
        return False
    if _origin(whole) != _origin(asked) or whole.query not in ("", asked.query) or whole.fragment:
        return False
    return f"{asked.path.rstrip('/')}/".startswith(f"{whole.path.rstrip('/')}/")


async def _authorization_server(issuer: str, *, must_be_https: bool) -> AuthorizationServer:
    parts = urlsplit(await checked(issuer, "issuer", must_be_https=must_be_https))
    if parts.query or parts.fragment:
        raise SignInFailed("its authorization server has an address that no issuer may have")
    origin, path = _origin(parts), parts.path.rstrip("/")
    places = [
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
    ]
    if path:
        places.append(f"{origin}{path}/.well-known/openid-configuration")
    for place in places:
        found = await fetch.get(place)
        if found.status == 200:
            return await _checked_server(found.members(), issuer, must_be_https=must_be_https)
    raise SignInFailed(f"its authorization server {parts.netloc} says nothing of itself")


async def _checked_server(members: dict[str, Any], issuer: str, *, must_be_https: bool) -> AuthorizationServer:
    if not same_issuer(members.get("issuer"), issuer):
        raise SignInFailed("its authorization server calls itself by another name")
    if "S256" not in _texts(members.get("code_challenge_methods_supported")):
        raise SignInFailed("its authorization server does not protect sign-ins (PKCE with S256 is missing)")
    authorize = members.get("authorization_endpoint")
    _refuse_bad_address(authorize, "authorization_endpoint", must_be_https=must_be_https)
    token = await checked(members.get("token_endpoint"), "token_endpoint", must_be_https=must_be_https)
    register = members.get("registration_endpoint") or ""
    if register:
        register = await checked(register, "registration_endpoint", must_be_https=must_be_https)
    return AuthorizationServer(
        issuer=str(members["issuer"]),
        authorization_endpoint=str(authorize),
        token_endpoint=token,
        registration_endpoint=register,
        client_methods=tuple(_texts(members.get("token_endpoint_auth_methods_supported"))) or ("client_secret_basic",),
        scopes=tuple(_texts(members.get("scopes_supported"))),
        takes_documents=members.get("client_id_metadata_document_supported") is True,
        names_issuer=members.get("authorization_response_iss_parameter_supported") is True,
    )


def same_issuer(named: object, issuer: str) -> bool:
    """Return True for the same text; a slash at the end of one of them is passed over."""
    return isinstance(named, str) and named.removesuffix("/") == issuer.removesuffix("/")


async def checked(url: object, name: str, *, must_be_https: bool) -> str:
    """Return the address if Nexus may connect to it; raise AddressRefused."""
    parts = _refuse_bad_address(url, name, must_be_https=must_be_https)
    try:
        await addresses.resolve(parts.hostname or "", addresses.default_port(parts))
    except AddressRefused as error:
        raise AddressRefused(f"The {name} that the server names is refused. {error}") from None
    return str(url)


def _refuse_bad_address(url: object, name: str, *, must_be_https: bool) -> SplitResult:
    if not isinstance(url, str) or not url or len(url) > MAX_URL or not url.isascii() or not url.isprintable():
        raise AddressRefused(f"The {name} that the server names is not an address.")
    try:
        parts = addresses.parse(url)
    except AddressRefused:
        raise AddressRefused(
            f"The {name} that the server names is not an address to connect to ({url[:60]})."
        ) from None
    if must_be_https and parts.scheme != "https":
        raise AddressRefused(f"The {name} that the server names is not https, though the server itself is.")
    if parts.fragment or "#" in url:
        raise AddressRefused(f"The {name} that the server names has a fragment, which no such address may have.")
    return parts


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    port = parts.port if parts.port != {"http": 80, "https": 443}.get(parts.scheme) else None
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _first(value: object) -> str:
    return next(iter(_texts(value)), "")
