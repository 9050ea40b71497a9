"""What the hub needs to know of a token, in one query."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self

import psycopg
from django.db import connection

from profiles.permissions import Act, Reach, Role, roles_with
from tokens import keys
from tokens.models import Authority, DelegatedToken
from tokens.networks import Network, is_within, parse

BEHIND = " ← "  # in a chain of applications that act, before the one for which the other acts
WARN_BEFORE = 24 * 3600  # seconds before the end from which answers carry a warning

MAY_USE_ALL = frozenset(roles_with(Act.USE_TOOLKITS))
MAY_USE_ASSIGNED = frozenset(roles_with(Act.USE_TOOLKITS, Reach.OWN))

WHOSE = """
LEFT JOIN profiles_user u ON u.id = t.owner_id
LEFT JOIN profiles_account c ON c.id = t.account_id
LEFT JOIN profiles_toolkit k ON k.id = t.toolkit_id
LEFT JOIN profiles_member m ON m.user_id = t.owner_id AND m.account_id = t.account_id
WHERE a.id = 1
"""
OWNER_AND_TOOLKIT = """t.owner_id, u.email, u.is_active, t.account_id, c.name, c.paused_at, t.toolkit_id, k.alias,
       k.name, k.paused_at, k.archived_at, k.deleted_at, m.role,
       EXISTS (SELECT 1 FROM profiles_toolkit_assigned_members s WHERE s.toolkit_id = k.id AND s.member_id = m.id)
FROM tokens_authority a
"""
DELEGATED = f"""
SELECT a.epoch, t.id, t.public_id, t.last_four, t.name, t.actors, t.stage, t.expires_at, t.retires_at, t.paused_at,
       t.revoked_at, t.revoke_reason, t.family, t.tools, t.is_read_only, t.networks, t.call_cap, {OWNER_AND_TOOLKIT}
LEFT JOIN tokens_delegatedtoken t ON t.digest = %s
{WHOSE}"""
ACCESS = f"""
SELECT a.epoch, t.id, t.public_id, '', p.name, '', 'current', x.expires, s.ends_at, NULL,
       COALESCE(s.ended_at, t.revoked_at, p.disabled_at), '', NULL, NULL, FALSE, NULL, NULL,
       {OWNER_AND_TOOLKIT}
LEFT JOIN tokens_accesstoken x ON x.token_checksum = %s
LEFT JOIN tokens_oauthsession s ON s.id = x.session_id
LEFT JOIN tokens_connection t ON t.id = s.connection_id
LEFT JOIN tokens_application p ON p.id = t.application_id
{WHOSE}"""
QUERIES = {keys.Kind.DELEGATED: DELEGATED, keys.Kind.ACCESS: ACCESS}


class Refusal(Enum):
    """Why a real secret is refused. Those of the first group are final."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    OWNER_GONE = "owner_gone"
    TOOLKIT_DELETED = "toolkit_deleted"
    PAUSED = "paused"
    TOOLKIT_PAUSED = "toolkit_paused"
    TOOLKIT_ARCHIVED = "toolkit_archived"
    ACCOUNT_PAUSED = "account_paused"
    NOT_ASSIGNED = "not_assigned"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = {Refusal.EXPIRED, Refusal.REVOKED, Refusal.OWNER_GONE, Refusal.TOOLKIT_DELETED}
SUPERSEDED = (Refusal.EXPIRED, Refusal.REVOKED)  # how the end of a replaced generation looks


@dataclass(slots=True, eq=False)
class TokenAuthority:
    """A token as the database had it at an epoch. `is_current` turns False when a change concerns it.

    Of an OAuth access token, id and public id are those of its connection: access tokens come and go.
    """

    kind: keys.Kind
    token_id: int
    public_id: str
    last_four: str
    name: str
    actors: str  # the applications that exchanged it, the last one first, or that it was issued to
    stage: str
    expires_at: datetime
    ends_at: float  # seconds since 1970: the expiry, or the end of the overlap if that comes first
    revoked_at: datetime | None
    revoke_reason: str
    is_paused: bool
    owner_id: int
    owner_email: str
    owner_is_there: bool
    may_use: bool
    account_id: uuid.UUID
    account_name: str
    account_is_paused: bool
    toolkit_id: uuid.UUID
    toolkit_alias: str
    toolkit_name: str
    toolkit_is_paused: bool
    toolkit_is_archived: bool
    toolkit_deleted_at: datetime | None
    family: uuid.UUID | None = None
    tools: frozenset[str] | None = None  # of its toolkit's tools those that it may call; None for all
    is_read_only: bool = False
    networks: tuple[Network, ...] = ()  # from where alone it may be used; () for everywhere
    call_cap: int | None = None
    is_current: bool = field(default=True)
    _standing: Refusal | None = field(init=False)
    credential: str = field(init=False)  # what rates, sessions with servers and the log go by; it outlives a refresh

    def __post_init__(self) -> None:
        self.credential = f"{self.kind}:{self.token_id}"
        self._standing = self._lasting_refusal()

    def refusal(self, now: float) -> Refusal | None:
        """Return why the token may not be used at this moment (seconds since 1970), or None."""
        if self.revoked_at:
            return Refusal.REVOKED
        if now >= self.ends_at or self.stage == DelegatedToken.Stage.ENDED:
            return Refusal.EXPIRED
        return self._standing

    def _lasting_refusal(self) -> Refusal | None:
        """Return why it may not be used at any moment, until something about it is changed."""
        if self.toolkit_deleted_at:
            return Refusal.TOOLKIT_DELETED
        if not self.owner_is_there:
            return Refusal.OWNER_GONE
        if not self.may_use:
            return Refusal.NOT_ASSIGNED
        if self.toolkit_is_archived:
            return Refusal.TOOLKIT_ARCHIVED
        if self.is_paused:
            return Refusal.PAUSED
        if self.toolkit_is_paused:
            return Refusal.TOOLKIT_PAUSED
        return Refusal.ACCOUNT_PAUSED if self.account_is_paused else None

    def outdate(self) -> None:
        """Let everybody who holds it know that something has changed."""
        self.is_current = False

    def may_come_from(self, address: str) -> bool:
        """Return True if it may be used from this address; "" stands for one that is not known."""
        return not self.networks or is_within(address, self.networks)

    @property
    def masked(self) -> str:
        return keys.masked(self.public_id, self.last_four, self.kind)


