from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tokens.forms_narrowing import numbers_only
from tokens.models import Policy
from tokens.models.policies import LEAST_UNUSED_DAYS, MAX_LIFE

MOST_TOKENS = 100_000


class PolicyForm(forms.Form):
    """The rules of one policy; what is empty is left to the wider one."""

    max_life_days = forms.IntegerField(
        required=False, label=_("Longest life, in days"), min_value=1, max_value=MAX_LIFE.days,
        help_text=_("Of every new token. The instance allows 30 days, and no policy more."),
        error_messages=numbers_only(1, MAX_LIFE.days),
    )  # fmt: skip
    max_tokens = forms.IntegerField(
        required=False, label=_("Living tokens for each person"), min_value=1, max_value=MOST_TOKENS,
        help_text=_("A token and what replaces it count as one; those made by exchange do not count."),
        error_messages=numbers_only(1, MOST_TOKENS),
    )  # fmt: skip
    pause_unused_days = forms.IntegerField(
        required=False, label=_("Pause when unused for, in days"), min_value=LEAST_UNUSED_DAYS, max_value=MAX_LIFE.days,
        help_text=_("The owner is told 48 hours before, and can resume it."),
        error_messages=numbers_only(LEAST_UNUSED_DAYS, MAX_LIFE.days),
    )  # fmt: skip
    ends_reused_families = forms.BooleanField(
        required=False, label=_("End a token when the one that it replaced is used after its end"),
        help_text=_("Somebody may have kept a copy. Otherwise its owner is only told."),
    )  # fmt: skip

    @classmethod
    def showing(cls, policy: Policy, **kwargs: Any) -> "PolicyForm":
        return cls(initial=policy.rules, **kwargs)

    @property
    def fingerprint(self) -> str:
        """Return what the second press repeats, so that only what was shown is saved."""
        return "-".join(str(self.cleaned_data[name]) for name in self.fields)
