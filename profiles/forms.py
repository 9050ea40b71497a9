import zoneinfo
from typing import Any

from allauth.account.forms import SignupForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles import invited
from profiles.models import Account, Notifications, ReminderStage, Server, Toolkit, User
from profiles.models.entries import MAX_DESCRIPTION, MAX_TITLE
from profiles.models.servers import MAX_CONCURRENT, MAX_TIMEOUT, SLUG
from profiles.models.toolkits import ALIAS

PLAIN_LINE = RegexValidator(
    r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$", _("Write the name on one line, in plain characters.")
)


class SignUpForm(SignupForm):
    """Who holds an invitation signs up with the invited address, whatever the form says."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = invited.to(context.request, now=timezone.now())
        if found:
            field = self.fields["email"]
            field.disabled, self.initial["email"] = True, found.email
            field.help_text = gettext("The address that was invited to %(account)s.") % {"account": found.account}

    def try_save(self, request: HttpRequest) -> Any:
        """Take as long for a known address as for a new one: time must not tell who has an account."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise forms.ValidationError(gettext("This is not your password. Try again, or have a code mailed to you."))
        return password


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "class": "code-input", "spellcheck": "false"}
        ),
    )


class ToolkitForm(forms.Form):
    """What a person says of a toolkit: its name, its alias in the MCP URL, what it is for."""

    name = forms.CharField(
        label=_("Name"), max_length=80, validators=[PLAIN_LINE], help_text=_("As in “Team support”.")
    )
    alias = forms.CharField(
        label=_("Alias"), max_length=40, validators=[ALIAS],
        help_text=_("Its name in the MCP URL: lower-case letters, digits and hyphens."),
        widget=forms.TextInput(attrs={"data-slug-from": "id_name", "spellcheck": "false", "autocapitalize": "none"}),
    )  # fmt: skip
    description = forms.CharField(
        label=_("Description"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What it is for, and who uses it."),
    )  # fmt: skip


class ToolkitSettingsForm(ToolkitForm):
    naming = forms.ChoiceField(
        label=_("Names of tools"), choices=Toolkit.Naming.choices, widget=forms.RadioSelect,
        help_text=_("Holds for tools that come in from now on. Names that clients already know never change."),
    )  # fmt: skip
    includes_new_tools = forms.BooleanField(
        label=_("Allow new tools by themselves"),
        required=False,
        help_text=_("When a server offers a tool it did not offer before. Otherwise it waits here, marked as new."),
    )
    is_read_only = forms.BooleanField(
        label=_("Read-only"),
        required=False,
        help_text=_(
            "Clients get only the tools that somebody marked here as only reading. What servers say of their "
            "tools is a proposal, and a mark ends when the tool changes."
        ),
    )
    holds_changed_tools = forms.BooleanField(
        label=_("Hold changed tools back"),
        required=False,
        help_text=_(
            "A tool whose description or arguments its server changes is not offered until somebody has "
            "approved the change. Otherwise it stays, and the change is shown here."
        ),
    )
    offers_status_tool = forms.BooleanField(
        label=_("Offer the tool nexus_status"),
        required=False,
        help_text=_("It tells a client which servers answer, and when its token ends."),
    )

    kept_of_calls = forms.ChoiceField(
        label=_("Keep of arguments and results"),
        choices=Toolkit.Kept.choices,
        required=False,
        widget=forms.RadioSelect,
        help_text=_(
            "Activity always has who called which tool, when, and how it ended. Text is cut to 4,000 "
            "characters, and everybody who may see the account's activity can read it."
        ),
    )

    def clean_kept_of_calls(self) -> str:
        return str(self.cleaned_data["kept_of_calls"] or self.initial["kept_of_calls"])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["alias"].help_text = gettext(
            "Its name in the MCP URL. When you change it, the old alias keeps working."
        )
        del self.fields["alias"].widget.attrs["data-slug-from"]


class DeleteToolkitForm(forms.Form):
    confirmation = forms.CharField(
        label=_("Alias"), widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, toolkit: Toolkit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.toolkit = toolkit
        self.fields["confirmation"].label = gettext("Type %(alias)s to delete it") % {"alias": toolkit.alias}

    def clean_confirmation(self) -> str:
        text: str = self.cleaned_data["confirmation"]
        if text.strip() != self.toolkit.alias:
            raise forms.ValidationError(
                gettext("Type “%(alias)s”, exactly so. Nothing was deleted.") % {"alias": self.toolkit.alias}
            )
        return text


class ServerSearchForm(forms.Form):
    q = forms.CharField(
        label=_("Search"), required=False, max_length=100,
        widget=forms.SearchInput(attrs={"placeholder": _("Name, or a tool’s name")}),
    )  # fmt: skip


class AddServerToToolkitForm(forms.Form):
    """A server that the account sees and the toolkit does not have yet."""

    server = forms.ModelChoiceField(queryset=Server.objects.none(), label=_("Server"), empty_label=_("Choose a server"))

    offers_resources = forms.BooleanField(label=_("Offer its resources"), required=False)
    offers_prompts = forms.BooleanField(label=_("Offer its prompts"), required=False)

    def __init__(self, *args: Any, toolkit: Toolkit, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["server"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Server.objects.visible_in(account).exclude(places__toolkit=toolkit).order_by("name")


class ToolWordsForm(forms.Form):
    """What clients read of a tool instead of its server's own words."""

    title = forms.CharField(
        label=_("Title"), max_length=MAX_TITLE, required=False, validators=[PLAIN_LINE],
        help_text=_("Shown to people. Left empty, it is the server’s."),
    )  # fmt: skip
    description = forms.CharField(
        label=_("Description"), max_length=MAX_DESCRIPTION, required=False, widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("Read by the model that chooses tools. Left empty, it is the server’s, and changes with it."),
    )  # fmt: skip


class ServerForm(forms.Form):
    """A streamable HTTP server, by its address."""

    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("The address of a streamable HTTP server, as in https://example.com/mcp."),
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/mcp", "autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        validators=[PLAIN_LINE],
        help_text=_("What people call it, as in “Issue tracker”."),
    )
    slug = forms.CharField(
        label=_("Prefix of its tools"), max_length=16, required=False, validators=[SLUG],
        help_text=_("Clients see its tools as prefix__tool. Left empty, it is made of the name."),
        widget=forms.TextInput(attrs={"data-slug-from": "id_name", "spellcheck": "false", "autocapitalize": "none"}),
    )  # fmt: skip


class ServerSettingsForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80, validators=[PLAIN_LINE], help_text=_("What people call it."))
    description = forms.CharField(
        label=_("Description"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What it is for."),
    )  # fmt: skip
    timeout_s = forms.IntegerField(
        label=_("Timeout"),
        min_value=1,
        max_value=MAX_TIMEOUT,
        help_text=format_lazy(
            _("Seconds after which a call that it has not answered is given up: 1 to {most}."), most=MAX_TIMEOUT
        ),
    )
    max_concurrent = forms.IntegerField(
        label=_("Calls at a time"),
        min_value=1,
        max_value=MAX_CONCURRENT,
        help_text=format_lazy(
            _("How many it has to answer at once: 1 to {most}. More wait their turn."), most=MAX_CONCURRENT
        ),
    )


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """How the person is called, and in which language and zone they read."""

    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=[("", _("As the browser")), *settings.LANGUAGES],
        help_text=_("Of pages, and of the mails you get."),
    )  # fmt: skip
    time_zone = forms.ChoiceField(
        label=_("Time zone"), help_text=_("All times are shown in it, with UTC beside it where it matters.")
    )

    class Meta:
        model = User
        fields = ["name", "language", "time_zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(
            zone
            for zone in zoneinfo.available_timezones()
            if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
        )
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(zone, zone.replace("_", " ")) for zone in ["UTC", *zones]]


class NotificationsForm(forms.Form):
    """What of the reminders comes by mail too."""

    sends_mail = forms.BooleanField(
        label=_("Remind me by mail"), required=False,
        help_text=_("Without it, reminders are shown in the portal only."),
    )  # fmt: skip
    mail_stages = forms.MultipleChoiceField(
        label=_("Mail me about a token"), required=False, choices=ReminderStage.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A token that lives shorter than one of these times is not reminded of then."),
        error_messages={"invalid_choice": _("Choose from the list.")},
    )  # fmt: skip

    portal_stages = forms.MultipleChoiceField(
        label=_("Show above every page a token"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=[choice for choice in ReminderStage.choices if choice[0] != ReminderStage.UNUSED],
        help_text=_("Until it is dismissed. The token's own page shows everything."),
        error_messages={"invalid_choice": _("Choose from the list.")},
    )  # fmt: skip

    @classmethod
    def showing(cls, chosen: Notifications) -> "NotificationsForm":
        return cls(initial=chosen.choice)


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(
        label=_("Theme"),
        choices=[("system", _("As the device")), ("light", _("Light")), ("dark", _("Dark"))],
        widget=forms.RadioSelect,
    )


def note_errors(form: forms.Form, error: ValidationError) -> None:
    """Show what a model refused at the fields of the form; what belongs to none of them, above it."""
    by_field = error.error_dict if hasattr(error, "error_dict") else {"__all__": error.error_list}
    for name, errors in by_field.items():
        form.add_error(name if name in form.fields else None, errors)
