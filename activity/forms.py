import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import Q

from activity.models import Call, CallQuerySet, containing, of_token
from profiles.models import Account, Toolkit, User
from tokens import keys
from tokens.models import Connection, DelegatedToken

RANGES = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
NOT_OK = "not_ok"
PUBLIC_ID = re.compile(r"(?:nxso?_)?([0-9A-Za-z]{12})(?:_.*)?")
TOOLKITS_NAMED = 8  # in the message about one that is not there


def one_of(values: Iterable[str]) -> str:
    return f"Choose one of: {', '.join(values)}."


class RedactedInput(forms.TextInput):
    """Shows again what was typed, but no secret."""

    def format_value(self, value: Any) -> str | None:
        return keys.redact(value) if isinstance(value, str) else None


def refuse_secret(text: str) -> None:
    if keys.ANYWHERE.search(text):
        raise forms.ValidationError(
            "This is a secret. Write the token's name, or its id: the 12 characters after nxs_."
        )


class ToolkitField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A toolkit by its alias; the message about one that is not there names those that are."""

    def label_from_instance(self, toolkit: Toolkit) -> str:
        return toolkit.name

    def to_python(self, value: Any) -> Toolkit | None:
        try:
            toolkit: Toolkit | None = super().to_python(value)
        except forms.ValidationError as error:
            assert self.queryset is not None
            there = list(self.queryset.values_list("alias", flat=True)[: TOOLKITS_NAMED + 1])
            more = ["or another of the list"] if len(there) > TOOLKITS_NAMED else []
            text = one_of([*there[:TOOLKITS_NAMED], *more]) if there else "This account has no toolkits yet."
            raise forms.ValidationError(text, code="invalid_choice") from error
        return toolkit


class ActivityForm(forms.Form):
    """Which calls to show. It is read from the address; no value means any."""

    range = forms.ChoiceField(
        label="When",
        required=False,
        choices=[
            ("", "Any time"), ("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
        ],
        error_messages={"invalid_choice": one_of(RANGES)},
    )  # fmt: skip
    toolkit = ToolkitField(
        queryset=Toolkit.objects.none(), required=False, to_field_name="alias", empty_label="Any toolkit"
    )
    token = forms.CharField(
        required=False, max_length=80, validators=[refuse_secret],
        widget=RedactedInput(attrs={"placeholder": "Name or id", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    outcome = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[("", "Any result"), (NOT_OK, "All but OK"), *Call.Outcome.choices],
        error_messages={"invalid_choice": one_of([NOT_OK, *Call.Outcome.values])},
    )
    text = forms.CharField(
        label="Search", required=False, max_length=100, validators=[refuse_secret],
        widget=RedactedInput(attrs={"type": "search", "placeholder": "Tool, client, address, request id"}),
    )  # fmt: skip
    before = forms.UUIDField(
        required=False, widget=forms.HiddenInput, error_messages={"invalid": "This is no place in the list."}
    )

    def __init__(self, *args: Any, account: Account, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.user = account, user
        field = self.fields["toolkit"]
        assert isinstance(field, forms.ModelChoiceField)
        toolkits = Toolkit.objects.usable_by(user).filter(account=account).order_by("name")
        field.queryset = toolkits

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name != "before")

    def narrow(self, calls: CallQuerySet, now: datetime) -> tuple[CallQuerySet, Q]:
        """Return the calls that an index finds, and what is wanted of them besides."""
        data, wanted = self.cleaned_data, Q()
        if data["range"]:
            calls = calls.filter(at__gte=now - RANGES[data["range"]])
        if data["toolkit"]:
            calls = calls.filter(toolkit_id=data["toolkit"].pk)
        if public_id := self._public_id(data["token"]):
            calls = calls.filter(token_public_id=public_id)
        elif data["token"]:
            wanted &= of_token(data["token"])
        if data["outcome"]:
            went_well = Q(outcome__in=[Call.Outcome.OK, Call.Outcome.OPEN])
            wanted &= ~went_well if data["outcome"] == NOT_OK else Q(outcome=data["outcome"])
        if data["text"]:
            wanted &= containing(data["text"])
        return calls, wanted

    def _public_id(self, text: str) -> str | None:
        """Return the id if the text is that of a token or a connection here; a name can look like one."""
        if not (shaped := PUBLIC_ID.fullmatch(text)):
            return None
        tokens = DelegatedToken.objects.visible_to(self.user), Connection.objects.visible_to(self.user)
        found = any(each.filter(account=self.account, public_id=shaped[1]).exists() for each in tokens)
        return shaped[1] if found else None
