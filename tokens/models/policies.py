"""How long tokens may live, how many there may be, and what happens to the unused: the tighter rule always holds."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from profiles.models import Account, Toolkit

MAX_LIFE = timedelta(days=30)  # no policy raises it
LEAST_UNUSED_DAYS = 14


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the tokens of one toolkit."""

    max_life: timedelta
    max_tokens: int | None
    pause_unused_after: timedelta | None
    ends_reused_families: bool


class PolicyQuerySet(models.QuerySet["Policy"]):
    def concerning(self, toolkit: Toolkit) -> Self:
        """Return the policy of the toolkit and that of its account, as far as they are there."""
        return self.filter(account=toolkit.account_id).filter(Q(toolkit=None) | Q(toolkit=toolkit))

    def rules_for(self, toolkit: Toolkit) -> Rules:
        """Return what holds for the toolkit: of its own, its account's and the instance's rules the tightest."""
        return self.tightest(list(self.concerning(toolkit)))

    def rules_of(self, toolkits: Iterable[Toolkit]) -> dict[uuid.UUID, Rules]:
        """Return what holds for each of the toolkits, by its id; one query for all."""
        wanted = {toolkit.pk: toolkit.account_id for toolkit in toolkits}
        policies = list(self.filter(account__in=set(wanted.values())))
        return {
            pk: self.tightest([one for one in policies if one.account_id == account and one.toolkit_id in (None, pk)])
            for pk, account in wanted.items()
        }

    @staticmethod
    def tightest(policies: "Collection[Policy]") -> Rules:
        lives = [timedelta(days=policy.max_life_days) for policy in policies if policy.max_life_days]
        counts = [policy.max_tokens for policy in policies if policy.max_tokens is not None]
        pauses = [timedelta(days=policy.pause_unused_days) for policy in policies if policy.pause_unused_days]
        return Rules(
            max_life=min([*lives, MAX_LIFE]),
            max_tokens=min(counts, default=None),
            pause_unused_after=min(pauses, default=None),
            ends_reused_families=any(policy.ends_reused_families for policy in policies),
        )


class Policy(models.Model):
    """The rules of an account, or of one toolkit in it. What is not set is left to the wider rule."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="policies")
    toolkit = models.OneToOneField(Toolkit, null=True, blank=True, on_delete=models.CASCADE, related_name="policy")
    max_life_days = models.PositiveSmallIntegerField(
        "longest life", null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFE.days)], help_text="Days, at most 30.",
    )  # fmt: skip
    max_tokens = models.PositiveIntegerField(
        "living tokens per owner", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    pause_unused_days = models.PositiveSmallIntegerField(
        "pause when unused for", null=True, blank=True, validators=[MinValueValidator(LEAST_UNUSED_DAYS)],
        help_text="Days, at least 14. The owner is reminded 48 hours before.",
    )  # fmt: skip
    ends_reused_families = models.BooleanField("end the family when an ended token is used", default=False)

    objects: ClassVar = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(toolkit=None), name="policy_one_per_account"),
            models.CheckConstraint(
                condition=Q(max_life_days=None) | Q(max_life_days__range=(1, MAX_LIFE.days)),
                name="policy_life_at_most_30_days",
            ),
            models.CheckConstraint(
                condition=Q(pause_unused_days=None) | Q(pause_unused_days__gte=LEAST_UNUSED_DAYS),
                name="policy_pauses_after_14_days_at_least",
            ),
        ]

    def __str__(self) -> str:
        return f"policy of {self.toolkit or self.account}"
