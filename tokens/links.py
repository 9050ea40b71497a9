"""Addresses of a token's pages for mails, webhooks and calendars: whole, without a secret, good only after sign-in."""

from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from tokens.models.connections import Connection
from tokens.models.delegated import DelegatedToken
from tokens.models.management_keys import ManagementKey


def to_token(token: DelegatedToken) -> str:
    return settings.NEXUS_BASE_URL + reverse("token", args=[token.public_id])


def to_replace(token: DelegatedToken) -> str:
    return f"{to_token(token)}replace/"


def to_revoke(token: DelegatedToken) -> str:
    return f"{to_token(token)}revoke/"


def to_use(token: DelegatedToken) -> str:
    """Return the page of its use, which Activity has."""
    return f"{to_token(token)}activity/"


def to_install(token: DelegatedToken) -> str:
    """Return the Install page, with the toolkit and the service filled in; needs the token's toolkit."""
    wish = urlencode({"profile": token.toolkit.alias, "name": token.name})
    return f"{settings.NEXUS_BASE_URL}{reverse('install')}?{wish}"


def to_connection(connection: Connection) -> str:
    return settings.NEXUS_BASE_URL + reverse("connection", args=[connection.public_id])


def to_replace_key(key: ManagementKey) -> str:
    return settings.NEXUS_BASE_URL + reverse("key_replace", args=[key.public_id])


def to_make_key() -> str:
    return settings.NEXUS_BASE_URL + reverse("key_make")


def to_tokens() -> str:
    return settings.NEXUS_BASE_URL + reverse("tokens")


def to_notifications() -> str:
    return settings.NEXUS_BASE_URL + reverse("notifications")


def of(token: DelegatedToken) -> dict[str, str]:
    return {"token": to_token(token), "replace": to_replace(token), "install": to_install(token)}
