from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe


class SampleForm(forms.Form):
    """Every kind of field, for the page that shows the components."""

    name = forms.CharField(label="Name", help_text="The service that will use it.", max_length=80)
    alias = forms.CharField(label="Alias", required=False)
    expiry = forms.ChoiceField(
        label="Expires", choices=[("1", "1 day"), ("7", "7 days"), ("30", "30 days")], widget=forms.RadioSelect
    )
    toolkit = forms.ChoiceField(label="Toolkit", choices=[("work", "Work"), ("home", "Home")])
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 3}))
    is_quiet = forms.BooleanField(label="Do not remind me", required=False, help_text="Nobody will be told.")


@require_safe
def guide_design(request: HttpRequest) -> HttpResponse:
    """Show every component in each of its states: what the pages are built of."""
    now = timezone.now()
    context: dict[str, Any] = {
        "form": SampleForm(initial={"expiry": "7"}),
        "failed": SampleForm({"name": "", "expiry": "7", "toolkit": "work"}),
        "now": now,
        "soon": now + timedelta(days=2),
        "badges": [
            ("ok", "active"), ("warn", "ends in 2 days"), ("bad", "revoked"), ("info", "New"), ("quiet", "never used"),
        ],
        "banners": ["info", "ok", "warn", "bad"],
    }  # fmt: skip
    return render(request, "guide/design.html", context)
