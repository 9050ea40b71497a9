from typing import Any

from django import forms

from tokens.models import Policy
from tokens.models.policies import LEAST_UNUSED_DAYS, MAX_LIFE

MOST_TOKENS = 100_000


def numbers_only(lowest: int, highest: int) -> dict[str, str]:
    text = f"Write a whole number from {lowest:,} to {highest:,}, or leave it empty."
    return dict.fromkeys(("invalid", "min_value", "max_value"), text)


class PolicyForm(forms.Form):
    """The rules of one policy; what is empty is left to the wider one."""

    max_life_days = forms.IntegerField(
        required=False, label="Longest life, in days", min_value=1, max_value=MAX_LIFE.days,
        help_text="Of every new token. The instance allows 30 days, and no policy more.",
        error_messages=numbers_only(1, MAX_LIFE.days),
    )  # fmt: skip
    max_tokens = forms.IntegerField(
        required=False, label="Living tokens for each person", min_value=1, max_value=MOST_TOKENS,
        help_text="A token and what replaces it count as one; those made by exchange do not count.",
        error_messages=numbers_only(1, MOST_TOKENS),
    )  # fmt: skip
    pause_unused_days = forms.IntegerField(
        required=False, label="Pause when unused for, in days", min_value=LEAST_UNUSED_DAYS, max_value=MAX_LIFE.days,
        help_text="The owner is told 48 hours before, and can resume it.",
        error_messages=numbers_only(LEAST_UNUSED_DAYS, MAX_LIFE.days),
    )  # fmt: skip
    ends_reused_families = forms.BooleanField(
        required=False, label="End a token when the one that it replaced is used after its end",
        help_text="Somebody may have kept a copy. Otherwise its owner is only told.",
    )  # fmt: skip

    @classmethod
    def showing(cls, policy: Policy, **kwargs: Any) -> "PolicyForm":
        return cls(initial=policy.rules, **kwargs)

    @property
    def fingerprint(self) -> str:
        """Return what the second press repeats, so that only what was shown is saved."""
        return "-".join(str(self.cleaned_data[name]) for name in self.fields)
