"""Every answer of the hub that is not an upstream's: status, headers, and a JSON-RPC error that tells the way out."""

import math
from typing import Any
from urllib.parse import quote

import msgspec
from django.conf import settings
from msgspec import json

from nexus.hub.limits import Wait

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")

# JSON-RPC error codes of refusals: in the range that the specification leaves to servers (-32000 to -32019).
UNAUTHORIZED = -32001
FORBIDDEN = -32003
TOO_MANY = -32005
UNAVAILABLE = -32008
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
CANCELLED = -32800
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

SAFE_IN_QUOTES = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}


class Reply(msgspec.Struct):
    """An answer; `outcome` and `reason` go into Activity, `refusal` is one of a few words, to be counted."""

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = []
    outcome: str = "ok"
    reason: str = ""
    refusal: str = ""


def error(
    status: int,
    code: int,
    message: str,
    *,
    rpc_id: bytes = b"null",
    data: dict[str, Any] | None = None,
    headers: list[tuple[bytes, bytes]] | None = None,
    refusal: str = "",
    topic: str = "",
) -> Reply:
    """Return a JSON-RPC error object under a real HTTP status; with a word for `refusal` it counts as refused.

    With a topic it leads to that section of the guide, in its data and in a header (RFC 8288).
    """
    content: dict[str, Any] = {"code": code, "message": message}
    sent = [JSON, NO_STORE, *(headers or [])]
    if topic:
        data = {**(data or {}), "help": help_url(topic)}
        sent.append((b"link", b'<%b>; rel="help"' % help_url(topic).encode("ascii", "replace")))
    if data is not None:
        content["data"] = data
    body = b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (rpc_id, json.encode(content))
    return Reply(status, body, sent, "refused" if refusal else "failed", message, refusal)


def bad_credentials(message: str) -> Reply:
    """RFC 6750 section 3.1, invalid_request: the request itself is malformed."""
    challenge = _challenge('error="invalid_request"', f'error_description="{_quoted(message)}"')
    return error(
        400, INVALID_REQUEST, message, headers=[challenge], refusal="malformed_credentials", topic="wrong-place"
    )


def no_credentials(resource: bytes) -> Reply:
    """RFC 6750 section 3.1: no error code for a request without credentials; RFC 9728 section 5.1 for the rest."""
    message = f"Send a token: Authorization: Bearer nxs_… Tokens are made at {install_url()}"
    challenge = _challenge(*_resource(resource))
    return error(401, UNAUTHORIZED, message, headers=[challenge], refusal="no_credentials", topic="no-token")


def invalid_token(resource: bytes) -> Reply:
    """The same bytes for every secret that is not real."""
    message = f"This token is not known here. Check that it was copied whole; tokens are made at {install_url()}"
    challenge = _challenge('error="invalid_token"', 'error_description="The token is not known"', *_resource(resource))
    return error(401, UNAUTHORIZED, message, headers=[challenge], refusal="unknown_token", topic="unknown-token")


def ended_token(resource: bytes, message: str, description: str, data: dict[str, Any]) -> Reply:
    """Final, for the holder of the real secret: which token, since when, and where to replace it."""
    challenge = _challenge('error="invalid_token"', f'error_description="{_quoted(description)}"', *_resource(resource))
    return _refused_for(401, UNAUTHORIZED, message, data, challenge)


def insufficient_scope(resource: bytes, message: str, data: dict[str, Any]) -> Reply:
    """Can change: another toolkit is named than the token's, or something is paused."""
    challenge = _challenge(
        'error="insufficient_scope"', f'error_description="{_quoted(message)}"', *_resource(resource)
    )
    return _refused_for(403, FORBIDDEN, message, data, challenge)


def _refused_for(status: int, code: int, message: str, data: dict[str, Any], challenge: tuple[bytes, bytes]) -> Reply:
    """Return the refusal; the guide's sections of 401 and 403 are called by their reasons."""
    reason = str(data["reason"])
    topic = reason.replace("_", "-")
    return error(status, code, message, data=data, headers=[challenge], refusal=reason, topic=topic)


def unavailable(message: str, topic: str = "unavailable") -> Reply:
    return error(503, UNAVAILABLE, message, headers=[(b"retry-after", b"2")], refusal="unavailable", topic=topic)


def too_many(wait: Wait) -> Reply:
    """RFC 6585 section 4: whose limit it is, what it allows, and when to try again."""
    seconds = max(1, math.ceil(wait.seconds))
    message = f"This {wait.whose} is allowed {wait.allowed} {wait.what}. Try again in {seconds} s."
    data = {"reason": "too_many", "limit": wait.whose, "allowed": wait.allowed, "retry_after": seconds}
    retry = (b"retry-after", str(seconds).encode())
    return error(429, TOO_MANY, message, data=data, headers=[retry], refusal="too_many", topic="too-many")


def too_many_guesses() -> Reply:
    """For whoever asks for many secrets that are not there; a real one that nobody has used yet may meet it too."""
    message = "Too many tokens that are not known here come from this address. Try again in 1 s."
    data = {"reason": "too_many_guesses", "retry_after": 1}
    retry = (b"retry-after", b"1")
    topic = "too-many-guesses"
    return error(429, TOO_MANY, message, data=data, headers=[retry], refusal="too_many_guesses", topic=topic)


def only_post() -> Reply:
    """Older clients ask for a stream and end their session in this way, and go on without: no fault of theirs."""
    reply = error(405, INVALID_REQUEST, "Use POST.", headers=[(b"allow", b"POST")], topic="wrong-path")
    reply.outcome, reply.reason = "ok", "only POST is offered"
    return reply


def install_url(profile: str = "", name: str = "") -> str:
    wish = "&".join(f"{key}={quote(value)}" for key, value in (("profile", profile), ("name", name)) if value)
    return f"{settings.NEXUS_BASE_URL}/install/" + (f"?{wish}" if wish else "")


def help_url(topic: str) -> str:
    return f"{settings.NEXUS_BASE_URL}/guide/troubleshooting/#{topic}"


def _challenge(*parts: str) -> tuple[bytes, bytes]:
    return b"www-authenticate", ("Bearer " + ", ".join(parts)).encode("ascii", "replace")


def _resource(resource: bytes) -> tuple[str, str]:
    path, _, query = resource.decode("ascii", "replace").partition("?")
    echoed = f"?{query}" if query and SAFE_IN_QUOTES.issuperset(query) else ""
    metadata = f"{settings.NEXUS_BASE_URL}/.well-known/oauth-protected-resource{path}{echoed}"
    return f'resource_metadata="{metadata}"', 'scope="mcp"'


def _quoted(text: str) -> str:
    """Return the text in the characters that RFC 6750 section 3 allows in a description."""
    plain = text.replace("…", "...")
    return "".join(character if character in SAFE_IN_QUOTES else "'" for character in plain)
