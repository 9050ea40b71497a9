import re
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.models import Authorization, Server, Toolkit

MAX_SECRET = 8000  # characters
SCHEME = re.compile(r"^bearer(\s+|$)", re.IGNORECASE)  # which people copy with the token


def hidden_input() -> forms.PasswordInput:
    """Return a field that shows nothing of what is typed, and that no browser fills in by itself."""
    return forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"})


class ServerSignInForm(forms.Form):
    """How Nexus signs in at a server. A client secret that is stored is never shown; left empty, it stays."""

    authentication = forms.ChoiceField(
        label=_("Nexus signs in"), choices=Server.Authentication.choices, widget=forms.RadioSelect
    )
    header_name = forms.CharField(
        label=_("Name of the header"), required=False, max_length=80,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text=_("For a header or API key, as in X-Api-Key. Each person brings the value."),
    )  # fmt: skip
    oauth_scopes = forms.CharField(
        label=_("Scopes"), required=False, max_length=1000, widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text=_("For OAuth, by spaces. Left empty, Nexus asks for what the server names."),
    )  # fmt: skip
    oauth_client_id = forms.CharField(
        label=_("Client id"), required=False, max_length=500,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text=_("For OAuth, and only where Nexus cannot register itself: as it was registered by hand."),
    )  # fmt: skip
    client_secret = forms.CharField(
        label=_("Client secret"), required=False, max_length=2000, widget=hidden_input(),
        help_text=_("Stored encrypted, and never shown again. Left empty, the stored one stays."),
    )  # fmt: skip


class SecretForm(forms.Form):
    """A header's value, an API key or a bearer token."""

    secret = forms.CharField(
        label=_("Secret"), max_length=MAX_SECRET, widget=hidden_input(),
        help_text=_("Stored encrypted, sent to this server alone, and never shown again."),
    )  # fmt: skip

    def __init__(self, *args: Any, server: Server, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_bearer = server.authentication == Server.Authentication.BEARER
        value = gettext("Value of %(header)s") % {"header": server.header_name}
        self.fields["secret"].label = gettext("Bearer token") if self.is_bearer else value

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if self.is_bearer:
            secret = SCHEME.sub("", secret)
        if not secret or not secret.isascii() or not secret.isprintable():
            raise forms.ValidationError(
                gettext("It must be one line of plain characters. Copy it again, without line breaks.")
            )
        return secret


class AssignForm(forms.Form):
    """For which toolkits of the account an authorization is reserved."""

    toolkits = forms.ModelMultipleChoiceField(
        queryset=Toolkit.objects.none(), label=_("Toolkits"), required=False, widget=forms.CheckboxSelectMultiple,
        help_text=_("With none chosen, it is good for every toolkit."),
    )  # fmt: skip

    def __init__(self, *args: Any, authorization: Authorization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["toolkits"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = Toolkit.objects.living().filter(account=authorization.account, servers=authorization.server)
