"""Which living tokens a policy concerns that it did not make: they are counted and shown, and not changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan

from tokens.models.constraints import SecondsSince
from tokens.models.delegated import DelegatedToken
from tokens.models.policies import Policy
from tokens.models.unused import NEVER_BEFORE, NOTICE


@dataclass(frozen=True, slots=True)
class Touched:
    """Numbers of living tokens, which go on until their own end, and of the people who own too many."""

    too_long: int = 0  # were given more life than is allowed now
    too_many: int = 0  # are more than their owner may have now
    owners: int = 0
    soon_paused: int = 0  # nothing has used for so long that they are paused in two days

    @classmethod
    def by(cls, policy: Policy, now: datetime) -> "Touched":
        tokens = policy.of(DelegatedToken.objects.current(now))
        too_long = 0
        if policy.max_life_days:
            seconds = timedelta(days=policy.max_life_days).total_seconds()
            too_long = tokens.filter(GreaterThan(SecondsSince("expires_at", "issued_at"), seconds)).count()
        counts: list[int] = []
        if policy.max_tokens:
            owners = tokens.order_by().values("owner").annotate(held=Count("pk")).filter(held__gt=policy.max_tokens)
            counts = list(owners.values_list("held", flat=True))
        soon = 0
        if policy.pause_unused_days:
            since = now + NOTICE - timedelta(days=policy.pause_unused_days)
            unused = tokens.filter(paused_at=None, issued_at__lte=now + NOTICE - NEVER_BEFORE)
            last_sign = Coalesce("last_used_at", "activated_at", "issued_at")
            soon = unused.annotate(last_sign=last_sign).filter(last_sign__lte=since).count()
        too_many = sum(counts) - len(counts) * (policy.max_tokens or 0)
        return cls(too_long=too_long, too_many=too_many, owners=len(counts), soon_paused=soon)

    @property
    def any(self) -> bool:
        return bool(self.too_long or self.too_many or self.soon_paused)
