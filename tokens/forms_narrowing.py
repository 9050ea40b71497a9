from datetime import timedelta

from django import forms
from django.core.exceptions import ValidationError

from profiles.models import Toolkit
from tokens.models.narrowing import MAX_CALLS, Narrowing

PAUSES = [("", "Never"), ("14", "After 14 days without a call"), ("21", "After 21 days without a call")]
CAP_LIMIT = f"Write a whole number from 1 to {MAX_CALLS:,}, or leave it empty."


class ToolNamesField(forms.MultipleChoiceField):
    """Names of tools; whether the toolkit has them is the model's to say."""

    def valid_value(self, value: str) -> bool:
        return True


class NarrowingForm(forms.Form):
    """What a token is kept to; nothing of it has to be filled in."""

    tools = ToolNamesField(required=False, label="Tools")
    is_read_only = forms.BooleanField(
        required=False, label="Only tools that read", help_text="As they are marked in the toolkit, now and later."
    )
    networks = forms.CharField(
        required=False, label="Addresses that it may come from", max_length=4000,
        help_text="One range in each line, as in 203.0.113.0/24 or 2001:db8::1. Empty: from everywhere.",
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )  # fmt: skip
    call_cap = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_CALLS, label="Calls in all",
        help_text="After so many calls of tools it is refused. Empty: no limit.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages={"invalid": CAP_LIMIT, "min_value": CAP_LIMIT, "max_value": CAP_LIMIT},
    )  # fmt: skip
    pause_unused_after = forms.TypedChoiceField(
        required=False, label="Pause it when unused", choices=PAUSES, empty_value=None,
        coerce=lambda days: timedelta(days=int(days)), help_text="You are told 48 hours before, and can resume it.",
        error_messages={"invalid_choice": "Choose never, 14 or 21 days."},
    )  # fmt: skip

    LIMITS = ("tools", "is_read_only", "networks", "call_cap", "pause_unused_after")

    @property
    def is_narrowed(self) -> bool:
        """Return True if a limit is chosen or wrong, so that the page shows them unfolded."""
        return any(self[name].value() or self[name].errors for name in self.LIMITS)

    @property
    def limits(self) -> list[forms.BoundField]:
        """Return the fields other than the tools, which the page shows by itself."""
        return [self[name] for name in self.LIMITS if name != "tools"]

    @property
    def chosen_tools(self) -> set[str]:
        return set(self["tools"].value() or ())

    def narrowing(self, toolkit: Toolkit) -> Narrowing | None:
        """Return what was chosen, for this toolkit; None, with the errors in the form, where that cannot be."""
        data = self.cleaned_data
        if set(self.LIMITS) & set(self.errors):
            return None
        wanted = Narrowing(
            tools=data["tools"] or None,
            is_read_only=data["is_read_only"],
            networks=[line.strip() for line in data["networks"].splitlines() if line.strip()],
            call_cap=data["call_cap"],
            pause_unused_after=data["pause_unused_after"],
        )
        try:
            return wanted.checked(toolkit)
        except ValidationError as error:
            for field, texts in error.message_dict.items():
                self.add_error(field, ValidationError(texts))
            return None
