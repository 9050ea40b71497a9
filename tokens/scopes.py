"""What a management key may be made for: `<noun>:read`, `<noun>:write` of the REST API, and `tokens:issue`.

A scope narrows what its owner may do and grants nothing: where their role does not reach, it has no effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.permissions import TABLE, Act, Reach, Role

ISSUE = "tokens:issue"
READ, WRITE = "read", "write"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of the REST API; `reads` and `writes` say what its owner's role must reach for either."""

    name: str
    label: str | Promise
    reads: Act | None
    writes: Act | None
    is_written: bool = True

    @property
    def scopes(self) -> list[str]:
        return [f"{self.name}:{READ}", *([f"{self.name}:{WRITE}"] if self.is_written else [])]


NOUNS = (
    Noun("tokens", _("Tokens"), Act.SEE_ACTIVITY, Act.SEE_ACTIVITY),
    Noun("profiles", _("Toolkits"), Act.USE_TOOLKITS, Act.MANAGE_TOOLKITS),
    Noun("servers", _("Servers"), Act.USE_TOOLKITS, Act.MANAGE_TOOLKITS),
    Noun("authorizations", _("Authorizations"), Act.AUTHORIZE, Act.AUTHORIZE),
    Noun("applications", _("Applications"), Act.MANAGE_TOOLKITS, Act.MANAGE_TOOLKITS),
    Noun("connections", _("Connected applications"), Act.SEE_ACTIVITY, Act.SEE_ACTIVITY),
    Noun("policies", _("Policies"), Act.MANAGE_TOOLKITS, Act.MANAGE_TOOLKITS),
    Noun("webhooks", _("Webhooks"), Act.MANAGE_TOOLKITS, Act.MANAGE_TOOLKITS),
    Noun("findings", _("Unexpected use"), Act.SEE_ACTIVITY, Act.SEE_ACTIVITY),
    Noun("activity", _("Activity"), Act.SEE_ACTIVITY, None, is_written=False),
    Noun("accounts", _("Accounts"), None, Act.MANAGE_TOOLKITS),
    Noun("members", _("Members"), None, Act.MANAGE_MEMBERS),
    Noun("invitations", _("Invitations"), Act.MANAGE_MEMBERS, Act.MANAGE_MEMBERS),
    Noun("notifications", _("Notifications"), None, None),
    Noun("keys", _("Management keys"), None, None),
)
NEEDS: dict[str, Act | None] = {
    scope: act for noun in NOUNS for scope, act in zip(noun.scopes, (noun.reads, noun.writes), strict=False)
} | {ISSUE: Act.USE_TOOLKITS}
SCOPES = tuple(NEEDS)


def scope_of(noun: str, method: str) -> str:
    """Return the scope that a request of this method needs at an address of this noun."""
    return f"{noun}:{READ if method in SAFE_METHODS else WRITE}"


def effective(scopes: Iterable[str], role: Role | None) -> frozenset[str]:
    """Return those of the scopes that have an effect for somebody of this role; none for who is no member."""
    return frozenset(scope for scope in scopes if role and scope in NEEDS and _reaches(role, NEEDS[scope]))


def _reaches(role: Role, act: Act | None) -> bool:
    return act is None or TABLE[act][role] is not Reach.NONE
