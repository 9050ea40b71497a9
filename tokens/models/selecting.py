"""Delegated tokens, many at once: which there are, whose time has come, who may see them."""

from datetime import datetime, timedelta
from functools import reduce
from itertools import chain, count
from operator import or_
from typing import Self

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from profiles.events import Action, Actor, ActorKind, Event
from profiles.models import Account, User
from profiles.permissions import Act
from tokens.models.exchanging import MAX_EXCHANGES
from tokens.models.pausing import PausingQuerySet

ENDING_SOON = timedelta(days=3)
SWEEP_BATCH = 500
ENDS_AT = Coalesce("retires_at", "expires_at")  # a token never retires after it would have expired


class DelegatedTokenQuerySet(PausingQuerySet):
    def living(self, now: datetime) -> Self:
        """Return the tokens that the hub would not refuse for good."""
        return self.exclude(stage=self.model.Stage.ENDED).filter(GreaterThan(ENDS_AT, Value(now)))

    def current(self, now: datetime) -> Self:
        """Return of each living family that a person was given the one in use; overlaps do not count twice."""
        return self.filter(stage=self.model.Stage.CURRENT, exchanges=0, expires_at__gt=now)

    def over(self, now: datetime) -> Self:
        """Return the tokens whose time has come, and of which nobody has said so yet."""
        return self.exclude(stage=self.model.Stage.ENDED).filter(LessThanOrEqual(ENDS_AT, Value(now)))

    def ending_soon(self, now: datetime) -> Self:
        soon = LessThanOrEqual(ENDS_AT, Value(now + ENDING_SOON))
        return self.living(now).filter(soon).order_by(ENDS_AT)

    def unused_since(self, moment: datetime) -> Self:
        """Return those issued before the moment that nothing has used since then."""
        return self.filter(Q(last_used_at=None) | Q(last_used_at__lt=moment), issued_at__lt=moment)

    def in_state(self, state: str, now: datetime) -> Self:
        """Return the tokens that a page shows in this state (DelegatedToken.State)."""
        State, living = self.model.State, self.living(now)
        if state == State.REVOKED:
            return self.exclude(revoked_at=None)
        if state == State.EXPIRED:
            return self.filter(revoked_at=None).filter(
                Q(stage="ended") | Q(expires_at__lte=now) | Q(retires_at__lte=now)
            )
        if state == State.PAUSED:
            return living.exclude(paused_at=None)
        running = living.filter(paused_at=None)
        if state in (State.PENDING, State.OVERLAPPING):
            return running.filter(stage=state)
        ending = Q(LessThanOrEqual(ENDS_AT, Value(now + ENDING_SOON)))
        return running.filter(stage="current").filter(ending if state == State.ENDING else ~ending)

    def matching(self, text: str) -> Self:
        """Return the tokens whose name, owner, public id or last four contain or are the text."""
        text = text.strip()
        return self.filter(
            Q(name__icontains=text) | Q(owner__email__icontains=text) | Q(public_id=text) | Q(last_four=text)
        )

    def free_name(self, owner: User, account: Account, wanted: str) -> str:
        """Return the name, or the next one, as in “n8n 2”, that no living token of the owner has in this account."""
        mine = self.filter(owner=owner, account=account, stage=self.model.Stage.CURRENT, exchanges=0)
        taken = {name.lower() for name in mine.filter(name__istartswith=wanted[:70]).values_list("name", flat=True)}
        candidates = chain([wanted], (f"{wanted[:70]} {number}" for number in count(2)))
        return next(name for name in candidates if name.lower() not in taken)

    def exchanged_by(self, client_id: str) -> Self:
        """Return the tokens that this application had a part in exchanging, whoever came after it."""
        named = (Q(**{f"actors__{index}__client_id": client_id}) for index in range(MAX_EXCHANGES))
        return self.filter(exchanges__gt=0).filter(reduce(or_, named))

    def visible_to(self, user: User) -> Self:
        """Return the person's own tokens, and all of the accounts where they may revoke."""
        everything = Account.objects.where(user, Act.SEE_ACTIVITY)
        return self.filter(Q(owner=user) | Q(account__in=everything))

    def parts_visible_to(self, user: User) -> list[Q]:
        """Return the same as conditions one by one, each of which an index puts in order."""
        seen = Account.objects.where(user, Act.SEE_ACTIVITY).values_list("pk", flat=True)
        return [Q(owner=user), *(Q(account=pk) for pk in seen)]

    def of_account(self, account: Account, user: User) -> Self:
        """Return the tokens of the account that the person may see: all, or their own."""
        # Decided here, not by an OR in SQL, which no index puts in order.
        tokens = self.filter(account=account)
        return tokens if account.lets(user, Act.SEE_ACTIVITY) else tokens.filter(owner=user)

    def to_look_at(self, now: datetime) -> Self:
        """Return the tokens about which the clock may have something to say."""
        return self.filter(next_look_at__lte=now)

    def sweep(self, now: datetime) -> int:
        """End those whose time has come, in batches, and write the event of each; return how many.

        The hub has refused them since that moment: the sweep tidies and tells.
        """
        swept = 0
        while batch := self._sweep_batch(now):
            swept += batch
        return swept

    def touch(self, used: dict[int, datetime]) -> None:
        """Note when tokens (by id) were last used; the first use of one is an event."""
        for token in self.filter(pk__in=used, last_used_at=None).select_related("account"):
            with transaction.atomic():
                if self.model.objects.filter(pk=token.pk, last_used_at=None).update(last_used_at=used[token.pk]):
                    by = Actor(ActorKind.TOKEN, token.public_id, str(token))
                    Event.record(
                        Action.TOKEN_FIRST_USED, by=by, now=used[token.pk], account=token.account, subject=token
                    )
        for pk, at in used.items():
            self.filter(pk=pk, last_used_at__lt=at).update(last_used_at=at)

    def note_in_url(self, digest: str, *, by: Actor, now: datetime) -> None:
        """Write the event of a real token that was sent in an address, where logs keep it."""
        if token := self.filter(digest=digest).select_related("account").first():
            Event.record(Action.TOKEN_IN_URL, by=by, now=now, account=token.account, subject=token)

    def _sweep_batch(self, now: datetime) -> int:
        with transaction.atomic():
            due = self.over(now).order_by(ENDS_AT).select_for_update(skip_locked=True, of=("self",))
            over = list(due.select_related("account")[:SWEEP_BATCH])
            ended = self.model.objects.filter(pk__in=[token.pk for token in over])
            ended.update(stage=self.model.Stage.ENDED)
            by = Actor.system("sweep")
            Event.record_all(
                [
                    Event.unwritten(Action.TOKEN_EXPIRED, by=by, now=now, account=token.account, subject=token)
                    for token in over
                ]
            )
        return len(over)
