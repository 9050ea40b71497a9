from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from activity.granted import Granted
from tokens.forms_narrowing import ToolNamesField

SHOWN_IN_ERROR = 5


class TightenForm(forms.Form):
    """Which tools to keep; those that were used, where nothing is said."""

    keep = ToolNamesField(required=False, label=_("Tools to keep"))

    def __init__(self, request: HttpRequest, granted: Granted) -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        self.only_looks = "look" in request.POST
        self._granted = granted

    @property
    def kept(self) -> list[str]:
        """Return the tools to keep, of those that are granted."""
        if not self.is_bound:
            return self._granted.used
        chosen = set(self["keep"].value() or ())
        return [name for name in self._granted.names if name in chosen]

    def clean_keep(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["keep"]
        unknown = [name for name in chosen if name not in self._granted.names]
        if unknown:
            named = ", ".join(name[:60] for name in unknown[:SHOWN_IN_ERROR])
            text = gettext("%(names)s may not be called now, and nothing is made wider here.")
            raise forms.ValidationError(text % {"names": named})
        if not chosen:
            raise forms.ValidationError(_("Keep at least one tool; to stop all of them, pause or revoke instead."))
        return chosen
