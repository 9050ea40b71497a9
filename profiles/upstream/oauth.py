"""Nexus as a client of other people's authorization servers: OAuth 2.1 with PKCE, as the MCP specification asks."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from django.conf import settings

from profiles.models import Grant
from profiles.upstream import fetch
from profiles.upstream.errors import GrantRefused, SignInFailed
from profiles.upstream.oauth_metadata import AuthorizationServer, Discovered

CALLBACK_PATH = "/authorizations/callback"
DOCUMENT_PATH = "/oauth/client.json"
METHODS = ("client_secret_basic", "client_secret_post", "none")  # how we authenticate, best first
FORM = "application/x-www-form-urlencoded"
CLIENT_GONE = ("invalid_client", "unauthorized_client")
MAX_TOKEN = 16 * 1024  # characters
MAX_LIFE = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Client:
    """As whom Nexus asks at a token endpoint."""

    id: str
    method: str
    secret: str = field(default="", repr=False)
    secret_expires_at: datetime | None = None


def redirect_uri() -> str:
    return f"{settings.NEXUS_BASE_URL}{CALLBACK_PATH}"


def document_client() -> Client:
    """Return Nexus as its client id metadata document describes it."""
    return Client(f"{settings.NEXUS_BASE_URL}{DOCUMENT_PATH}", "none")


def client_document() -> dict[str, Any]:
    """Return the document at DOCUMENT_PATH, where authorization servers look Nexus up."""
    return {"client_id": document_client().id, "token_endpoint_auth_method": "none", **_description()}


def _description() -> dict[str, Any]:
    is_local = urlsplit(settings.NEXUS_BASE_URL).scheme == "http"  # OpenID Connect: web clients come back to https
    return {
        "client_name": "Nexus",
        "client_uri": settings.NEXUS_BASE_URL,
        "application_type": "native" if is_local else "web",
        "redirect_uris": [redirect_uri()],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }


def method_for(server: AuthorizationServer, *, has_secret: bool) -> str:
    if not has_secret:
        return "none"
    return next((method for method in METHODS[:2] if method in server.client_methods), METHODS[0])


async def register(server: AuthorizationServer, scopes: str, *, now: datetime) -> Client:
    """Register Nexus (RFC 7591); raise SignInFailed."""
    method = next((method for method in METHODS if method in server.client_methods), METHODS[0])
    wish = {**_description(), "token_endpoint_auth_method": method} | ({"scope": scopes} if scopes else {})
    answer = await fetch.post(server.registration_endpoint, json.dumps(wish).encode(), "application/json")
    members = answer.members()
    client_id, secret = members.get("client_id"), members.get("client_secret") or ""
    if answer.status not in (200, 201) or not _is_plain(client_id, 500) or not (_is_plain(secret) or secret == ""):
        raise SignInFailed(f"its authorization server does not register Nexus ({_reason(members, answer.status)})")
    method = members.get("token_endpoint_auth_method") or method
    ends = members.get("client_secret_expires_at")
    ends_at = (
        datetime.fromtimestamp(ends, UTC)
        if isinstance(ends, int | float) and now.timestamp() < ends < (now + MAX_LIFE).timestamp()
        else None
    )
    return Client(
        str(client_id), method if method in METHODS and secret else method_for(server, has_secret=bool(secret)),
        str(secret), ends_at,
    )  # fmt: skip


def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def scopes_to_ask(found: Discovered, wanted: str) -> str:
    """Return what to ask for: what is wanted here, else what the server names; and to be remembered, where offered."""
    scopes = (wanted or found.scopes).split()
    if scopes and "offline_access" in found.server.scopes and "offline_access" not in scopes:
        scopes.append("offline_access")
    return " ".join(scopes)


def authorization_url(found: Discovered, client_id: str, *, state: str, verifier: str, scopes: str) -> str:
    """Return the address at which the person signs in."""
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri(),
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "resource": found.resource,
    } | ({"scope": scopes} if scopes else {})
    endpoint = found.server.authorization_endpoint
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


async def exchange(grant: Grant, secret: str, *, code: str, verifier: str, now: datetime) -> Grant:
    """Return the grant with the tokens that the code is good for; raise SignInFailed."""
    wish = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": verifier,
        "resource": grant.resource,
    }
    return await _tokens(grant, secret, wish, now)


async def refresh(grant: Grant, secret: str, *, now: datetime) -> Grant:
    """Return the grant with new tokens; raise GrantRefused if only a new sign-in helps, else UpstreamError."""
    wish = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "resource": grant.resource}
    return await _tokens(grant, secret, wish, now)


async def _tokens(grant: Grant, secret: str, wish: dict[str, str], now: datetime) -> Grant:
    basic, wish = "", wish | {"client_id": grant.client_id}  # which some want beside Basic too
    if grant.client_method == "client_secret_basic":
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(secret)}"  # RFC 6749 section 2.3.1
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif secret:
        wish["client_secret"] = secret
    answer = await fetch.post(grant.token_endpoint, urlencode(wish).encode(), FORM, authorization=basic)
    if answer.status >= 500:
        raise SignInFailed(f"its authorization server is out of order (HTTP {answer.status})")
    members = answer.members()
    if answer.status not in (200, 201) or members.get("error"):
        raise _refusal(members, answer.status)
    return _granted(grant, members, now)


def _refusal(members: dict[str, Any], status: int) -> SignInFailed:
    text, code = f"its authorization server refused ({_reason(members, status)})", members.get("error")
    if code == "invalid_grant" or code in CLIENT_GONE:
        return GrantRefused(text, is_about_client=code in CLIENT_GONE)
    return SignInFailed(text)


def _granted(grant: Grant, members: dict[str, Any], now: datetime) -> Grant:
    access, renewal = members.get("access_token"), members.get("refresh_token") or ""
    if not _is_plain(access) or str(members.get("token_type", "")).lower() != "bearer":
        raise SignInFailed("its authorization server gave no bearer token")
    scopes, life = members.get("scope"), members.get("expires_in")
    is_life = isinstance(life, int | float) and not isinstance(life, bool) and 0 < life < MAX_LIFE.total_seconds()
    return Grant(
        access_token=str(access),
        refresh_token=str(renewal) if _is_plain(renewal) else "",
        scopes=scopes[:2000] if isinstance(scopes, str) and scopes else grant.scopes,
        expires_at=now + timedelta(seconds=life) if is_life and life else None,
        issuer=grant.issuer,
        token_endpoint=grant.token_endpoint,
        resource=grant.resource,
        client_id=grant.client_id,
        client_method=grant.client_method,
    )


def _is_plain(value: object, limit: int = MAX_TOKEN) -> bool:
    """Return True for text that a header line can carry."""
    return isinstance(value, str) and 0 < len(value) <= limit and value.isascii() and value.isprintable()


def _reason(members: dict[str, Any], status: int) -> str:
    parts = [members.get("error"), members.get("error_description")]
    said = ": ".join(plain(part, 150) for part in parts if isinstance(part, str) and part)
    return said or f"HTTP {status}"


def plain(text: str, limit: int) -> str:
    """Return what a stranger wrote as one short line."""
    return "".join(character if character.isprintable() else " " for character in text[:limit]).rstrip(". ")
