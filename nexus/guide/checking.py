"""What a pasted error means: which sections of the chapter on troubleshooting speak of it. Pure functions.

The sections are the only place where causes and ways out are written; here stand the words by which they are found.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from tokens import keys

LONGEST = 20_000  # characters that are looked at
MOST = 3  # sections

# Anything that may open something: ours also cut short, webhook secrets, and whatever stands behind “Bearer”.
SECRET = re.compile(
    r"\b(?P<ours>nxs[aorck]?)_(?P<id>[0-9A-Za-z]{12})_[0-9A-Za-z]{4,}"
    r"|\bwhsec_[0-9A-Za-z+/=]{16,}"
    r"|(?P<bearer>(?i:\b(?:bearer|basic)))[ ]+(?!nxs)(?=[^\s\"']*\d)[A-Za-z0-9._~+/-]{20,}=*"
)
CHALLENGE = re.compile(r"""(?:^|[\s,])(error|error_description|error_uri)=(?:"([^"]*)"|([^\s,"]+))""")
REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,36}")  # as Nexus takes it from a proxy
A_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)

# The words of our own refusals first, then those of clients, networks and proxies.
SIGNS: list[tuple[str, str]] = [
    ("expired", r"token .{0,120}expired|token expired|^expired|\"reason\": ?\"expired\""),
    ("revoked", r"token .{0,120}was revoked|^revoked|\"reason\": ?\"revoked\""),
    ("owner-gone", r"owner has no access|^owner gone|\"owner_gone\""),
    ("toolkit-deleted", r"ended when its toolkit|ended with its toolkit|^toolkit deleted|\"toolkit_deleted\""),
    ("unknown-token", r"token is not known|tokens? is not (?:a whole|known)|unknown_token"),
    ("no-token", r"send a token: authorization|no_credentials|missing (?:or invalid )?(?:bearer|authorization)|"
     r"bearer resource_metadata"),
    ("toolkit-paused", r"toolkit .{0,80}is paused|^toolkit paused|\"toolkit_paused\""),
    ("toolkit-archived", r"toolkit .{0,80}is archived|^toolkit archived|\"toolkit_archived\""),
    ("account-paused", r"account .{0,80}is paused|^account paused|\"account_paused\""),
    ("paused", r"\) is paused\. its owner|^paused|\"reason\": ?\"paused\""),
    ("not-assigned", r"is not assigned to|^not assigned|\"not_assigned\""),
    ("other-toolkit", r"the request names|^names (?:the|and)|\"other_toolkit\""),
    ("address", r"kept to certain addresses|^from [0-9a-f.:]+|^from an unknown address|\"reason\": ?\"address\""),
    ("cap-reached", r"cap reached|\"cap_reached\""),
    ("origin", r"pages of this origin|blocked by cors|cors policy|access-control-allow-origin"),
    ("host", r"host name is not one of nexus"),
    ("wrong-place", r"never in the address|write the header as authorization|not in the body|one authorization header|"
     r"authorization header is too long|malformed_credentials|address holds a token"),
    ("content-type", r"\b415\b|unsupported media type|header content-type|invalid content.?type"),
    ("session", r"session is not known|session (?:not found|terminated|expired)|needs? a session|no valid session"),
    ("too-many-guesses", r"too many tokens that are not known|too_many_guesses"),
    ("too-many", r"\b429\b|too many requests|is allowed [\d,]+ |\"too_many\"|rate.?limit"),
    ("not-recorded", r"activity cannot be written"),
    ("unavailable", r"\b503\b|service unavailable|cannot reach its database|database does not answer"),
    ("too-large", r"\b413\b|body is larger than|payload too large|entity too large"),
    ("html-instead-of-json", r"unexpected token '?<|<!doctype html|<html|expecting value: line 1"),
    ("unreadable", r"not valid json|not a json-rpc|batches are not|params must be|does not match the body|-32700"),
    ("version", r"protocol version is not supported|unsupported protocol version|-32022"),
    ("wrong-path", r"\b40[45]\b|\buse post\b|method not allowed|not found"),
    ("not-in-the-toolkit", r"is not in toolkit|not in the toolkit|unknown tool|tool .{0,60}not found"),
    ("sign-in-to-the-server", r"not connected|in a browser, sign in there|asks for a sign-in, or does not take"),
    ("server-away", r"it has failed since|other servers of the toolkit|upstream_error|server answered with an error"),
    ("hub-ended", r"the hub ended before an answer did"),
    ("tool-failed", r"\"iserror\": ?true|the tool reported an error|tool_error"),
    ("invalid_grant", r"invalid_grant"), ("invalid_client", r"invalid_client"), ("invalid_scope", r"invalid_scope"),
    ("invalid_target", r"invalid_target"), ("access_denied", r"access_denied"),
    ("unauthorized_client", r"unauthorized_client"),
    ("a-form-that-could-not-be-checked", r"form could not be checked|csrf"),
    ("certificate", r"certificate|self.signed|ssl(?:error|_error|v3)|unable_to_verify"),
    ("cannot-connect", r"econnrefused|enotfound|etimedout|ehostunreach|connection refused|could not resolve|"
     r"fetch failed|failed to fetch|name or service not known|connecttimeout|getaddrinfo|network is unreachable|"
     r"connect error"),
    ("empty-variable", r"bearer ?(?:undefined|null|none|your_token)\b"),
]  # fmt: skip
COMPILED = [(anchor, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for anchor, pattern in SIGNS]
# Where nothing says more: the chapter's parts.
PARTS = [
    ("401", r"\b401\b|unauthori[sz]ed|invalid_token|-32001"),
    ("403", r"\b403\b|forbidden|insufficient_scope|-32003"),
    ("400-404-and-405-the-request-itself", r"\b400\b|bad request|invalid_request"),
    ("429-and-503-not-now", r"\b50[024]\b|bad gateway|gateway timeout"),
]
GENERAL = {"wrong-path", "unavailable", "too-many", "cannot-connect"}  # a more telling sign beside them wins
GENERIC = [(anchor, re.compile(pattern, re.IGNORECASE)) for anchor, pattern in PARTS]


@dataclass(frozen=True, slots=True)
class Secrets:
    """A text in which there was something secret: what is left of it, and the public ids of our tokens."""

    rest: str
    public_ids: list[str]


def secrets_in(text: str) -> Secrets | None:
    """Return what a text is without its secrets; None if it has none."""
    rest = SECRET.sub(_without, text)
    if rest == text:
        return None
    ours = (match["id"] for match in SECRET.finditer(text) if match["ours"] == keys.Kind.DELEGATED)
    return Secrets(rest, list(dict.fromkeys(ours)))


def _without(match: re.Match[str]) -> str:
    if match["ours"]:
        return f"{match['ours']}_{match['id']}_…"
    return f"{match['bearer']} …" if match["bearer"] else "whsec_…"


def sections_for(text: str) -> list[str]:
    """Return the anchors of the sections that speak of the error, the most telling first; none where none does."""
    told = " ".join(quoted or bare for _, quoted, bare in CHALLENGE.findall(text))
    found = _matching(COMPILED, told) or _matching(COMPILED, text)
    telling = [anchor for anchor in found if anchor not in GENERAL] or found
    return (telling or _matching(GENERIC, text))[:MOST]


def _matching(signs: list[tuple[str, re.Pattern[str]]], text: str) -> list[str]:
    return [anchor for anchor, pattern in signs if pattern.search(text)]


def request_ids_in(text: str) -> list[str]:
    """Return what may be a request id: UUIDs anywhere, or the text itself if it looks like one."""
    text = text.strip()
    whole = [text] if REQUEST_ID.fullmatch(text) and any(character.isdigit() for character in text) else []
    return list(dict.fromkeys([*(found.lower() for found in A_UUID.findall(text)), *whole]))[:MOST]


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
