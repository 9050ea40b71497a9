"""The generations of a token: a successor waits for its first use; from then on the old one lives for a while."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Least
from django.utils.translation import gettext

from profiles.events import Action, Actor, ActorKind, Event
from profiles.models import Toolkit, User
from tokens import keys
from tokens.models.authority import Authority, AuthorityChange
from tokens.models.issued import AlreadyIssued, Issued
from tokens.models.narrowing import Caps
from tokens.models.policies import Policy

if TYPE_CHECKING:
    from tokens.models.delegated import DelegatedToken
    from tokens.models.management_keys import ManagementKey

DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)
KEPT = (  # by a successor: its family's limits, and its pause
    "tools", "is_read_only", "networks", "call_cap", "calls_taken", "pause_unused_after", "paused_at", "pause_reason",
)  # fmt: skip
TOLD_EVERY = timedelta(hours=1)  # of one token's use after its end


class Generations(Caps):
    """Replaces tokens, lets successors take over, and notes when an ended one is used."""

    def replace(
        self, token: "DelegatedToken", *, by: Actor, now: datetime, overlap: timedelta = DEFAULT_OVERLAP,
        expires_at: datetime | None = None, idempotency_key: str | None = None,
        issued_by_key: "ManagementKey | None" = None,
    ) -> Issued:  # fmt: skip
        """Issue a pending successor of the family's current token, with its name, toolkit and limits.

        It lives as long as that one was to live, unless an expiry is given; one that is pending already is cancelled.
        Raise ValidationError, by field, for a family that has ended or was made by exchange, an overlap that is not
        from nothing to 7 days, or an expiry that is not allowed; AlreadyIssued for a request that was answered before.
        """
        now = now.replace(microsecond=0)
        self.refuse_repetition(token.owner, idempotency_key)
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise ValidationError({"overlap": gettext("The old token may live on for 7 days at most.")})
        with transaction.atomic():
            current = self._lock_current(token, now)
            key = keys.make(keys.Kind.DELEGATED)
            life = min(current.expires_at - current.issued_at, Policy.objects.rules_for(current.toolkit).max_life)
            successor = self.model(
                public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=current.owner,
                account=current.account, toolkit=current.toolkit, name=current.name, family=current.family,
                generation=self._newest_generation(current) + 1, stage=self.model.Stage.PENDING, issued_at=now,
                expires_at=expires_at or now + life, overlap=overlap, idempotency_key=idempotency_key,
                issued_by_key=issued_by_key, **{name: getattr(current, name) for name in KEPT},
            )  # fmt: skip
            successor.refuse_bad_expiry(now)
            if issued_by_key:
                issued_by_key.lend(to=current.owner, account=current.account, expires_at=successor.expires_at, now=now)
            self._cancel_pending(current, by=by, now=now)
            successor.save(force_insert=True)
            Event.record(
                Action.TOKEN_REPLACED, by=by, now=now, account=current.account, subject=successor,
                before={"token": current.public_id},
                after={"expires_at": successor.expires_at.isoformat(), "overlap_hours": overlap.total_seconds() / 3600},
            )  # fmt: skip
        return Issued(successor, key)

    def activate(self, pk: int, *, now: datetime) -> bool:
        """Let a pending token take over from its predecessor, at its first use; return False if it has already.

        The predecessor lives on for the chosen overlap, never past its own expiry; one from before it ends now.
        """
        Stage = self.model.Stage
        with transaction.atomic():
            family_id = self.values_list("family", flat=True).get(pk=pk)
            family = self.filter(family=family_id)
            generations = self.model.objects.lock_families(family_id)
            token = next((one for one in generations if one.pk == pk and one.stage == Stage.PENDING), None)
            if token is None:
                return False
            changed = [one.pk for one in generations]
            by = Actor(ActorKind.TOKEN, token.public_id, str(token))
            self._retire(family.filter(stage=Stage.OVERLAPPING), timedelta(), by=by, now=now)
            self._retire(family.filter(stage=Stage.CURRENT), token.overlap or timedelta(), by=by, now=now)
            if token.call_cap is not None:
                self.take_over_calls(token.family, pk)
            family.filter(pk=pk).update(stage=Stage.CURRENT, activated_at=now)
            Event.record(Action.TOKEN_ACTIVATED, by=by, now=now, account=token.account, subject=token)
            Authority.objects.advance(AuthorityChange.Scope.TOKEN, changed)
        return True

    def _retire(self, tokens: Any, lives_on: timedelta, *, by: Actor, now: datetime) -> None:
        """Let tokens live on for so long, and what was exchanged for them no longer than they do."""
        Stage, retires_at = self.model.Stage, now + lives_on
        came_of_them: Any = self.filter(Q(parent__in=tokens) | Q(parent__parent__in=tokens)).exclude(stage=Stage.ENDED)
        if not lives_on:
            came_of_them.end_with_origin(by=by, now=now)
        elif pks := list(came_of_them.filter(expires_at__gt=retires_at).values_list("pk", flat=True)):
            self.filter(pk__in=pks).update(expires_at=retires_at)
            Authority.objects.advance(AuthorityChange.Scope.TOKEN, pks)
        stage = Stage.OVERLAPPING if lives_on else Stage.ENDED
        tokens.update(stage=stage, retires_at=_earlier(retires_at, "expires_at"))

    def note_reuse(self, pk: int, *, by: Actor, now: datetime) -> bool:
        """Note that an ended generation of a living family was used: tell the owner, and end the family if so ruled.

        Return False when its use was told within the hour.
        """
        with transaction.atomic():
            token = self.select_related("account", "toolkit", "owner").select_for_update(of=("self",)).get(pk=pk)
            of_token = Event.objects.filter(subject_kind=self.model._meta.model_name, subject_id=str(pk))
            told = of_token.filter(action=Action.TOKEN_REUSED, at__gt=now - TOLD_EVERY)
            if told.exists() or not self._is_superseded(token, now):
                return False
            Event.record(Action.TOKEN_REUSED, by=by, now=now, account=token.account, subject=token)
            transaction.on_commit(lambda: current_app.send_task("tokens.tasks.mail_reused", args=[pk]), robust=True)
            if Policy.objects.rules_for(token.toolkit).ends_reused_families:
                token.end_family(by=Actor.system("policy"), reason=token.Reason.POLICY, now=now)
        return True

    def _lock_current(self, token: "DelegatedToken", now: datetime) -> "DelegatedToken":
        """Return the current token of the family, and let no other replacement go on meanwhile."""
        self.model.objects.lock_families(token.family)  # which of them is current may change while we wait
        related = self.select_related("owner", "account", "toolkit").select_for_update(of=("self",))
        current: DelegatedToken | None = related.filter(family=token.family, stage=self.model.Stage.CURRENT).first()
        if current is None or current.ends_at <= now:
            raise ValidationError(
                gettext("This token has ended, so there is nothing to replace. Install the toolkit again.")
            )
        if refused := Toolkit.objects.why_not_for(current.owner, current.toolkit):
            raise ValidationError(refused)
        if current.exchanges:
            raise ValidationError(gettext("An exchanged token is replaced by the application: it exchanges again."))
        return current

    def _newest_generation(self, token: "DelegatedToken") -> int:
        found: int = self.filter(family=token.family).order_by("-generation").values_list("generation", flat=True)[0]
        return found

    def _cancel_pending(self, token: "DelegatedToken", *, by: Actor, now: datetime) -> None:
        for pending in self.filter(family=token.family, stage=self.model.Stage.PENDING).select_related("account"):
            pending.cancel(by=by, now=now)

    def _is_superseded(self, token: "DelegatedToken", now: datetime) -> bool:
        newer = self.filter(family=token.family, generation__gt=token.generation)
        return newer.exclude(stage=self.model.Stage.ENDED).filter(expires_at__gt=now).exists()

    def refuse_repetition(self, owner: User, idempotency_key: str | None) -> None:
        """Raise AlreadyIssued if the owner's request with this key has been answered before."""
        if idempotency_key and (token := self.filter(owner=owner, idempotency_key=idempotency_key).first()):
            raise AlreadyIssued(token)


def _earlier(moment: datetime, column: str) -> Least:
    return Least(Value(moment, models.DateTimeField()), F(column))
