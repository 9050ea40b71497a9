"""Resource indicators (RFC 8707): the hub's address is the audience, its query names an account and a toolkit."""

import uuid
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from profiles.models import Toolkit, User

PATHS = ("/hub/mcp", "/mcp")
SCOPE = "mcp"
MAX_FIELDS = 100  # of a query


class InvalidTarget(Exception):
    """The resource is not ours, or names what the person may not use; absent and foreign read the same."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks a token for: an account and a toolkit, by id or alias, each "" where it names none."""

    account: str = ""
    profile: str = ""

    def merged(self, other: "Target") -> "Target":
        """Return both as one; raise InvalidTarget where they name different things."""
        return Target(_one(self.account, other.account), _one(self.profile, other.profile))

    def toolkit_of(self, user: User) -> Toolkit | None:
        """Return the toolkit that it names, of those the person may use; None if it names none."""
        if not self.profile:
            return None
        usable = Toolkit.objects.usable_by(user).named(self.profile).select_related("account")
        found = list(usable.filter(account=_uuid(self.account)) if self.account else usable)
        if len(found) != 1:
            raise InvalidTarget(f"There is no toolkit “{self.profile[:60]}” for you here. Check the address.")
        return found[0]


def audience() -> str:
    return f"{settings.NEXUS_BASE_URL}/hub/mcp"


def target_of(resource: str) -> Target:
    """Return what the address of the hub names in its query; raise InvalidTarget for any other address.

    Scheme and host are compared in lower case; the two paths of the hub mean the same; an empty path does not.
    """
    own = urlsplit(settings.NEXUS_BASE_URL)
    try:
        asked = urlsplit(resource)
        same = (asked.scheme, asked.hostname, asked.port) == (own.scheme, own.hostname, own.port)
        pairs = parse_qsl(asked.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidTarget(
            f"The resource is not an address that can be read, or has more than {MAX_FIELDS} parameters."
        ) from None
    if not same or "@" in asked.netloc or asked.path.rstrip("/") not in PATHS or "#" in resource:
        raise InvalidTarget(f"This server guards {audience()} and nothing else.")
    named = {key: [value for name, value in pairs if name == key] for key in ("accountId", "profile")}
    if any("\0" in value for values in named.values() for value in values):
        raise InvalidTarget("The resource names an account or a toolkit with a NUL character.")
    if any(len(values) > 1 for values in named.values()):
        raise InvalidTarget("The resource names the account or the toolkit more than once.")
    return Target(*(values[0] if values else "" for values in named.values()))


def _one(first: str, second: str) -> str:
    if first and second and first != second:
        raise InvalidTarget("The request names two different accounts or toolkits.")
    return first or second


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidTarget("The account is named by its UUID.") from None
