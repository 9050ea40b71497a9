"""A request as the hub reads it: parsed once, nothing trusted."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from nexus import proxies
from profiles.ids import uuid7
from tokens import keys

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024  # bytes
MAX_CREDENTIALS = 1024  # bytes of the Authorization header

# Query keys in which clients have been seen to send a token.
TOKEN_KEYS = frozenset({"access_token", "token", "api_key"})
ACCOUNT_NAMES = (b"x-civic-account-id", b"x-nexus-account-id")
PROFILE_NAMES = (b"x-civic-profile-id", b"x-nexus-profile-id")
NAMES = frozenset(ACCOUNT_NAMES + PROFILE_NAMES)


class BadRequest(Exception):
    """The request cannot be read; the text tells the caller what to change."""


class TooLarge(Exception):
    """The body is larger than MAX_BODY."""


class TokenInUrl(BadRequest):
    """A token was sent in the address, where logs and histories keep it."""

    def __init__(self, secret: str) -> None:
        super().__init__("Send the token in the header Authorization: Bearer …, never in the address.")
        self.secret = secret


class HubRequest:
    """The parts of an HTTP request that the hub looks at."""

    __slots__ = ("address", "begun", "headers", "id", "method", "path", "peer", "raw_query", "repeated", "row_id")

    def __init__(self, scope: Scope) -> None:
        self.begun = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = {}
        self.repeated: set[bytes] = set()
        for name, value in scope["headers"]:
            if name in self.headers:
                self.repeated.add(name)
                value = self.headers[name] + b", " + value  # RFC 9110 section 5.3
            self.headers[name] = value
        self.peer: str = (scope.get("client") or ("", 0))[0]
        self.address = self.peer
        self.row_id = uuid7()
        self.id = str(self.row_id)
        if hops := settings.NEXUS_TRUSTED_PROXIES:
            self.address = proxies.client_address(self.peer, self.text(b"x-forwarded-for"), hops)
            self.id = proxies.request_id(self.text(b"x-request-id"), hops)

    @property
    def resource(self) -> bytes:
        """Return the address of the hub that the client uses, path and raw query: what its metadata is named by."""
        path = b"/mcp" if self.path == "/mcp" else b"/hub/mcp"
        return b"%b?%b" % (path, self.raw_query) if self.raw_query else path

    @property
    def known_address(self) -> str:
        """Return the client's address if it is known for certain, else ""."""
        return proxies.known_address(self.peer, self.text(b"x-forwarded-for"), settings.NEXUS_TRUSTED_PROXIES)

    def text(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def secret(self) -> str | None:
        """Return the bearer secret, or None if there are no credentials (RFC 6750 section 2.1); raise BadRequest."""
        if b"authorization" in self.repeated:
            raise BadRequest("Send one Authorization header, not several.")
        value = self.headers.get(b"authorization")
        if value is None:
            return None
        if len(value) > MAX_CREDENTIALS:
            raise BadRequest("The Authorization header is too long to be a token.")
        scheme, _, secret = value.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        secret = secret.strip(" ")
        if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise BadRequest("Write the header as Authorization: Bearer nxs_…, with one token and nothing else.")
        return secret

    def names(self) -> tuple[list[str], list[str]]:
        """Return the account and the toolkit that the query or headers name; raise BadRequest or TokenInUrl."""
        accounts: list[str] = []
        profiles: list[str] = []
        if not NAMES.isdisjoint(self.headers):
            self._read_headers(accounts, profiles)
        if self.raw_query:
            self._read_query(accounts, profiles)
        return accounts, profiles

    def _read_headers(self, accounts: list[str], profiles: list[str]) -> None:
        accounts += [self.text(name) for name in ACCOUNT_NAMES if name in self.headers]
        profiles += [self.text(name) for name in PROFILE_NAMES if name in self.headers]
        if not NAMES.isdisjoint(self.repeated):
            raise BadRequest("Name the account and the profile once.")

    def _read_query(self, accounts: list[str], profiles: list[str]) -> None:
        pairs = parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
        for key, value in pairs:
            if key.lower() in TOKEN_KEYS or keys.ANYWHERE.search(value) or keys.ANYWHERE.search(key):
                raise TokenInUrl(value)
        for key, found in (("accountId", accounts), ("profile", profiles)):
            values = [value for name, value in pairs if name == key]
            if len(values) > 1:
                raise BadRequest(f"The address names {key} more than once. Keep one.")
            found += values

    def mirrored(self) -> bytes:
        """Return the header lines that repeat arguments, ready to go on (2026-07-28: Mcp-Param-*)."""
        names = [name for name in self.headers if name.startswith(b"mcp-param-") and name not in self.repeated]
        return b"".join(b"%b: %b\r\n" % (name, self.headers[name]) for name in names)

    def accepts_only_stream(self) -> bool:
        accept = self.headers.get(b"accept", b"")
        if b"json" in accept:
            return False
        accept = accept.lower()
        return b"text/event-stream" in accept and b"json" not in accept and b"*/*" not in accept

    @property
    def accepts_stream(self) -> bool:
        return b"text/event-stream" in self.headers.get(b"accept", b"")

    @property
    def content_type(self) -> str:
        value = self.text(b"content-type")
        return value if value == "application/json" else value.partition(";")[0].strip().lower()

    async def body(self, receive: Receive, limit: int = MAX_BODY) -> bytes:
        """Return the whole body; raise TooLarge as soon as it is."""
        if int(self.headers.get(b"content-length", b"0")) > limit:
            raise TooLarge
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and len(body) <= limit:
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The connection ended before the body was complete.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                break
        if size > limit:
            raise TooLarge
        return b"".join(parts)
