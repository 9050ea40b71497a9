"""Redirect URIs of clients: which one may be used, and what a person should know of where it leads."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl, urlencode, urlsplit

LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?((?:[/?].*)?)")
HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
PLAIN = re.compile(r"[!#-;=?-\[\]^_a-z~|{}]+")  # visible ASCII without quotes, <, >, \ and `, which browsers mend
# What runs in the browser, opens a file, or is no place to come back to.
REFUSED_SCHEMES = frozenset(
    {
        "about",
        "blob",
        "chrome",
        "content",
        "data",
        "file",
        "filesystem",
        "ftp",
        "http",
        "intent",
        "jar",
        "javascript",
        "mailto",
        "resource",
        "sms",
        "tel",
        "urn",
        "vbscript",
        "view-source",
        "ws",
        "wss",
    }
)
OURS = ("code", "state", "iss", "error")  # parameters that only an answer may have


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


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Return True for exactly a registered URI; of loopback addresses the port may differ (RFC 8252 section 7.3)."""
    return is_usable(uri) and any(uri == one or _differ_in_port(uri, one) for one in registered)


def is_usable(uri: str) -> bool:
    """Return True if an answer may be sent there at all, whatever was registered."""
    if not PLAIN.fullmatch(uri) or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)]
    except ValueError:
        return False
    if any(name in OURS for name in named):
        return False
    if parts.scheme == "https":
        return bool(HOST.fullmatch(parts.netloc))
    if match := LOOPBACK.fullmatch(uri):
        return int(match[2] or 0) < 65536
    return bool(SCHEME.fullmatch(parts.scheme)) and "@" not in parts.netloc and parts.scheme not in REFUSED_SCHEMES


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
