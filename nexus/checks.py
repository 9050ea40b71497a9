"""System checks on settings: combinations that are wrong, each with an id and what to do.

Errors stop `manage.py up` and every other command; warnings show in `check --deploy` and `doctor`.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from profiles import encryption, factors
from profiles.upstream.addresses import NEVER

MIN_SECRET_LENGTH = 40
MIN_SECRET_VARIETY = 10  # different characters


@register(Tags.security)
def secret_key(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    key = settings.SECRET_KEY
    if len(key) >= MIN_SECRET_LENGTH and len(set(key)) >= MIN_SECRET_VARIETY:
        return []
    hint = "Set it to 50 random characters: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    return [Error("NEXUS_SECRET_KEY can be guessed.", hint=hint, id="nexus.E001")]


@register(Tags.security)
def field_keys(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    keys = settings.NEXUS_FIELD_KEYS
    strong = [key for key in keys if len(key) >= MIN_SECRET_LENGTH and len(set(key)) >= MIN_SECRET_VARIETY]
    if keys and strong == keys and settings.SECRET_KEY not in keys and len(set(keys)) == len(keys):
        return []
    hint = (
        "Each is 50 random characters of its own, not NEXUS_SECRET_KEY; several are separated by commas, the newest "
        "first: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )
    return [Error("A key of NEXUS_FIELD_KEYS is missing, used twice, or can be guessed.", hint=hint, id="nexus.E008")]


@register(Tags.security, deploy=True)
def dropped_field_keys(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Look whether what is stored needs a key that is no longer there; a database that is away is said elsewhere."""
    if not settings.NEXUS_FIELD_KEYS:
        return []
    try:
        number = encryption.out_of_reach() + factors.out_of_reach()
    except DatabaseError:
        return []
    if not number:
        return []
    hint = "Put the older key back, behind the newest, run manage.py rotate_field_keys, and take it away then."
    text = f"{number} stored secret(s) need a key that NEXUS_FIELD_KEYS no longer has."
    return [Error(text, hint=hint, id="nexus.E010")]


@register(Tags.security)
def debug_in_production(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if not (settings.NEXUS_PRODUCTION and settings.DEBUG):
        return []
    hint = "Unset NEXUS_DEBUG: its error pages show settings to everybody."
    return [Error("NEXUS_DEBUG is on, and the base URL is https.", hint=hint, id="nexus.E002")]


@register(Tags.security)
def networks_that_are_never_allowed(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    forbidden = [
        str(network)
        for network in settings.NEXUS_ALLOWED_NETWORKS
        if any(network.version == never.version and network.overlaps(never) for never in NEVER)
    ]
    if not forbidden:
        return []
    return [
        Error(
            f"NEXUS_ALLOWED_NETWORKS contains {', '.join(forbidden)}: link-local or metadata addresses are in it.",
            hint="Name only the ranges where your MCP servers are, as in 10.1.0.0/16.",
            id="nexus.E003",
        )
    ]


@register(Tags.security)
def proxies(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if 0 <= settings.NEXUS_TRUSTED_PROXIES <= 10:
        return []
    return [
        Error(
            f"NEXUS_TRUSTED_PROXIES={settings.NEXUS_TRUSTED_PROXIES} is no number of proxies.",
            hint="Write how many reverse proxies stand before Nexus: 0, or 1 behind a single nginx.",
            id="nexus.E004",
        )
    ]


@register(Tags.security)
def known_words(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Check the variables that take one of a few words."""
    found: list[CheckMessage] = []
    for name, words in (("NEXUS_ACTIVITY", ("required", "best-effort")), ("NEXUS_SIGN_UP", ("open", "closed"))):
        if (value := getattr(settings, name)) not in words:
            found.append(Error(f"{name}={value!r} is not known.", hint=f"Write {' or '.join(words)}.", id="nexus.E005"))
    return found


@register(Tags.security)
def days_of_activity(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if settings.NEXUS_ACTIVITY_DAYS >= 1:
        return []
    hint = "Write for how many days calls are kept, 1 or more."
    return [Error(f"NEXUS_ACTIVITY_DAYS={settings.NEXUS_ACTIVITY_DAYS} keeps nothing.", hint=hint, id="nexus.E009")]


@register(Tags.security)
def admin_address(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if not settings.NEXUS_PRODUCTION or settings.NEXUS_ADMIN_EMAIL != "admin@example.com":
        return []
    hint = "Set NEXUS_ADMIN_EMAIL to the address of the person who runs this instance."
    return [Error("The first person of a production instance has the example address.", hint=hint, id="nexus.E006")]


@register(Tags.security)
def metrics_token(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if not settings.NEXUS_METRICS_TOKEN or len(settings.NEXUS_METRICS_TOKEN) >= 20:
        return []
    hint = "Use at least 20 random characters, or leave it empty: then only this machine may read the metrics."
    return [Error("NEXUS_METRICS_TOKEN can be guessed.", hint=hint, id="nexus.E007")]


@register(Tags.security, deploy=True)
def embedded_parts_in_production(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if not settings.NEXUS_PRODUCTION:
        return []
    missing = {
        "DATABASE_URL": "SQLite serves one machine only; write postgresql://….",
        "REDIS_URL": "Tasks are queued in files, for one machine only; write redis://….",
        "EMAIL_URL": "Mail is written into files that only staff can read; write smtp://….",
    }
    return [
        Warning(f"{name} is not set, and the base URL is https.", hint=hint, id=f"nexus.W00{number}")
        for number, (name, hint) in enumerate(missing.items(), 1)
        if not getattr(settings, name)
    ]


@register(Tags.security, deploy=True)
def open_sign_up(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if not settings.NEXUS_PRODUCTION or settings.NEXUS_SIGN_UP != "open":
        return []
    hint = "Unless strangers are meant to come, unset NEXUS_SIGN_UP."
    return [Warning("Anybody may make an account here.", hint=hint, id="nexus.W004")]


@register(Tags.security, deploy=True)
def base_url(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Check that the address in mails and snippets can lead to where Nexus listens."""
    parts = urlsplit(settings.NEXUS_BASE_URL)
    if settings.NEXUS_PRODUCTION and not settings.NEXUS_TRUSTED_PROXIES:
        hint = "TLS ends at a proxy: set NEXUS_TRUSTED_PROXIES=1, or every client has the proxy's address."
        return [Warning("The base URL is https and no proxy is trusted.", hint=hint, id="nexus.W005")]
    direct = not settings.NEXUS_TRUSTED_PROXIES and (parts.port or 80) != settings.PORT
    if direct and not settings.NEXUS_PRODUCTION:
        hint = f"Set NEXUS_BASE_URL to http://{parts.hostname}:{settings.PORT}, or PORT to {parts.port or 80}."
        return [Warning(f"The base URL does not lead to port {settings.PORT}.", hint=hint, id="nexus.W006")]
    return []


@register(Tags.security, deploy=True)
def plain_http_to_others(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if settings.NEXUS_PRODUCTION or is_loopback(settings.NEXUS_HOST):
        return []
    hint = "Put a proxy with TLS before Nexus and set NEXUS_BASE_URL to its https address."
    return [Warning("Tokens travel in plain text: others reach Nexus by http.", hint=hint, id="nexus.W007")]


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
