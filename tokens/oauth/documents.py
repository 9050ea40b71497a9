"""Clients whose id is the address of a document about them (draft-ietf-oauth-client-id-metadata-document).

django-oauth-toolkit keeps what was read, backs off, and caps what is under way; reading goes through the connector
that guards every other outgoing connection.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from oauth2_provider.cimd import CIMDError
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import Request

from profiles.models import Attempts
from profiles.upstream import fetch
from profiles.upstream.errors import UpstreamError
from profiles.upstream.fetch import Fetched
from tokens.models import Application
from tokens.oauth.client_metadata import InvalidMetadata, read
from tokens.oauth.seeds import SEEDS

MAX_DOCUMENT = 16 * 1024  # bytes
TIMEOUT = 5.0  # seconds: a person waits at the authorization endpoint
RETRY_AFTER = 3600  # seconds that what is known stands where the document cannot be read
FETCHES = 60  # within ten minutes: each asks an address that a stranger names
# Where a document may be read. Whoever has a code or token to show has been here before; "" is the consent page's own.
PLACES = frozenset({"", "/oauth/authorize", "/authorize"})
NEVER_HERE = ("client_secret", "client_secret_expires_at")


class ReadWherePeopleDecide:
    """Let documents be read at the authorization endpoint only, and not too many of strangers."""

    def has_permission(self, request: Request, client_id: str) -> bool:
        if urlsplit(request.uri or "").path not in PLACES:
            return False
        if client_id in SEEDS:
            return True
        return Application.objects.has_room() and Attempts.objects.take("documents", FETCHES, now=timezone.now())


class Fetcher:
    """Returns a document for django-oauth-toolkit to store: the seed at first, then what its address says."""

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """Return it, with the seconds for which it holds; raise CIMDError."""
        known = Application.objects.filter(client_id=client_id, registration_source="cimd").first()
        if known is None and client_id in SEEDS:
            return _registered(
                {"client_id": client_id, **SEEDS[client_id]}
            ), oauth2_settings.CIMD_METADATA_MIN_AGE_SECONDS
        try:
            return self._fetched(client_id)
        except CIMDError:
            if known is None:
                raise
            return _as_stored(known), RETRY_AFTER

    def _fetched(self, client_id: str) -> tuple[dict[str, Any], int]:
        try:
            check_address(client_id)
            found = asyncio.run(_get(client_id))
        except (UpstreamError, TimeoutError, ValueError) as error:
            raise CIMDError(f"the document cannot be read: {error}") from error
        return _registered(_members(found, client_id)), _age(found.headers.get("cache-control", ""))


def can_be_read() -> bool:
    """Return True if the document of any well-known client can be read from here: if not, the internet cannot."""

    async def any_of_them() -> bool:
        found = await asyncio.gather(*map(_get, SEEDS), return_exceptions=True)
        return any(isinstance(one, Fetched) for one in found)

    return asyncio.run(any_of_them())


def check_address(client_id: str) -> None:
    """Raise CIMDError for what is no client id of this kind (section 3 of the draft)."""
    parts = urlsplit(client_id)
    is_plain = client_id.isascii() and client_id.isprintable() and not set(client_id) & set('#@\\<>" ')
    if parts.scheme != "https" or not parts.hostname or not parts.path.strip("/") or not is_plain:
        raise CIMDError("a client id is https, with a path, and without user name or fragment")
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        raise CIMDError("a client id has no dot segments")


async def _get(client_id: str) -> Fetched:
    async with asyncio.timeout(TIMEOUT):
        return await fetch.get(client_id)


def _members(found: Fetched, client_id: str) -> dict[str, Any]:
    """Return the document; it has to name the address that it was read from."""
    media_type = found.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if found.status != 200 or not is_json or len(found.body) > MAX_DOCUMENT:
        raise CIMDError(f"HTTP {found.status}, {media_type[:60]!r}, {len(found.body)} bytes: not a document")
    try:
        said = found.members()
    except UpstreamError as error:
        raise CIMDError("the document is no JSON object") from error
    if said.get("client_id") != client_id:
        raise CIMDError("the document is another client's")
    return said


def _registered(said: dict[str, Any]) -> dict[str, Any]:
    """Return what is taken of a document: of its grant types those that are offered, of its text what can be shown."""
    if any(name in said for name in NEVER_HERE):
        raise CIMDError("a document holds no secret")
    try:
        metadata = read({"token_endpoint_auth_method": "none", **said})
    except InvalidMetadata as refusal:
        raise CIMDError(refusal.description) from refusal
    if not metadata.is_public:
        raise CIMDError("a client with a document is a public one: token_endpoint_auth_method is none")
    return _document(said["client_id"], metadata.name, list(metadata.redirect_uris))


def _as_stored(known: Application) -> dict[str, Any]:
    return _document(known.client_id, known.name, known.redirect_uris.split())


def _document(client_id: str, name: str, redirect_uris: list[str]) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_name": name or urlsplit(client_id).hostname or "",
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
    }


def _age(cache_control: str) -> int:
    """Return for how long the document holds: as its server says, within the bounds of the settings."""
    least, most = oauth2_settings.CIMD_METADATA_MIN_AGE_SECONDS, oauth2_settings.CIMD_METADATA_MAX_AGE_SECONDS
    said = [part.strip().lower().partition("=") for part in cache_control.split(",")]
    if any(name in ("no-store", "no-cache") for name, _, _ in said):
        return least
    ages = [int(text.strip()[:9]) for name, _, text in said if name.strip() == "max-age" and text.strip().isdecimal()]
    return max(least, min(ages[0], most)) if ages else most
