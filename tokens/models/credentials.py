"""All that may call the hub for a toolkit or for a person, revoked together: tokens and connected applications."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from celery import current_app
from django.db import transaction
from django.db.models import Count, Max
from django.utils.translation import ngettext

from profiles.after_commit import after_commit
from profiles.events import Action, Actor, ActorKind, Event
from profiles.models import Account, Toolkit, User
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.connections import Connection, ConnectionQuerySet, OAuthSession
from tokens.models.delegated import DelegatedToken
from tokens.models.selecting import DelegatedTokenQuerySet

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are, and when one of them was last used. As text: “3 tokens, 1 connected application”."""

    tokens: int
    connections: int
    last_used_at: datetime | None = None

    @property
    def total(self) -> int:
        return self.tokens + self.connections

    def __str__(self) -> str:
        tokens = ngettext("%(number)d token", "%(number)d tokens", self.tokens) % {"number": self.tokens}
        connections = ngettext(
            "%(number)d connected application", "%(number)d connected applications", self.connections
        ) % {"number": self.connections}
        return ", ".join(text for text, number in ((tokens, self.tokens), (connections, self.connections)) if number)


@dataclass(frozen=True, slots=True)
class Credentials:
    tokens: DelegatedTokenQuerySet
    connections: ConnectionQuerySet
    scope: AuthorityChange.Scope
    subject: object

    MAILED: ClassVar[int] = 20  # tokens that one mail names

    @classmethod
    def of_toolkit(cls, toolkit: Toolkit) -> "Credentials":
        tokens, connections = DelegatedToken.objects.all(), Connection.objects.all()
        return cls(
            tokens.filter(toolkit=toolkit),
            connections.filter(toolkit=toolkit),
            AuthorityChange.Scope.TOOLKIT,
            toolkit.pk,
        )

    @classmethod
    def of_owner(cls, owner: User, account: Account | None = None) -> "Credentials":
        """Return what the person has in the account or, without one, everywhere."""
        tokens, connections = DelegatedToken.objects.filter(owner=owner), Connection.objects.filter(owner=owner)
        if account:
            tokens, connections = tokens.filter(account=account), connections.filter(account=account)
        return cls(tokens, connections, AuthorityChange.Scope.OWNER, owner.pk)

    def living(self, now: datetime) -> Counted:
        of_tokens = self.tokens.living(now).order_by().aggregate(number=Count("pk"), last=Max("last_used_at"))
        of_connections = self.connections.living().order_by().aggregate(number=Count("pk"), last=Max("last_used_at"))
        used = [each["last"] for each in (of_tokens, of_connections) if each["last"]]
        return Counted(of_tokens["number"], of_connections["number"], max(used, default=None))

    def revoke(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> Counted:
        """End all of them for good, everywhere, before this returns; each owner whom somebody else ends is told once.

        The hubs hear of it as one change of the toolkit or the owner, however many there are.
        """
        said = ": ".join(part for part in (DelegatedToken.Reason(reason).written, note) if part)
        with transaction.atomic():
            connected = self._disconnect(by, said, now)
            ended = self._end(by, reason, note, said, now)
            if connected or ended:
                Authority.objects.advance(self.scope, [self.subject])
                self._tell_owners(ended, connected, by)
        return Counted(len(ended), len(connected))

    def _disconnect(self, by: Actor, said: str, now: datetime) -> list[Connection]:
        living = self.connections.living().select_related("account", "application", "toolkit")
        found = list(living.select_for_update(of=("self",)).order_by("pk"))
        Connection.objects.filter(pk__in=[each.pk for each in found]).update(revoked_at=now)
        # An exchange that is under way holds its session, and is waited for here.
        OAuthSession.objects.filter(connection__in=found, ended_at=None).update(ended_at=now)
        self._record(found, Action.APPLICATION_DISCONNECTED, by, said, now)
        return found

    def _end(self, by: Actor, reason: str, note: str, said: str, now: datetime) -> list[DelegatedToken]:
        Stage, ended = DelegatedToken.Stage, list[DelegatedToken]()
        living = self.tokens.living(now).select_related("account").select_for_update(of=("self",)).order_by("pk")
        # Again until none is left: what was exchanged while we waited for its subject is found by the next look.
        while batch := list(living[:BATCH]):
            DelegatedToken.objects.filter(pk__in=[token.pk for token in batch]).update(
                stage=Stage.ENDED, revoked_at=now, revoke_reason=reason, revoke_note=note[:300]
            )
            self._record(batch, Action.TOKEN_REVOKED, by, said, now)
            ended += batch
        return ended

    @staticmethod
    def _record(
        subjects: list[DelegatedToken] | list[Connection], action: Action, by: Actor, said: str, now: datetime
    ) -> None:
        Event.record_all(
            [
                Event.unwritten(action, by=by, now=now, account=each.account, subject=each, reason=said)
                for each in subjects
            ]
        )

    def _tell_owners(self, ended: list[DelegatedToken], connected: list[Connection], by: Actor) -> None:
        of_owner: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for token in ended:
            of_owner[token.owner_id][0].append(token.pk)
        for connection in connected:
            of_owner[connection.owner_id][1].append(connection.pk)
        for owner, (tokens, connections) in of_owner.items():
            if by.kind == ActorKind.USER and by.id == str(owner):
                continue
            args = [owner, tokens[: self.MAILED], len(tokens), len(connections), by.label]
            after_commit(current_app.send_task, "tokens.tasks.mail_revoked_together", args=args)
