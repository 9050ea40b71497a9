"""Redirect URIs: which may be registered and used, and what a person should know of where one leads."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_noop

MAX_LENGTH = 2000  # characters
LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?((?:[/?].*)?)")
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
PLAIN = re.compile(r"[!#-;=?-\[\]^_a-z~|{}]+")  # visible ASCII without quotes, <, >, \ and `, which browsers mend
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
REVERSE_DOMAIN = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+")  # RFC 8252 section 7.1
# Schemes of clients in use that are no reversed domain. Any other is refused: it may run what it is given.
KNOWN_SCHEMES = frozenset(
    {"claude", "cursor", "cursor-nightly", "kiro", "lmstudio", "raycast", "trae", "vscode", "vscode-insiders"}
    | {"vscodium", "warp", "windsurf", "windsurf-next", "zed"}
)
OURS = frozenset(("code", "state", "iss", "error"))  # parameters that only an answer may have


class Kind(Enum):
    WEB = "a site"
    LOOPBACK = "a program on this computer"
    SCHEME = "an application on this computer"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an answer goes: `shown` is host and port, or the scheme; `source` is its word in a CSP."""

    kind: Kind
    shown: str
    source: str

    @property
    def is_claimed(self) -> bool:
        """Return True if nobody but its owner can receive what is sent there (RFC 8252 section 8.6)."""
        return self.kind is Kind.WEB


def objection_to(uri: str) -> str:
    """Return what is wrong with it as a redirect URI (RFC 9700 section 4.1, RFC 8252 section 7), or ""."""
    if len(uri) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if not PLAIN.fullmatch(uri):
        return gettext_noop("has characters that must be percent-encoded")
    if "#" in uri:
        return gettext_noop("has a fragment")
    if "*" in uri:
        return gettext_noop("has a wildcard: name each address in full")
    try:
        parts = urlsplit(uri)
        named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)}
        port = parts.port
    except ValueError:
        return gettext_noop("is not an address")
    if "@" in parts.netloc:
        return gettext_noop("carries a user name")
    if named & OURS:
        return gettext_noop("has a parameter that only the answer may have")
    if parts.scheme in ("http", "https"):
        return _objection_to_site(uri, parts, port)
    return _objection_to_scheme(uri, parts)


def _objection_to_site(uri: str, parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    shown = parts.netloc.removesuffix(f":{port}")
    is_exact = uri.startswith(f"{parts.scheme}://") and shown.lower() == (f"[{host}]" if ":" in host else host)
    if not is_exact or not HOST.fullmatch(shown.lower()) or port == 0:
        return gettext_noop("names no host, as in https://app.example.com/callback")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        return gettext_noop("is http: use https, or http with 127.0.0.1, [::1] or localhost")
    return ""


def _objection_to_scheme(uri: str, parts: SplitResult) -> str:
    scheme, place = parts.scheme, parts.netloc + parts.path.strip("/")
    if not uri.startswith(f"{scheme}:/") or not place:  # in lower case, and a place within it
        return gettext_noop("is not an address")
    if scheme in KNOWN_SCHEMES or REVERSE_DOMAIN.fullmatch(scheme):
        return ""
    return gettext_noop(
        "has a scheme that is not taken: use a reversed domain of yours, as in com.example.app:/callback"
    )


def refuse_bad_redirect_uri(uri: str) -> None:
    """Raise ValidationError for what no application may register."""
    if objection := objection_to(uri):
        raise ValidationError(gettext("It %(objection)s.") % {"objection": gettext(objection)})


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Return True for exactly a registered URI; of loopback addresses the port may differ (RFC 8252 section 7.3)."""
    return not objection_to(uri) and any(uri == one or _differ_in_port(uri, one) for one in registered)


def destination_of(uri: str) -> Destination:
    """Describe a usable URI. A CSP can name no IPv6 address, so these are named by their port alone."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return Destination(Kind.SCHEME, parts.scheme, f"{parts.scheme}:")
    host = f"*:{parts.port or (443 if parts.scheme == 'https' else 80)}" if "[" in parts.netloc else parts.netloc
    kind = Kind.LOOPBACK if parts.scheme == "http" else Kind.WEB
    return Destination(kind, parts.netloc, f"{parts.scheme}://{host}")


def are_all_loopback(uris: Sequence[str]) -> bool:
    return bool(uris) and all(LOOPBACK.fullmatch(uri) for uri in uris)


def with_parameters(uri: str, parameters: dict[str, str]) -> str:
    """Return the URI with parameters added to its query (RFC 6749 section 4.1.2)."""
    separator = "&" if "?" in uri else "?"
    return f"{uri}{separator}{urlencode(parameters)}"


def _differ_in_port(uri: str, registered: str) -> bool:
    asked, known = LOOPBACK.fullmatch(uri), LOOPBACK.fullmatch(registered)
    return bool(asked and known and (asked[1], asked[3]) == (known[1], known[3]))
