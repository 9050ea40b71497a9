from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from profiles.models import Toolkit
from tokens.models.narrowing import MAX_CALLS, Narrowing

PAUSES = [
    ("", _("Never")),
    ("14", _("After 14 days without a call")),
    ("21", _("After 21 days without a call")),
]
grouped: Callable[[int], Any] = lazy(lambda number: number_format(number, force_grouping=True), str)


def numbers_only(lowest: int, highest: int) -> dict[str, Any]:
    """Return what a field says to anything but a number in these bounds."""
    text = _("Write a whole number from {lowest} to {highest}, or leave it empty.")
    said = format_lazy(text, lowest=grouped(lowest), highest=grouped(highest))
    return dict.fromkeys(("invalid", "min_value", "max_value"), said)


class ToolNamesField(forms.MultipleChoiceField):
    """Names of tools; whether the toolkit has them is the model's to say."""

    def valid_value(self, value: str) -> bool:
        return True


class NarrowingForm(forms.Form):
    """What a token is kept to; nothing of it has to be filled in."""

    tools = ToolNamesField(required=False, label=_("Tools"))
    is_read_only = forms.BooleanField(
        required=False,
        label=_("Only tools that read"),
        help_text=_("As they are marked in the toolkit, now and later."),
    )
    networks = forms.CharField(
        required=False, label=_("Addresses that it may come from"), max_length=4000,
        help_text=_("One range in each line, as in 203.0.113.0/24 or 2001:db8::1. Empty: from everywhere."),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )  # fmt: skip
    call_cap = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_CALLS, label=_("Calls in all"),
        help_text=_("After so many calls of tools it is refused. Empty: no limit."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages=numbers_only(1, MAX_CALLS),
    )  # fmt: skip
    pause_unused_after = forms.TypedChoiceField(
        required=False, label=_("Pause it when unused"), choices=PAUSES, empty_value=None,
        coerce=lambda days: timedelta(days=int(days)), help_text=_("You are told 48 hours before, and can resume it."),
        error_messages={"invalid_choice": _("Choose never, 14 or 21 days.")},
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
