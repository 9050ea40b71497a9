from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import Q

from activity.models import Call, CallQuerySet

RANGES = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
RANGE_LABELS = [("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days")]
DEFAULT_RANGE = "7d"


class CallFilterForm(forms.Form):
    range = forms.ChoiceField(required=False, choices=RANGE_LABELS, initial=DEFAULT_RANGE)
    toolkit = forms.ChoiceField(required=False)
    outcome = forms.ChoiceField(required=False, choices=[("", "Any outcome"), *Call.Outcome.choices])
    token = forms.CharField(
        required=False, max_length=80, widget=forms.TextInput(attrs={"placeholder": "Service or token id"})
    )
    text = forms.CharField(
        required=False, max_length=100, label="Search",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Tool, server, client, request id"}),
    )  # fmt: skip

    def __init__(self, *args: Any, toolkits: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["toolkit"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Any toolkit"), *toolkits]

    def narrow(self, calls: CallQuerySet, now: datetime) -> CallQuerySet:
        """Return the calls that the form describes; what it cannot read, it says and leaves out."""
        self.full_clean()
        data = self.cleaned_data
        calls = calls.filter(at__gte=now - RANGES[data.get("range") or DEFAULT_RANGE])
        if toolkit := data.get("toolkit"):
            calls = calls.filter(toolkit_id=toolkit)
        if outcome := data.get("outcome"):
            calls = calls.filter(outcome=outcome)
        if token := data.get("token"):
            calls = calls.filter(Q(token_public_id=token) | Q(token_name__icontains=token))
        if text := data.get("text"):
            calls = calls.filter(
                Q(tool__icontains=text)
                | Q(server__icontains=text)
                | Q(client_name__icontains=text)
                | Q(method__icontains=text)
                | Q(request_id=text)
            )
        return calls
