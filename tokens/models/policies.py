"""How long tokens may live, how many there may be, and what happens to the unused: the tighter rule always holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Action, Actor, Event
from profiles.models import Account, Toolkit, User

if TYPE_CHECKING:
    from tokens.models.selecting import DelegatedTokenQuerySet

MAX_LIFE = timedelta(days=30)  # no policy raises it
LEAST_UNUSED_DAYS = 14
CONCERNING = "SELECT * FROM tokens_policy WHERE account_id = %s AND (toolkit_id IS NULL OR toolkit_id = %s)"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the tokens of one toolkit."""

    max_life: timedelta
    max_tokens: int | None
    pause_unused_after: timedelta | None
    ends_reused_families: bool

    @classmethod
    def tightest(cls, policies: Iterable["Policy"]) -> "Rules":
        """Return what holds under all of these policies and the instance's limit."""
        policies = list(policies)
        lives = [timedelta(days=policy.max_life_days) for policy in policies if policy.max_life_days]
        counts = [policy.max_tokens for policy in policies if policy.max_tokens is not None]
        pauses = [timedelta(days=policy.pause_unused_days) for policy in policies if policy.pause_unused_days]
        return cls(
            max_life=min([*lives, MAX_LIFE]),
            max_tokens=min(counts, default=None),
            pause_unused_after=min(pauses, default=None),
            ends_reused_families=any(policy.ends_reused_families for policy in policies),
        )


class PolicyQuerySet(models.QuerySet["Policy"]):
    def concerning(self, toolkit: Toolkit) -> Self:
        """Return the policy of the toolkit and that of its account, as far as they are there."""
        return self.filter(account=toolkit.account_id).filter(Q(toolkit=None) | Q(toolkit=toolkit))

    def rules_of(self, toolkits: Iterable[Toolkit]) -> dict[UUID, Rules]:
        """Return what holds for each of the toolkits, in one query."""
        toolkits = list(toolkits)
        accounts = {toolkit.account_id for toolkit in toolkits}
        policies = list(self.filter(account__in=accounts)) if toolkits else []
        return {
            toolkit.pk: Rules.tightest(policy for policy in policies if policy.concerns(toolkit))
            for toolkit in toolkits
        }

    def refuse_too_many(self, tokens: "DelegatedTokenQuerySet", owner: User) -> None:
        """Raise ValidationError if the owner has as many of these tokens as one of the policies allows.

        To be called in the transaction in which another one is made: who asks for the same owner meanwhile, waits.
        """
        counting = list(self.exclude(max_tokens=None).select_related("account", "toolkit"))
        if not counting:
            return
        list(User.objects.select_for_update(no_key=True).filter(pk=owner.pk).values_list("pk"))
        for policy in counting:
            if policy.of(tokens.filter(owner=owner)).count() >= (policy.max_tokens or 0):
                raise ValidationError({"toolkit": policy.too_many(owner)})


class PolicyManager(models.Manager.from_queryset(PolicyQuerySet)):  # type: ignore[misc]
    def rules_for(self, toolkit: Toolkit) -> Rules:
        """Return what holds for the toolkit: of its own, its account's and the instance's rules the tightest.

        Each exchange asks, so the question is ready-made.
        """
        as_stored = Toolkit._meta.pk.get_db_prep_value
        ids = [as_stored(pk, connection) for pk in (toolkit.account_id, toolkit.pk)]
        return Rules.tightest(self.raw(CONCERNING, ids))

    def of_one(self, account: Account, toolkit: Toolkit | None) -> "Policy":
        """Return the policy of the account, or of the toolkit alone; where there is none, one that says nothing."""
        found: Policy | None = (
            self.select_related("account", "toolkit").filter(account=account, toolkit=toolkit).first()
        )
        return found or Policy(account=account, toolkit=toolkit)

    def change(
        self, account: Account, toolkit: Toolkit | None, rules: Mapping[str, Any], *, by: Actor, now: datetime
    ) -> bool:
        """Set all rules of a policy; return False if they are so already. No living token is changed by it."""
        with transaction.atomic():
            Account.objects.select_for_update(no_key=True).get(pk=account.pk)  # one change at a time
            policy = self.of_one(account, toolkit)
            before, wanted = policy.rules, policy.with_rules(rules)
            if wanted.rules == before:
                return False
            wanted.full_clean()
            wanted.save()
            Event.record(
                Action.POLICY_CHANGED,
                by=by,
                now=now,
                account=account,
                subject=wanted,
                before=before,
                after=wanted.rules,
            )
        return True


