"""A token for a token (RFC 8693): what holds for every token that came of another one, or of a session."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import connection, models, transaction

from profiles.events import Action, Actor, Event
from profiles.models import Account, Toolkit, User
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.connections import OAuthSession
from tokens.models.inserting import insert
from tokens.models.issued import Issued
from tokens.models.oauth import AccessToken
from tokens.models.policies import Policy

if TYPE_CHECKING:
    from tokens.models.applications import Application
    from tokens.models.delegated import DelegatedToken

SCOPE = "mcp"  # all that a delegated token is good for
MIN_LIFE = timedelta(minutes=1)
MAX_EXCHANGES = 2  # between a person's act and a token
MAX_EXCHANGED = 1000  # of one subject: tokens that live, or were issued within the hour
COUNTED_FOR = timedelta(hours=1)
LIMITS = ("tools", "is_read_only", "networks", "pause_unused_after")  # what a narrowed token hands on

# What is read of a subject: to name each column of its seven rows costs a millisecond.
WHOSE = ("owner", "account", "toolkit")
NAMED = ("owner__email", "owner__name", "owner__is_machine", "account__id", "toolkit__alias", "toolkit__account_id")
OF_ACCESS_TOKEN = (
    "expires", "scope", "session__began_at", "session__ends_at", "session__ended_at", "session__connection__revoked_at",
    "session__connection__last_used_at", "session__connection__application__client_id",
    "session__connection__application__name",
)  # fmt: skip

# Questions of each exchange as ready-made SQL: Django puts one together in the time that all else of it takes.
LOCKED = """
SELECT t.*, u.email AS owner_email, u.name AS owner_name, u.is_machine AS owner_is_machine, k.alias AS toolkit_alias
FROM tokens_delegatedtoken t
JOIN profiles_user u ON u.id = t.owner_id JOIN profiles_toolkit k ON k.id = t.toolkit_id WHERE t.digest = %s"""
HELD = "SELECT 1 FROM tokens_application WHERE id = %s AND may_exchange AND disabled_at IS NULL"
COUNTED = """
SELECT 1 FROM tokens_delegatedtoken
WHERE {origin}_id = %s AND ((stage <> 'ended' AND expires_at > %s) OR issued_at > %s) LIMIT 1 OFFSET %s"""


class CannotExchange(Exception):
    """Why a subject gives no token: the error of RFC 6749 or RFC 8693, and a sentence for whoever holds the subject."""

    def __init__(self, description: str, *, code: str = "invalid_request", retry_after: int = 0) -> None:
        super().__init__(description)
        self.description, self.code, self.retry_after = description, code, retry_after


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exchanged: a delegated token, or an access token of a session."""

    owner: User
    account: Account
    toolkit: Toolkit
    ends_at: datetime
    has_ended: bool
    issued_to: str  # the client's id; "" for a token that was issued by hand
    scope: str
    exchanges: int
    actors: list[dict[str, str]]
    parent: "DelegatedToken | None" = None
    session: OAuthSession | None = None

    @classmethod
    def of_token(cls, token: "DelegatedToken") -> "Subject":
        return cls(
            owner=token.owner,
            account=token.account,
            toolkit=token.toolkit,
            ends_at=token.ends_at,
            has_ended=token.stage == token.Stage.ENDED,
            issued_to=token.actors[0]["client_id"] if token.actors else "",
            scope=SCOPE,
            exchanges=token.exchanges,
            actors=token.actors,
            parent=token,
        )

    @classmethod
    def of_access_token(cls, token: AccessToken) -> "Subject":
        session, connection = token.session, token.session.connection
        application = connection.application
        return cls(
            owner=connection.owner,
            account=connection.account,
            toolkit=connection.toolkit,
            ends_at=min(token.expires, session.ends_at),
            has_ended=bool(session.ended_at or connection.revoked_at),
            issued_to=application.client_id,
            scope=token.scope,
            exchanges=0,
            actors=[actor(application)],
            session=session,
        )

    @property
    def label(self) -> str:
        return str(self.parent or self.session)

    @property
    def origin(self) -> "DelegatedToken | OAuthSession":
        origin = self.parent or self.session
        assert origin
        return origin

    @property
    def counted(self) -> str:
        return COUNTED.format(origin="parent" if self.parent else "session")

    @property
    def limits(self) -> dict[str, Any]:
        return {name: getattr(self.parent, name) for name in LIMITS} if self.parent else {}

    def actors_with(self, application: "Application") -> list[dict[str, str]]:
        """Return who acts, the application first; it is not named twice where the subject was issued to itself."""
        if self.session and self.issued_to == application.client_id:
            return self.actors
        return [actor(application), *self.actors]

    def refuse(self, application: "Application", scopes: Set[str]) -> None:
        """Raise CannotExchange where the application may not have a token for it, or nobody may."""
        if self.has_ended:
            raise CannotExchange("The subject token has been revoked. Ask for a new one.")
        if application.account_id != self.account.pk and application.client_id != self.issued_to:
            raise CannotExchange(
                "The subject token belongs to an account that is not this application's.", code="unauthorized_client"
            )
        granted = {SCOPE}.intersection(self.scope.split())
        if not granted or not scopes <= granted:
            raise CannotExchange(
                f"The token would be for the scope {SCOPE} only, as far as the subject token has it.",
                code="invalid_scope",
            )
        if self.exchanges >= MAX_EXCHANGES:
            raise CannotExchange("The subject token was exchanged twice already. Exchange the one that it came of.")
        if self.parent and self.parent.call_cap is not None:
            raise CannotExchange("The subject token has a limit of calls, which no other token may share.")


