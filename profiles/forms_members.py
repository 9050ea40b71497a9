from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.forms import PLAIN_LINE
from profiles.models import Account, Member, Toolkit
from profiles.permissions import ROLE_NAMES, Role, roles_given_by

SAID = {
    Role.OWNER: _("Owner: everything, other owners and the end of the organization included"),
    Role.ADMIN: _("Admin: toolkits, servers, policies, and members who are no owners"),
    Role.MEMBER: _("Member: uses every toolkit; sees and ends their own tokens"),
    Role.END_USER: _("End user: uses the toolkits that are assigned to them, and nothing else"),
}


class RoleField(forms.TypedChoiceField):
    """One of the roles that somebody may give."""

    def __init__(self, manager: Role | None = None, **kwargs: Any) -> None:
        super().__init__(label=_("Role"), coerce=Role, widget=forms.RadioSelect, **kwargs)
        self.offer(manager)

    def offer(self, manager: Role | None) -> None:
        self.choices = [(role.value, SAID[role]) for role in roles_given_by(manager)]


class ToolkitsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=Toolkit.objects.none(), required=False, widget=forms.CheckboxSelectMultiple,
            error_messages={"invalid_choice": _("Choose toolkits from the list."),
                            "invalid_pk_value": _("Choose toolkits from the list.")}, **kwargs,
        )  # fmt: skip

    def of(self, account: Account, chosen: Iterable[UUID] = ()) -> None:
        self.queryset = Toolkit.objects.choosable(chosen).filter(account=account)

    def label_from_instance(self, obj: Toolkit) -> str:
        return f"{obj} ({gettext('archived')})" if obj.archived_at else str(obj)


class OrganizationForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        validators=[PLAIN_LINE],
        help_text=_("Its members and those you invite read it."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )


class InviteForm(forms.Form):
    """Whom somebody invites, and as what."""

    email = forms.EmailField(
        label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text=_("The invitation is mailed there, and is good for this address alone."),
    )  # fmt: skip
    role = RoleField(initial=Role.MEMBER.value)
    toolkits = ToolkitsField(
        label=_("Toolkits"), help_text=_("Of an end user: what they may use. You can change it later.")
    )

    def __init__(self, *args: Any, account: Account, manager: Role | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role, toolkits = self.fields["role"], self.fields["toolkits"]
        assert isinstance(role, RoleField)
        assert isinstance(toolkits, ToolkitsField)
        role.offer(manager)
        toolkits.of(account)


class RoleForm(forms.Form):
    role = RoleField()

    def __init__(self, *args: Any, manager: Role | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, RoleField)
        field.offer(manager)


class AssignForm(forms.Form):
    toolkits = ToolkitsField(label=_("Toolkits"), help_text=_("Whatever is not ticked is refused at the next call."))

    def __init__(self, *args: Any, member: Member, **kwargs: Any) -> None:
        chosen = member.assigned_toolkits.values_list("pk", flat=True)
        super().__init__(*args, **kwargs)
        self.initial = {"toolkits": chosen}
        field = self.fields["toolkits"]
        assert isinstance(field, ToolkitsField)
        field.of(member.account, chosen)


class MemberField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.user.get_full_name()} ({obj.user.email})" if obj.user.name else str(obj.user.email)


class HandOverForm(forms.Form):
    to = MemberField(
        queryset=Member.objects.none(), label=_("New owner"), empty_label=_("Choose a member"),
        error_messages={"invalid_choice": _("Choose a member of this organization.")},
    )  # fmt: skip

    def __init__(self, *args: Any, candidates: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = candidates


class NameToConfirmForm(forms.Form):
    """The name of what is to be deleted, typed."""

    confirmation = forms.CharField(
        required=True, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirmation"].label = gettext("Type %(name)s to delete it") % {"name": name}

    def clean_confirmation(self) -> str:
        text: str = self.cleaned_data["confirmation"]
        if text.split() != self.name.split():
            raise forms.ValidationError(
                gettext("Type “%(name)s”, exactly so. Nothing was deleted.") % {"name": self.name}
            )
        return text


class SearchForm(forms.Form):
    q = forms.CharField(label=_("Search"), required=False, max_length=200, widget=forms.SearchInput)
    role = forms.ChoiceField(
        label=_("Role"), required=False,
        choices=[("", _("Every role")), *((role.value, capfirst(name)) for role, name in ROLE_NAMES.items())],
    )  # fmt: skip

    def said(self) -> Collection[str]:
        return [value for value in self.cleaned_data.values() if value] if self.is_valid() else []