class Policy(models.Model):
    """The rules of an account, or of one toolkit in it. What is not set is left to the wider rule."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="policies")
    toolkit = models.OneToOneField(Toolkit, null=True, blank=True, on_delete=models.CASCADE, related_name="policy")
    max_life_days = models.PositiveSmallIntegerField(
        _("longest life"), null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_LIFE.days)], help_text=_("Days, at most 30."),
    )  # fmt: skip
    max_tokens = models.PositiveIntegerField(
        _("living tokens per owner"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    pause_unused_days = models.PositiveSmallIntegerField(
        _("pause when unused for"), null=True, blank=True, validators=[MinValueValidator(LEAST_UNUSED_DAYS)],
        help_text=_("Days, at least 14. The owner is reminded 48 hours before."),
    )  # fmt: skip
    ends_reused_families = models.BooleanField(_("end the family when an ended token is used"), default=False)

    RULES = ("max_life_days", "max_tokens", "pause_unused_days", "ends_reused_families")

    objects: ClassVar[PolicyManager] = PolicyManager()

    class Meta:
        verbose_name_plural = _("policies")
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

    @property
    def rules(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.RULES}

    @property
    def said(self) -> list[str]:
        """Return its rules in words."""
        said = []
        if self.max_life_days:
            text = ngettext("at most %(days)d day", "at most %(days)d days", self.max_life_days)
            said.append(text % {"days": self.max_life_days})
        if self.max_tokens:
            number = number_format(self.max_tokens, force_grouping=True)
            said.append(gettext("at most %(number)s living for each person") % {"number": number})
        if self.pause_unused_days:
            text = ngettext(
                "paused after %(days)d day without a call",
                "paused after %(days)d days without a call",
                self.pause_unused_days,
            )
            said.append(text % {"days": self.pause_unused_days})
        if self.ends_reused_families:
            said.append(gettext("ended when what it replaced is used"))
        return said

    def with_rules(self, rules: Mapping[str, Any]) -> "Policy":
        """Return the same policy with these rules, not saved."""
        changed = Policy(pk=self.pk, account=self.account, toolkit=self.toolkit, **rules)
        changed._state.adding = self._state.adding
        return changed

    def concerns(self, toolkit: Toolkit) -> bool:
        return self.account_id == toolkit.account_id and self.toolkit_id in (None, toolkit.pk)

    def of(self, tokens: "DelegatedTokenQuerySet") -> "DelegatedTokenQuerySet":
        """Return those of the tokens for which it is made."""
        return tokens.filter(toolkit=self.toolkit) if self.toolkit_id else tokens.filter(account=self.account_id)

    def too_many(self, owner: User) -> str:
        number = self.max_tokens or 0
        said = {"owner": owner, "number": number, "toolkit": self.toolkit, "account": self.account}
        of_toolkit = ngettext(
            "%(owner)s has %(number)d living token in the toolkit “%(toolkit)s”, as many as its policy allows. "
            "Revoke one that is not needed, or let an admin change the policy.",
            "%(owner)s has %(number)d living tokens in the toolkit “%(toolkit)s”, as many as its policy allows. "
            "Revoke one that is not needed, or let an admin change the policy.",
            number,
        )
        of_account = ngettext(
            "%(owner)s has %(number)d living token in the account “%(account)s”, as many as its policy allows. "
            "Revoke one that is not needed, or let an admin change the policy.",
            "%(owner)s has %(number)d living tokens in the account “%(account)s”, as many as its policy allows. "
            "Revoke one that is not needed, or let an admin change the policy.",
            number,
        )
        return (of_toolkit if self.toolkit else of_account) % said
