"""The pause of a token: it holds for every generation of it, and for what was exchanged for them."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Q

from profiles.events import Action, Actor, Event
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.ending import EndingQuerySet

if TYPE_CHECKING:
    from tokens.models.delegated import DelegatedToken


class PausingQuerySet(EndingQuerySet):
    def pause_family(self, family: uuid.UUID, *, by: Actor, now: datetime) -> bool:
        """Refuse the calls of the family before this returns; return False if nothing of it runs."""
        with transaction.atomic():
            self.lock_families(family)
            own = self._paused_among(self.filter(family=family, paused_at=None), "", now)
            if not own:
                return False
            came_of_it = self._came_of(family).filter(paused_at=None)
            paused = own + self._paused_among(came_of_it, self.model.Reason.PARENT, now)
            self._note(paused, Action.TOKEN_PAUSED, by, now)
        return True

    def resume_family(self, family: uuid.UUID, *, by: Actor, now: datetime) -> bool:
        """Let the family go on, whoever paused it, and what was paused with it; return False if nothing was paused.

        The clock looks at each of them anew: it was not unused, it was paused.
        """
        with transaction.atomic():
            self.lock_families(family)
            of_family = Q(family=family)
            with_it = Q(pk__in=self._came_of(family).values("pk"), pause_reason=self.model.Reason.PARENT)
            paused = self._locked(self.filter(of_family | with_it).exclude(paused_at=None))
            if not paused:
                return False
            pks = [token.pk for token in paused]
            self.model.objects.filter(pk__in=pks).update(paused_at=None, pause_reason="", next_look_at=now)
            self._note(paused, Action.TOKEN_RESUMED, by, now)
        return True

    def keep_family_to(self, family: uuid.UUID, networks: list[str], *, by: Actor, now: datetime) -> bool:
        """Refuse the calls of the family from elsewhere, before this returns; return False if nothing would change.

        The ranges lie within those it was kept to before, if it was: calls were let through from them. Nothing widens.
        """
        with transaction.atomic():
            wider = [token for token in self.lock_families(family) if token.networks != networks]
            if not wider or not networks:
                return False
            self.model.objects.filter(pk__in=[token.pk for token in wider]).update(networks=networks)
            self._note_narrowed(
                [(token, {"networks": token.networks}, {"networks": networks}) for token in wider], by, now
            )
        return True

    def keep_family_to_tools(self, family: uuid.UUID, tools: Collection[str], *, by: Actor, now: datetime) -> bool:
        """Refuse other tools to the family, and to what was exchanged for it, before this returns.

        Return False if nothing would change. Nothing widens: a token keeps those of the tools that it had.
        """
        with transaction.atomic():
            own = self._locked(self.filter(family=family))
            narrowed = []
            for token in [*own, *self._locked(self._came_of(family))]:
                kept = sorted(set(tools) if token.tools is None else set(tools).intersection(token.tools))
                if kept != token.tools:
                    narrowed.append((token, kept))
            if not own or not tools or not narrowed:
                return False
            for token, kept in narrowed:
                self.model.objects.filter(pk=token.pk).update(tools=kept)
            said = [(token, {"tools": token.tools}, {"tools": kept}) for token, kept in narrowed]
            self._note_narrowed(said, by, now)
        return True

    def _note_narrowed(
        self, narrowed: "list[tuple[DelegatedToken, dict[str, Any], dict[str, Any]]]", by: Actor, now: datetime
    ) -> None:
        Event.record_all(
            [
                Event.unwritten(
                    Action.TOKEN_NARROWED,
                    by=by,
                    now=now,
                    account=token.account,
                    subject=token,
                    before=before,
                    after=after,
                )
                for token, before, after in narrowed
            ]
        )
        Authority.objects.advance(AuthorityChange.Scope.TOKEN, [token.pk for token, _, _ in narrowed])

    def _came_of(self, family: uuid.UUID) -> "models.QuerySet[DelegatedToken]":
        return self.model.objects.filter(Q(parent__family=family) | Q(parent__parent__family=family))

    def _paused_among(
        self, tokens: "models.QuerySet[DelegatedToken]", reason: str, now: datetime
    ) -> "list[DelegatedToken]":
        found = self._locked(tokens)
        self.model.objects.filter(pk__in=[token.pk for token in found]).update(paused_at=now, pause_reason=reason)
        return found

    def _locked(self, tokens: "models.QuerySet[DelegatedToken]") -> "list[DelegatedToken]":
        running = tokens.exclude(stage=self.model.Stage.ENDED).select_related("account")
        return list(running.select_for_update(of=("self",)).order_by("pk"))

    def _note(self, tokens: "list[DelegatedToken]", action: Action, by: Actor, now: datetime) -> None:
        Event.record_all(
            [Event.unwritten(action, by=by, now=now, account=token.account, subject=token) for token in tokens]
        )
        Authority.objects.advance(AuthorityChange.Scope.TOKEN, [token.pk for token in tokens])