def _locking(sql: str, strength: str) -> str:
    """Return the question with what locks its rows; SQLite locks all of itself."""
    return f"{sql} FOR {strength}" if connection.features.has_select_for_update else sql


def _is_there(sql: str, *parameters: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone() is not None


def actor(application: "Application") -> dict[str, str]:
    return {"client_id": application.client_id, "name": application.name or application.client_id}


class ExchangedQuerySet(models.QuerySet["DelegatedToken"]):
    """Tokens by what they came of."""

    def made_by_people(self) -> Self:
        """Return the tokens that no application made by exchange."""
        return self.filter(exchanges=0)

    def made_by_exchange(self) -> Self:
        return self.filter(exchanges__gt=0)

    def end_with_origin(self, *, by: Actor, now: datetime) -> None:
        """End these and what came of them, since what they came of has ended; the owner is told of that alone."""
        Stage, reason = self.model.Stage, self.model.Reason.PARENT
        living = self.exclude(stage=Stage.ENDED).select_related("account")
        ended = list(living.select_for_update(of=("self",)).order_by("pk"))
        if not ended:
            return
        tokens, pks = self.model.objects, [token.pk for token in ended]
        tokens.filter(pk__in=pks).update(stage=Stage.ENDED, revoked_at=now, revoke_reason=reason)
        Event.record_all(
            [
                Event.unwritten(
                    Action.TOKEN_REVOKED, by=by, now=now, account=each.account, subject=each, reason=reason.written
                )
                for each in ended
            ]
        )
        tokens.filter(parent__in=pks).end_with_origin(by=by, now=now)
        Authority.objects.advance(AuthorityChange.Scope.TOKEN, pks)


class Exchanges(models.Manager["DelegatedToken"]):
    """Issues tokens for tokens."""

    def exchange(
        self, digest: str, kind: keys.Kind, *, application: "Application", scopes: Set[str], lasts: timedelta,
        name: str, by: Actor, now: datetime,
    ) -> Issued:  # fmt: skip
        """Issue a token for the owner and the toolkit of the subject (by its digest), which ends with it at the latest.

        Raise CannotExchange. Application and subject are locked: whoever ends one of them meanwhile waits, and finds
        what came of it.
        """
        now = now.replace(microsecond=0)
        with transaction.atomic():
            self._hold(application)
            subject = self._locked(digest, kind)
            subject.refuse(application, scopes)
            self._refuse_too_many(subject, now)
            token, key = self._made(subject, application, self._end(subject, lasts, now), name, now)
            insert(token)
            Event.record(
                Action.TOKEN_ISSUED, by=by, now=now, account=subject.account, subject=token,
                after={
                    "toolkit": subject.toolkit.alias, "expires_at": token.expires_at.isoformat(),
                    "owner": str(subject.owner), "exchanged_for": subject.label, "actors": token.actors,
                },
            )  # fmt: skip
        return Issued(token, key)

    def _hold(self, application: "Application") -> None:
        """See that the application may exchange still, which nobody changes until the transaction is over."""
        if not _is_there(_locking(HELD, "NO KEY UPDATE"), application.pk):
            raise CannotExchange("This application may not exchange tokens any more.", code="unauthorized_client")

    def _locked(self, digest: str, kind: keys.Kind) -> Subject:
        """Return the subject, of which nobody ends anything until the transaction is over."""
        try:
            if kind is keys.Kind.ACCESS:
                path = "session__connection__"
                related = AccessToken.objects.select_related(*(path + name for name in ("application", *WHOSE)))
                rows = related.select_for_update(of=("session",)).only(
                    *OF_ACCESS_TOKEN, *(path + name for name in NAMED)
                )
                return Subject.of_access_token(rows.get(token_checksum=digest, session__isnull=False))
            return Subject.of_token(self._locked_token(digest))
        except (AccessToken.DoesNotExist, self.model.DoesNotExist):
            raise CannotExchange("The subject token is gone. Ask for a new one.") from None

    def _locked_token(self, digest: str) -> "DelegatedToken":
        """Return the token with as much of owner, account and toolkit as an exchange needs."""
        for token in self.raw(_locking(LOCKED, "UPDATE OF t"), [digest]):
            read = vars(token)
            token.owner = User(
                pk=token.owner_id,
                email=read["owner_email"],
                name=read["owner_name"],
                is_machine=read["owner_is_machine"],
            )
            token.account = Account(pk=token.account_id)
            token.toolkit = Toolkit(pk=token.toolkit_id, alias=read["toolkit_alias"], account_id=token.account_id)
            return token
        raise self.model.DoesNotExist

    def _refuse_too_many(self, subject: Subject, now: datetime) -> None:
        moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (now, now - COUNTED_FOR)]
        if _is_there(subject.counted, subject.origin.pk, *moments, MAX_EXCHANGED - 1):
            raise CannotExchange(
                f"The subject token gave {MAX_EXCHANGED} tokens that still count. Use each until it ends; "
                "those issued within the last hour count even when they have ended.",
                retry_after=int(COUNTED_FOR.total_seconds()) // 60,
            )

    def _end(self, subject: Subject, lasts: timedelta, now: datetime) -> datetime:
        """Return when the token ends: in whole seconds, and never after the subject."""
        longest = now + Policy.objects.rules_for(subject.toolkit).max_life
        expires_at = min(now + lasts, subject.ends_at.replace(microsecond=0), longest)
        if expires_at < now + MIN_LIFE:
            raise CannotExchange("The subject token ends in less than a minute. Exchange a newer one.")
        return expires_at

    def _made(
        self, subject: Subject, application: "Application", expires_at: datetime, name: str, now: datetime
    ) -> "tuple[DelegatedToken, keys.Key]":
        key = keys.make(keys.Kind.DELEGATED)
        token = self.model(
            public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=subject.owner,
            account=subject.account, toolkit=subject.toolkit, name=name, issued_at=now, activated_at=now,
            expires_at=expires_at, parent=subject.parent, session=subject.session, exchanges=subject.exchanges + 1,
            actors=subject.actors_with(application), **subject.limits,
        )  # fmt: skip
        return token, key
