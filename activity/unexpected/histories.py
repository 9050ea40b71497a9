"""What the rules look at: the newest calls of a token, each reduced to when, from which network, by which client."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from activity.models import Call, Rule

HOUR = timedelta(hours=1)
IPV4_BITS, IPV6_BITS = 24, 48  # of an address that stay the same within one site, mostly
FAMILY_LENGTH = 50
VERSION = re.compile(r"[\s/@_-]+v?\d[\w.+-]*$")
OVERLAP = timedelta(hours=1)  # looked at again: services take turns, and rows come late
LOOKED_AT = 2_000  # of the newest calls of one token, at each look


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the /24 or /48 in which an address lies, an IPv4-mapped one as IPv4; "" for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    bits = IPV6_BITS if isinstance(found, IPv6Address) else IPV4_BITS
    return str(ip_network((found, bits), strict=False))


@lru_cache(maxsize=4096)
def client_of(name: str, user_agent: str) -> str:
    """Return what stays the same of a client from version to version; "" where it says nothing of itself."""
    said = name or user_agent.partition("/")[0].partition(" ")[0]
    family = " ".join(said.lower().split())
    return (VERSION.sub("", family) or family)[:FAMILY_LENGTH]


@dataclass(frozen=True, slots=True)
class Use:
    """One call."""

    at: datetime
    network: str
    client: str
    is_refused: bool = False
    address: str = ""
    reason: str = ""

    @property
    def source(self) -> tuple[str, str]:
        return self.client, self.network


@dataclass(frozen=True)
class History:
    """The newest calls of one token, oldest first, and what is known of it besides."""

    calls: Sequence[Use]
    expected: Mapping[Rule, frozenset[str]] = field(default_factory=dict)
    hours: Mapping[datetime, int] = field(default_factory=dict)  # calls by hour; those of other generations too
    ended_at: datetime | None = None
    last_accepted_at: datetime | None = None

    @cached_property
    def while_alive(self) -> list[Use]:
        return [use for use in self.calls if self.ended_at is None or use.at < self.ended_at]

    @property
    def last_hour(self) -> list[Use]:
        """Return the calls of the hour before the newest, while the token lived."""
        calls = self.while_alive
        return [use for use in calls if use.at > calls[-1].at - HOUR]

    def expects(self, rule: Rule, value: str) -> bool:
        return value in self.expected.get(rule, ())


def read(public_id: str, since: datetime) -> list[Use]:
    """Return the token's newest calls, oldest first."""
    newest = Call.objects.filter(token_public_id=public_id, at__gte=since).newest_first()
    columns = ("at", "address", "client_name", "user_agent", "outcome", "reason")
    return [_use(*row) for row in reversed(newest.values_list(*columns)[:LOOKED_AT])]


def _use(at: datetime, address: str, name: str, user_agent: str, outcome: str, reason: str) -> Use:
    return Use(at, network_of(address), client_of(name, user_agent), outcome == Call.Outcome.REFUSED, address, reason)


def by_value(pairs: Iterable[tuple[str, Use]]) -> dict[str, list[Use]]:
    """Return the calls by value; calls without one are left out."""
    found: dict[str, list[Use]] = {}
    for value, use in pairs:
        if value:
            found.setdefault(value, []).append(use)
    return found
