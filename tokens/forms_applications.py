import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Actor
from profiles.forms import PLAIN_LINE
from profiles.models import Account, Toolkit, User
from profiles.permissions import MACHINE_ROLES, Role
from tokens.models import Application, Registered
from tokens.oauth.redirects import refuse_bad_redirect_uri

MAX_REDIRECTS = 10
PEOPLE, MACHINE = "people", "machine"
ROLES = {
    Role.MEMBER: _("Member: may use all toolkits of the account"),
    Role.END_USER: _("End user: may use the chosen ones only"),
}


class RedirectsField(forms.CharField):
    """Redirect addresses, one a line; the cleaned value is a list."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Redirect addresses"), required=False, max_length=6000,
            widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono",
                                         "placeholder": "https://app.example.com/callback"}),
            help_text=format_lazy(
                _(
                    "One a line, at most {number}: where people are sent back to. https anywhere, http on localhost "
                    "(then with any port), or a scheme of your own, as in com.example.app:/callback."
                ),
                number=MAX_REDIRECTS,
            ),
        )  # fmt: skip

    def clean(self, value: Any) -> list[str]:
        lines = [line.strip() for line in super().clean(value).splitlines()]
        said = gettext("Line %(number)d: %(problem)s")
        found = ({"number": number, "problem": _problem(line)} for number, line in enumerate(lines, 1))
        wrong = [said % each for each in found if each["problem"]]
        uris = list(dict.fromkeys(line for line in lines if line))
        if len(uris) > MAX_REDIRECTS:
            text = gettext("These are %(number)d. An application has at most %(most)d redirect addresses.")
            wrong.append(text % {"number": len(uris), "most": MAX_REDIRECTS})
        if wrong:
            raise ValidationError(wrong)
        return uris


def _problem(line: str) -> str:
    try:
        if line:
            refuse_bad_redirect_uri(line)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


class NameForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=80, validators=[PLAIN_LINE],
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("Support desk")}),
        help_text=_("People read it when they are asked to agree, and in Activity."),
    )  # fmt: skip


class PeopleForm(NameForm):
    """An application that acts for people: it signs them in, exchanges tokens for them, or both."""

    signs_in = forms.BooleanField(
        label=_("Signs people in by browser"), required=False,
        help_text=_("Authorization code with PKCE: a person agrees, for one toolkit."),
    )  # fmt: skip
    redirect_uris = RedirectsField()
    exchanges = forms.BooleanField(
        label=_("Exchanges tokens"), required=False,
        help_text=_(
            "Token exchange (RFC 8693): it turns a token that a person gave it into one that is never wider and never "
            "lives longer."
        ),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        self.clean_people(data)
        return data

    def clean_people(self, data: dict[str, Any]) -> None:
        if not data.get("signs_in") and not data.get("exchanges"):
            self.add_error("signs_in", _("Say what it does: sign people in, exchange tokens, or both."))
        if not data.get("signs_in"):
            data["redirect_uris"] = []
            self.errors.pop("redirect_uris", None)
        elif "redirect_uris" not in self.errors and not data["redirect_uris"]:
            self.add_error("redirect_uris", _("Write at least one address to which people are sent back."))


class MachineForm(NameForm):
    """An application that runs without a person, as a machine user with a role of its own."""

    had: set[Toolkit] = set()  # what is assigned to it; an archived one of these stays in the list

    role = forms.ChoiceField(
        label=_("Its role"), choices=[(role.value, ROLES[role]) for role in MACHINE_ROLES], initial=Role.END_USER.value,
        widget=forms.RadioSelect,
    )  # fmt: skip
    toolkits = forms.ModelMultipleChoiceField(
        queryset=Toolkit.objects.none(), required=False, widget=forms.CheckboxSelectMultiple,
        label=_("Toolkits of an end user"),
        error_messages={"invalid_choice": _("One of these toolkits is not there any more. Choose again.")},
    )  # fmt: skip

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        field = self.fields["toolkits"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = (
            Toolkit.objects.choosable([each.pk for each in self.had]).filter(account=account).order_by("name")
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        self.clean_machine(data)
        return data

    def clean_machine(self, data: dict[str, Any]) -> None:
        if data.get("role") == Role.MEMBER:
            data["toolkits"] = []
        elif "toolkits" not in self.errors and not data.get("toolkits"):
            self.add_error("toolkits", _("Choose at least one toolkit, or make it a member."))


class RegisterForm(PeopleForm, MachineForm):
    kind = forms.ChoiceField(
        label=_("What is it?"), initial=PEOPLE, widget=forms.RadioSelect,
        choices=[(PEOPLE, _("It acts for people")), (MACHINE, _("It runs on its own, without a person"))],
        error_messages={"required": _("Say whether it acts for people or on its own.")},
    )  # fmt: skip
    client_type = forms.ChoiceField(
        label=_("Can it keep a secret?"), initial=Application.CLIENT_CONFIDENTIAL, widget=forms.RadioSelect,
        choices=[
            (Application.CLIENT_CONFIDENTIAL, _("Yes: it runs on a server")),
            (Application.CLIENT_PUBLIC, _("No: it runs in a browser or on people’s devices")),
        ],
    )  # fmt: skip
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        self.initial = {"request_key": uuid.uuid4(), **self.initial}
        for name in ("role", "client_type"):  # each is asked of one kind only
            self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("kind") == MACHINE:
            for name in (*(set(PeopleForm.base_fields) - {"name"}), "client_type"):
                self.errors.pop(name, None)
            data["role"] = data.get("role") or Role.END_USER.value
            self.clean_machine(data)
        elif data.get("kind") == PEOPLE:
            for name in set(MachineForm.base_fields) - {"name"}:
                self.errors.pop(name, None)
            data["client_type"] = data.get("client_type") or Application.CLIENT_CONFIDENTIAL
            self.clean_people(data)
        return data

    def register(self, user: User, *, by: Actor, now: Any) -> Registered:
        """Register what the form says; may raise AlreadyRegistered."""
        data = self.cleaned_data
        common = {"user": user, "name": data["name"], "request_key": data["request_key"], "by": by, "now": now}
        if data["kind"] == MACHINE:
            return Application.objects.register_machine(
                self.account, role=Role(data["role"]), toolkits=data["toolkits"], **common
            )
        return Application.objects.register(
            self.account, redirect_uris=data["redirect_uris"], may_exchange=data["exchanges"],
            is_confidential=data["client_type"] == Application.CLIENT_CONFIDENTIAL, **common,
        )  # fmt: skip


class PeopleEditForm(PeopleForm):
    def __init__(self, *args: Any, application: Application, **kwargs: Any) -> None:
        uris = application.redirect_uris.split()
        initial = {
            "name": application.name, "signs_in": bool(uris), "redirect_uris": "\n".join(uris),
            "exchanges": application.may_exchange,
        }  # fmt: skip
        super().__init__(*args, **kwargs)
        self.initial = initial
        self.application = application
        if uris:
            signs_in = self.fields["signs_in"]
            unticked = gettext("Unticked, whoever is signed in with it is signed out.")
            signs_in.help_text = f"{signs_in.help_text} {unticked}"

    @property
    def is_widening(self) -> bool:
        """Return True if it could do more than before."""
        added = set(self.cleaned_data["redirect_uris"]) - set(self.application.redirect_uris.split())
        return bool(added) or (self.cleaned_data["exchanges"] and not self.application.may_exchange)

    def save(self, *, by: Actor, now: Any) -> bool:
        data = self.cleaned_data
        return self.application.change(
            name=data["name"], redirect_uris="\n".join(data["redirect_uris"]), may_exchange=data["exchanges"],
            by=by, now=now,
        )  # fmt: skip


class MachineEditForm(MachineForm):
    def __init__(self, *args: Any, application: Application, **kwargs: Any) -> None:
        member = application.member
        self.had_role = Role(member.role) if member else None
        self.had = set(member.assigned_toolkits.all()) if member else set()
        initial = {"name": application.name, "role": self.had_role, "toolkits": [toolkit.pk for toolkit in self.had]}
        assert application.account
        super().__init__(*args, account=application.account, **kwargs)
        self.initial = initial
        self.application = application

    @property
    def is_widening(self) -> bool:
        """Return True if it could do more than before."""
        if self.had_role is Role.MEMBER:
            return False
        return self.cleaned_data["role"] == Role.MEMBER or bool(set(self.cleaned_data["toolkits"]) - self.had)

    def save(self, *, by: Actor, now: Any) -> bool:
        data = self.cleaned_data
        assigned = self.application.assign(Role(data["role"]), data["toolkits"], by=by, now=now)
        return self.application.change(name=data["name"], by=by, now=now) or assigned
