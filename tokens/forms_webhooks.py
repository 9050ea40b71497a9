from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from profiles.forms import PLAIN_LINE
from profiles.models import ReminderStage
from tokens import webhooks
from tokens.models import Webhook

OVERLAPS = [
    ("0", _("Ends at once")),
    ("1", _("Signs for 1 hour more")),
    ("24", _("Signs for 24 hours more")),
    ("168", _("Signs for 7 days more")),
]
LAST_STAGES = (ReminderStage.EXPIRED, ReminderStage.UNUSED)  # things of their own among the kinds


class WebhookForm(forms.Form):
    """Where to, and what for."""

    url = forms.CharField(
        label=_("Address"), max_length=500, help_text=_("Nexus posts to it, as in https://example.com/hooks/nexus."),
        widget=forms.URLInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )  # fmt: skip
    description = forms.CharField(
        label=_("What it is for"), required=False, max_length=200, validators=[PLAIN_LINE],
        help_text=_("As in “Channel of the operations team”."),
    )  # fmt: skip
    kinds = forms.MultipleChoiceField(
        label=_("Tell it when"), choices=Webhook.Kind.choices, widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one thing that it is told of.")},
    )  # fmt: skip

    stages = forms.MultipleChoiceField(
        label=_("Of one that is about to expire"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=[choice for choice in ReminderStage.choices if choice[0] not in LAST_STAGES],
        help_text=_("None chosen: at each of these times."),
    )  # fmt: skip

    def clean_url(self) -> str:
        """Refuse an address to which nothing would be sent."""
        try:
            return webhooks.checked_address(self.cleaned_data["url"])
        except ValidationError as error:
            raise ValidationError(error.messages) from None


class WebhookSettingsForm(WebhookForm):
    is_enabled = forms.BooleanField(
        label=_("On"), required=False, help_text=_("While it is off, nothing is kept for it and nothing is sent.")
    )


class ReplaceSecretForm(forms.Form):
    overlap = forms.ChoiceField(
        label=_("The secret of now"), choices=OVERLAPS, initial="24", widget=forms.RadioSelect,
        help_text=_("As long as both are valid, every message carries a signature of each."),
    )  # fmt: skip

    def clean_overlap(self) -> timedelta:
        chosen: Any = self.cleaned_data["overlap"]
        return timedelta(hours=int(chosen))
