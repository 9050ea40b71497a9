from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from profiles.permissions import Role


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


SAMPLE = (
    'curl -sS http://localhost:8800/hub/mcp -H "Content-Type: application/json" -H "Authorization: Bearer nxs_…" '
    """-d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'"""
)


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
        "outcomes": [("ok", "OK"), ("refused", "Refused"), ("tool_error", "Tool error"), ("open", "Under way")],
        "roles": [(role.value, role.value.replace("_", " ")) for role in Role],
        "toolkits": [
            {"allowed_count": 3, "new_count": 1, "changed_count": 1}, {}, {"paused_at": now}, {"failing_count": 1},
        ],
        "servers": [{"listed_at": now}, {}, {"failed_at": now}],
        "steps": [
            {"title": "Sign in", "is_done": True}, {"title": "Choose tools", "is_done": True},
            {"title": "Install it", "text": "What to do next.", "label": "Install", "path": "#", "is_next": True},
            {"title": "Make the first call", "text": "What comes after.", "label": "See how", "path": "#"},
        ],
        "long": "The longest name that a person who means well may give to one small helper",
        "sample": SAMPLE,
    }  # fmt: skip
    return render(request, "guide/design.html", context)
