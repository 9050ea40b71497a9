"""Ending chosen tokens for good: each with all its generations and what was exchanged for them."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from profiles.events import Action, Actor, Event
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.families import FamilyQuerySet

if TYPE_CHECKING:
    from tokens.models.delegated import DelegatedToken


class EndingQuerySet(FamilyQuerySet):
    def end_families(self, *, by: Actor, reason: str, note: str = "", now: datetime) -> "list[DelegatedToken]":
        """End the families of those that have not ended, everywhere, before this returns; return which these were.

        All rows are locked first, generations before what came of them, and the epoch comes last: of two who end the
        same tokens, one waits for the other and finds them ended.
        """
        Stage, said = self.model.Stage, ": ".join(part for part in (self.model.Reason(reason).written, note) if part)
        with transaction.atomic():
            chosen = dict(self.exclude(stage=Stage.ENDED).values_list("pk", "family"))
            held = self._held(set(chosen.values()))
            found = [token for token in held if token.pk in chosen]
            families = {token.family for token in found}
            ends = [each for each in held if each.family in families and (each.pk in chosen or each.ends_at > now)]
            if not ends:
                return []
            pks = [token.pk for token in ends]
            self.model.objects.filter(pk__in=pks).update(
                stage=Stage.ENDED, revoked_at=now, revoke_reason=reason, revoke_note=note[:300]
            )
            Event.record_all(
                [
                    Event.unwritten(
                        Action.TOKEN_REVOKED, by=by, now=now, account=each.account, subject=each, reason=said
                    )
                    for each in ends
                ]
            )
            self.model.objects.filter(parent__in=pks).end_with_origin(by=by, now=now)
            Authority.objects.advance(AuthorityChange.Scope.TOKEN, pks)
        return found

    def _held(self, families: Collection[uuid.UUID]) -> "list[DelegatedToken]":
        """Lock what lives of the families, and what came of it; return the first."""
        held = self.lock_families(*families)
        born = [token.pk for token in held]
        living = self.model.objects.exclude(stage=self.model.Stage.ENDED)
        while born:
            rows = living.filter(parent__in=born).select_for_update(of=("self",)).order_by("pk")
            born = list(rows.values_list("pk", flat=True))
        return held
