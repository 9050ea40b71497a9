from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin_pages import ConfirmedAdmin
from profiles.events import Actor
from profiles.models import Account, Toolkit
from profiles.operator import is_uuid
from tokens.models import Policy


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """The rules of an account, or of one toolkit of it. What is empty is left to the wider rule."""

    of_account = forms.CharField(
        label=_("Account"), max_length=120, widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("Its name or id."),
    )  # fmt: skip
    of_toolkit = forms.CharField(
        label=_("Toolkit"), max_length=80, required=False, widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("Its alias, if the policy is for that toolkit alone. Left empty, it holds in the whole account."),
    )  # fmt: skip

    class Meta:
        model = Policy
        fields = ["max_life_days", "max_tokens", "pause_unused_days", "ends_reused_families"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["of_account"], self.fields["of_toolkit"]

    def clean_of_account(self) -> Account:
        text = self.cleaned_data["of_account"].strip()
        found = list(Account.objects.filter(pk=text) if is_uuid(text) else Account.objects.filter(name=text)[:2])
        if len(found) != 1:
            raise ValidationError(
                gettext("Several accounts have this name: write the id.")
                if found
                else gettext("No account has this name or id.")
            )
        return found[0]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        account, alias = cleaned.get("of_account"), cleaned.get("of_toolkit")
        if account:
            toolkit = Toolkit.objects.named(account, alias) if alias else None
            if alias and toolkit is None:
                text = gettext("“%(account)s” has no toolkit with this alias.")
                self.add_error("of_toolkit", text % {"account": account})
            self.instance.account, self.instance.toolkit = account, toolkit
        return cleaned


@admin.register(Policy)
class PolicyAdmin(ConfirmedAdmin):
    form = PolicyForm
    list_display = ("place", "account", "max_life_days", "max_tokens", "pause_unused_days", "ends_reused_families")
    list_select_related = ("account", "toolkit")
    search_fields = ("account__name", "toolkit__alias", "toolkit__name")
    search_help_text = _("By account or toolkit.")
    ordering = ("account__name", "pk")
    readonly_fields = ("account", "toolkit")

    @admin.display(description=_("holds for"))
    def place(self, policy: Policy) -> str:
        if policy.toolkit:
            return gettext("Toolkit “%(name)s”") % {"name": policy.toolkit}
        return gettext("The whole account")

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        where = ("account", "toolkit") if obj else ("of_account", "of_toolkit")
        note = gettext(
            "The tighter rule always holds: of the instance, the account and the toolkit. A change holds for tokens "
            "issued from now on; unused ones are looked at again."
        )
        return [(None, {"fields": where}), (gettext("Rules"), {"fields": Policy.RULES, "description": note})]

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        return super().get_queryset(request).select_related("account", "toolkit")

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: bool) -> None:
        rules = {name: form.cleaned_data[name] for name in Policy.RULES}
        Policy.objects.change(obj.account, obj.toolkit, rules, by=Actor.from_request(request), now=timezone.now())
        obj.pk = Policy.objects.of_one(obj.account, obj.toolkit).pk
