"""Where an application may have people sent back to, as it registers it (RFC 6749 section 3.1.2, RFC 8252)."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

MAX_LENGTH = 500
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PRINTABLE = re.compile(r"[\x21-\x7e]+")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
HOST = re.compile(r"(?!-)[a-z0-9.-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
# What a browser runs, reads or shows by itself instead of handing it to a program of the person's.
DANGEROUS = {
    "about", "blob", "chrome", "chrome-extension", "content", "data", "feed", "file", "filesystem", "ftp", "ftps",
    "intent", "jar", "javascript", "livescript", "mailto", "mhtml", "mocha", "moz-extension", "ms-its", "news",
    "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss", "wyciwyg",
}  # fmt: skip


def refuse_bad_redirect_uri(uri: str) -> None:
    """Raise ValidationError, with what to do, for an address to which no code may be sent.

    Taken are https anywhere, http on loopback only, and schemes of native programs; without fragment, credentials,
    wildcard or characters that readers of addresses take differently.
    """
    if len(uri) > MAX_LENGTH:
        raise ValidationError(f"It is longer than {MAX_LENGTH} characters.")
    if not PRINTABLE.fullmatch(uri) or set(uri) & set('\\"<>^`{|}'):
        raise ValidationError("Write it in plain ASCII characters; percent-encode any other.")
    if "#" in uri:
        raise ValidationError("It must not have a fragment, the part from # on.")
    if "*" in uri:
        raise ValidationError("A wildcard is not taken: write each address in full.")
    scheme, colon, rest = uri.partition(":")
    if not colon or not SCHEME.fullmatch(scheme):
        raise ValidationError("Begin with a scheme in small letters, as in https://app.example.com/callback.")
    if scheme in DANGEROUS:
        raise ValidationError(f"The scheme {scheme}: is not taken: browsers do not hand it to a program.")
    if scheme in ("http", "https"):
        _refuse_bad_web_address(uri, scheme)
    elif not rest.strip("/"):
        raise ValidationError(f"Write more after {scheme}:, as in {scheme}://callback.")
    elif "@" in rest.partition("?")[0]:
        raise ValidationError("It must not have a user name or password.")


def _refuse_bad_web_address(uri: str, scheme: str) -> None:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError("The host or the port cannot be read.") from None
    if "@" in parts.netloc:
        raise ValidationError("It must not have a user name or password.")
    shown = parts.netloc.removesuffix(f":{port}")
    if not uri.startswith(f"{scheme}://") or not HOST.fullmatch(shown):
        raise ValidationError("Write the host in full, as in https://app.example.com/callback.")
    if scheme == "http" and host not in LOOPBACK:
        raise ValidationError("Use https. Plain http is for localhost, 127.0.0.1 and [::1] only.")
