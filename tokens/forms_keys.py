import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from profiles.events import Actor
from profiles.models import Account, User
from tokens import keys
from tokens.forms_replace import NO_SUCH_OVERLAP, OVERLAPS, SAME
from tokens.models import ManagementKey
from tokens.scopes import ISSUE, NOUNS, SCOPES, effective

DAYS = (7, 30, 60, 90)
DEFAULT_DAYS = "30"
Made = tuple[ManagementKey, keys.Key]
FIELDS = {"expires_at": "life", "scopes": "scopes", "networks": "networks", "name": "name", "overlap": "overlap"}


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the matrix; `scope` is empty where there is nothing to tick."""

    scope: str = ""
    is_ticked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    boxes: tuple[Box, Box]


class LifeForm(forms.Form):
    """How long a key lives, and which request asks for it."""

    life = forms.ChoiceField(
        label=_("Ends"), widget=forms.RadioSelect, initial=DEFAULT_DAYS,
        error_messages={
            "required": _("Choose when the key ends."), "invalid_choice": _("Choose one of the lives offered.")
        },
    )  # fmt: skip
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.now = user, now.replace(microsecond=0)
        self.initial = {"request_key": uuid.uuid4(), **self.initial}
        self._offer([(str(days), self._label(days)) for days in DAYS])

    def _offer(self, choices: list[tuple[str, str]]) -> None:
        field = self.fields["life"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def _label(self, days: int) -> str:
        end = (self.now + timedelta(days=days)).astimezone(self.user.zone)
        said = {"days": days, "day": date_format(end, "DATE_FORMAT")}
        return ngettext("After %(days)d day, on %(day)s", "After %(days)d days, on %(day)s", days) % said

    def take(self, error: ValidationError) -> None:
        """Show an error of the model at the field that the person can change."""
        messages = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, texts in messages.items():
            field = FIELDS.get(name, "")
            self.add_error(field if field in self.fields else None, ValidationError(texts))


class KeyForm(LifeForm):
    name = forms.CharField(
        label=_("What will use it?"), max_length=80,
        help_text=_("One key for each program: each can be revoked alone."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("Terraform, nightly report")}),
        error_messages={"required": _("Name what will use the key, as in “Terraform”.")},
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        error_messages={
            "required": _("Choose at least one thing that the key may do."),
            "invalid_choice": _("There is no scope “%(value)s”. Choose from the table."),
        },
    )  # fmt: skip
    networks = forms.CharField(
        required=False, label=_("Addresses that it may come from"), max_length=4000,
        help_text=_("One range in each line, as in 203.0.113.0/24 or 2001:db8::/32. Empty: from everywhere."),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )  # fmt: skip

    field_order = ["name", "scopes", "life", "networks"]

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.offered = effective(SCOPES, account.role_of(self.user))

    @property
    def matrix(self) -> list[Row]:
        """Return the nouns with a box for reading and one for writing: those that the person's role gives an effect."""
        rows = [
            Row(str(noun.label), (self._box(f"{noun.name}:read"), self._box(f"{noun.name}:write"))) for noun in NOUNS
        ]
        return [row for row in rows if any(box.scope for box in row.boxes)]

    @property
    def issuing(self) -> Box:
        return self._box(ISSUE)

    @property
    def is_everything_offered(self) -> bool:
        return self.offered == frozenset(SCOPES)

    def _box(self, scope: str) -> Box:
        return Box(scope, scope in (self["scopes"].value() or ())) if scope in self.offered else Box()

    def make(self, *, by: Actor) -> Made | None:
        """Make the key; return None, with the errors in the form, if the model refuses. May raise AlreadyMade."""
        data = self.cleaned_data
        try:
            return ManagementKey.objects.make(
                owner=self.user, account=self.account, name=data["name"], scopes=data["scopes"],
                expires_at=self.now + timedelta(days=int(data["life"])), by=by, now=self.now,
                ranges=[line.strip() for line in data["networks"].splitlines() if line.strip()],
                idempotency_key=str(data["request_key"]),
            )  # fmt: skip
        except ValidationError as error:
            self.take(error)
            return None


class ReplaceKeyForm(LifeForm):
    overlap = forms.ChoiceField(
        label=_("The old key lives on"), widget=forms.RadioSelect, initial="24", choices=list(OVERLAPS.items()),
        help_text=_("Counted from the first request with the new one."),
        error_messages={"invalid_choice": NO_SUCH_OVERLAP},
    )  # fmt: skip

    def __init__(self, *args: Any, key: ManagementKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key
        self.initial["life"] = SAME
        before = round((key.expires_at - key.issued_at) / timedelta(days=1))
        same = ngettext("As before, after %(days)d day", "As before, after %(days)d days", before) % {"days": before}
        self._offer([(SAME, same), *((str(days), self._label(days)) for days in DAYS if days != before)])

    def replace(self, *, by: Actor) -> Made | None:
        """Make the successor; return None, with errors in the form, if the model refuses; may raise AlreadyMade."""
        life = self.cleaned_data["life"]
        try:
            return ManagementKey.objects.replace(
                self.key, by=by, now=self.now, overlap=timedelta(hours=int(self.cleaned_data["overlap"])),
                expires_at=None if life == SAME else self.now + timedelta(days=int(life)),
                idempotency_key=str(self.cleaned_data["request_key"]),
            )  # fmt: skip
        except ValidationError as error:
            self.take(error)
            return None
