import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.forms import PLAIN_LINE
from profiles.models import Member, Server, User
from profiles.models.accounts import refuse_bad_role, refuse_ownerless
from profiles.models.servers import SLUG, refuse_bad_address, refuse_bad_command
from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["email", "name", "time_zone", "is_staff"]
        help_texts = {
            "name": _("As the person wants to be called."),
            "time_zone": _("In which they read times, as in Europe/Berlin."),
            "is_staff": _("Staff use these pages: they see every token and call, and add programs that Nexus runs."),
        }

    def __init__(self, *args: Any, request_user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_user = request_user

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(gettext("Somebody here has this address already."))
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk == self.request_user.pk and cleaned.get("is_staff") is False:
            self.add_error("is_staff", gettext("You cannot take this from yourself. Ask another member of staff."))
        if self.instance.is_machine and cleaned.get("is_staff"):
            self.add_error("is_staff", gettext("A machine stands for an application, and is never staff."))
        return cleaned


class PersonField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A person, by e-mail address."""

    def __init__(self) -> None:
        super().__init__(
            User.objects.filter(is_machine=False), to_field_name="email", label=_("E-mail address"),
            widget=forms.EmailInput(attrs={"class": "vTextField", "placeholder": "name@example.com"}),
            error_messages={"invalid_choice": _("Nobody here has this address. Add the user first.")},
        )  # fmt: skip

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.strip().lower() if isinstance(value, str) else value)


class MemberForm(forms.ModelForm):  # type: ignore[type-arg]
    user = PersonField()

    class Meta:
        model = Member
        fields = ["user", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            field = self.fields["user"]
            assert isinstance(field, PersonField)
            field.queryset = User.objects.all()  # machines too: they come with their application, and stay there
            field.disabled = True
            self.initial["user"] = self.instance.user.email

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.pk:
            refuse_bad_role(self.instance.user, role)
        return role


class MemberFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data.get("role")]
        refuse_ownerless([row["role"] for row in rows if row["user"].is_active and not row.get("DELETE")])


class ServerForm(forms.ModelForm):  # type: ignore[type-arg]
    """A server of the catalog; nothing is saved before it has listed its tools."""

    name = forms.CharField(max_length=80, validators=[PLAIN_LINE], help_text=_("What people call it."))
    slug = forms.CharField(
        label=_("Prefix of its tools"), max_length=16, required=False, validators=[SLUG],
        help_text=_("Clients see its tools as prefix__tool. Left empty, it is made of the name. It never changes."),
    )  # fmt: skip
    url = forms.CharField(
        label=_("Address"), max_length=500, required=False, widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text=_("Of a streamable HTTP server, as in https://example.com/mcp."),
    )  # fmt: skip
    command = forms.JSONField(
        required=False, widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "spellcheck": "false"}),
        help_text=_('Of a stdio server: a JSON list, as in ["uvx", "mcp-server-git", "--repository", "/srv/notes"].'),
        error_messages={
            "invalid": _('This is not JSON. Write a list of quoted texts, as in ["uvx", "mcp-server-time"].')
        },
    )  # fmt: skip

    class Meta:
        model = Server
        fields = ["transport", "name", "slug", "description", "url", "command", "timeout_s", "max_concurrent"]

    tools: list[bytes] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["command"] = self.instance.command or None
        self.is_stdio = self.instance.transport == Server.Transport.STDIO

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.is_stdio = cleaned.get("transport", self.instance.transport) == Server.Transport.STDIO
        if self.errors:
            return cleaned
        if self.is_stdio:
            self._refuse_both("url", gettext("A stdio server has no address: it is a program on this machine."))
            refuse_bad_command(cleaned.get("command"))
        else:
            self._refuse_both(
                "command", gettext("A streamable HTTP server has no command: it is reached by its address.")
            )
            refuse_bad_address(cleaned.get("url") or "")
        cleaned["command"] = cleaned.get("command") or []
        if not self.instance.pk or {"url", "command"} & set(self.changed_data):
            self._list_tools(cleaned)
        return cleaned

    def _refuse_both(self, field: str, why: str) -> None:
        if self.cleaned_data.get(field):
            raise ValidationError({field: why})

    def _list_tools(self, cleaned: dict[str, Any]) -> None:
        transport = Server.Transport.STDIO if self.is_stdio else Server.Transport.HTTP
        asked = Server(
            name=cleaned["name"], transport=transport, url=cleaned.get("url") or "", command=cleaned["command"]
        )
        try:
            self.tools = discovery.list_tools(asked)
        except UpstreamError as error:
            raise ValidationError(
                {"command" if self.is_stdio else "url": gettext("Nothing was saved. %(problem)s") % {"problem": error}}
            ) from error

    def _get_validation_exclusions(self) -> set[str]:
        # Django refuses hosts of one word.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"url"}


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
