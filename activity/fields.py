"""Fields of what is asked for in an address: suggestions and errors that say what can be asked."""

from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from activity.keyset import Network
from activity.spans import FIRST, LAST
from profiles.models import Toolkit
from tokens import keys

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NAMED_IN_ERROR = 8  # toolkits, in the message about one that is not there
MOMENT = _("Write a date and a time, as in 2026-12-24T17:30.")


def _one_of(values: Iterable[str]) -> str:
    return gettext("Choose one of: %(values)s.") % {"values": ", ".join(values)}


one_of = lazy(_one_of, str)


def refuse_secret(text: str) -> None:
    if keys.ANYWHERE.search(text):
        raise forms.ValidationError(
            _("This is a secret. Write the token's name, or its id: the 12 characters after nxs_.")
        )


class RedactedInput(forms.TextInput):
    """Shows again what was typed, but no secret."""

    def format_value(self, value: Any) -> str | None:
        return keys.redact(value) if isinstance(value, str) else None


class MomentInput(forms.DateTimeInput):
    """A moment as browsers want it: on the person's clock, without a zone."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str | None:
        moment = _parsed(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            return None
        try:
            return f"{timezone.localtime(moment) if timezone.is_aware(moment) else moment:%Y-%m-%dT%H:%M}"
        except OverflowError:  # beyond the ends of the calendar
            return None


def _parsed(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def text_field(label: "_StrPromise", length: int, **attributes: "str | _StrPromise") -> forms.CharField:
    attributes = {"autocomplete": "off", "spellcheck": "false", **attributes}
    return forms.CharField(
        label=label,
        required=False,
        max_length=length,
        validators=[refuse_secret],
        widget=RedactedInput(attrs=attributes),
    )


def place_field() -> forms.UUIDField:
    return forms.UUIDField(
        required=False, widget=forms.HiddenInput, error_messages={"invalid": _("This is no place in the list.")}
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
            there = list(self.queryset.values_list("alias", flat=True)[: NAMED_IN_ERROR + 1])
            more = [gettext("or another of the list")] if len(there) > NAMED_IN_ERROR else []
            text = one_of([*there[:NAMED_IN_ERROR], *more]) if there else _("This account has no toolkits yet.")
            raise forms.ValidationError(text, code="invalid_choice") from error
        return toolkit


class AddressField(forms.CharField):
    """An address or a network of them."""

    def __init__(self, **kwargs: Any) -> None:
        widget = RedactedInput(attrs={"placeholder": _("10.0.0.7 or 10.0.0.0/24"), "autocomplete": "off"})
        super().__init__(label=_("Address"), required=False, max_length=50, widget=widget, **kwargs)

    def clean(self, value: Any) -> Network | None:
        text = super().clean(value)
        try:
            return ip_network(text, strict=False) if text else None
        except ValueError as error:
            text = _("Write an address or a network, as in 10.0.0.7 or 10.0.0.0/24.")
            raise forms.ValidationError(text) from error


class MomentField(forms.DateTimeField):
    """A moment, in UTC: no store takes every offset, nor every zone every moment."""

    widget = MomentInput

    def clean(self, value: Any) -> datetime | None:
        found = super().clean(value)
        try:
            moment = found and found.astimezone(UTC)
        except OverflowError:
            moment = found
        if moment and not FIRST <= moment <= LAST:
            years = {"first": FIRST.year, "last": LAST.year}
            raise forms.ValidationError(gettext("Choose a time from %(first)s to %(last)s.") % years)
        return moment


def moment_field(label: "_StrPromise") -> forms.DateTimeField:
    return MomentField(label=label, required=False, error_messages={"invalid": MOMENT})