def token_with(digest: str, kind: keys.Kind) -> tuple[int, TokenAuthority | None]:
    """Return the epoch, and the token with this digest as it was then; one query whether there is one or not."""
    with _cursor() as cursor:
        cursor.execute(QUERIES[kind], [digest])
        row = cursor.fetchone()
    if row is None:
        raise LookupError("The row that counts changes of rights is missing: run `manage.py migrate`.")
    return row[0], _authority(kind, *row[1:]) if row[1] is not None else None


class PreparedCursor(psycopg.Cursor[Any]):
    """Has PostgreSQL plan a query once on each connection: planning seven joins takes ten times as long as they do."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        before = self.connection.prepare_threshold  # Django sets None: never
        self.connection.prepare_threshold = 0
        try:
            return super().execute(query, params, prepare=True, **options)
        finally:
            self.connection.prepare_threshold = before


def _cursor() -> Any:
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    return connection._prepare_cursor(PreparedCursor(connection.connection))  # type: ignore[attr-defined]  # as Django's own: counted and logged


def _authority(
    kind: keys.Kind, token_id: int, public_id: str, last_four: str, name: str, actors: Any, stage: str, expires_at: Any,
    retires_at: Any, paused_at: Any, revoked_at: Any, revoke_reason: str, family: Any, tools: Any, is_read_only: Any,
    ranges: Any, call_cap: int | None, owner_id: int, email: str, is_active: Any,
    account_id: Any, account_name: str, account_paused_at: Any, toolkit_id: Any, alias: str, toolkit_name: str,
    toolkit_paused_at: Any, archived_at: Any, deleted_at: Any, role: str | None, is_assigned: Any,
) -> TokenAuthority:  # fmt: skip
    expires, retires = _moment(expires_at), _moment(retires_at)
    assert expires is not None
    return TokenAuthority(
        kind=kind,
        token_id=token_id,
        public_id=public_id,
        last_four=last_four,
        name=name or public_id,
        actors=name if kind is keys.Kind.ACCESS else _names(actors),
        stage=stage,
        expires_at=expires,
        ends_at=min(expires, retires or expires).timestamp(),
        revoked_at=_moment(revoked_at),
        revoke_reason=DelegatedToken.Reason(revoke_reason).written if revoke_reason else "",
        is_paused=paused_at is not None,
        owner_id=owner_id,
        owner_email=email,
        owner_is_there=bool(is_active) and role is not None,
        may_use=_may_use(role, bool(is_assigned)),
        account_id=_uuid(account_id),
        account_name=account_name,
        account_is_paused=account_paused_at is not None,
        toolkit_id=_uuid(toolkit_id),
        toolkit_alias=alias,
        toolkit_name=toolkit_name,
        toolkit_is_paused=toolkit_paused_at is not None,
        toolkit_is_archived=archived_at is not None,
        toolkit_deleted_at=_moment(deleted_at),
        family=_uuid(family) if family else None,
        tools=None if (chosen := _json(tools)) is None else frozenset(chosen),
        is_read_only=bool(is_read_only),
        networks=tuple(parse(text) for text in _json(ranges) or ()),
        call_cap=call_cap,
    )


def _names(actors: Any) -> str:
    return BEHIND.join(actor["name"] for actor in _json(actors))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _may_use(role: str | None, is_assigned: bool) -> bool:
    if role is None:
        return False
    return Role(role) in MAY_USE_ALL or (Role(role) in MAY_USE_ASSIGNED and is_assigned)


def _moment(value: Any) -> datetime | None:
    """SQLite gives text without a zone, always UTC; PostgreSQL a datetime."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def epoch() -> int:
    return Authority.objects.values_list("epoch", flat=True).get(pk=1)
