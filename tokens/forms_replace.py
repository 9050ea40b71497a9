import uuid
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Actor
from tokens import expiry
from tokens.forms import LifeSelect
from tokens.models import DelegatedToken, Issued, Policy

SAME = "same"
OVERLAPS = {"0": _("Not at all"), "1": _("1 hour"), "24": _("24 hours"), "72": _("3 days"), "168": _("7 days")}
NO_SUCH_OVERLAP = _("Choose one of: not at all, 1 hour, 24 hours, 3 days, 7 days.")


class ReplaceForm(forms.Form):
    """How long the successor lives, and how long the old token lives on once the new one is used."""

    life = forms.ChoiceField(label=_("The new token ends"), widget=LifeSelect, initial=SAME)
    overlap = forms.ChoiceField(
        label=_("The old token lives on"), widget=forms.RadioSelect, initial="24",
        choices=list(OVERLAPS.items()), help_text=_("Counted from the first call with the new one."),
        error_messages={"invalid_choice": NO_SUCH_OVERLAP},
    )  # fmt: skip
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, token: DelegatedToken, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.token, self.now = token, now.replace(microsecond=0)
        self.initial = {"request_key": uuid.uuid4(), **self.initial}
        before, longest = token.expires_at - token.issued_at, Policy.objects.rules_for(token.toolkit).max_life
        life = expiry.span(int(min(before, longest).total_seconds()))
        same = (
            gettext("As before: %(life)s") if before <= longest else gettext("As long as the policy allows: %(life)s")
        )
        field = self.fields["life"]
        assert isinstance(field, forms.ChoiceField)
        assert isinstance(field.widget, LifeSelect)
        field.widget.longest = longest
        field.choices = [
            (SAME, same % {"life": life}),
            *((key, label) for key, (label, _life) in expiry.PRESETS.items()),
        ]

    def replace(self, *, by: Actor) -> Issued | None:
        """Issue the successor; return None, with errors in the form, if the model refuses; may raise AlreadyIssued."""
        life = self.cleaned_data["life"]
        try:
            return self.token.replace(
                by=by,
                now=self.now,
                overlap=timedelta(hours=int(self.cleaned_data["overlap"])),
                expires_at=None if life == SAME else self.now + expiry.PRESETS[life][1],
                idempotency_key=str(self.cleaned_data["request_key"]),
            )
        except ValidationError as error:
            self._take(error)
            return None

    def _take(self, error: ValidationError) -> None:
        fields = {"expires_at": "life", "overlap": "overlap"}
        messages = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, texts in messages.items():
            self.add_error(fields.get(name), ValidationError(texts))
