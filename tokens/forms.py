import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.functional import lazy
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Actor
from profiles.models import Toolkit, User
from profiles.models.toolkits_found import ToolkitQuerySet
from tokens import expiry
from tokens.forms_narrowing import NarrowingForm
from tokens.models import DelegatedToken, Issued, Policy
from tokens.models.delegated import refuse_bad_expiry
from tokens.models.narrowing import refuse_offering_nothing
from tokens.models.policies import MAX_LIFE
from tokens.models.selecting import DelegatedTokenQuerySet

TOOLKITS_NAMED = 8  # in the message about one that is not there
LIMIT = _("A token lives at most 30 days.")
LIVES = [
    *((key, label) for key, (label, _life) in expiry.PRESETS.items()),
    (expiry.CUSTOM, _("Date and time of your own")),
]


limited: Callable[[object], Any] = lazy(lambda text: f"{text} {LIMIT}", str)
MISSING = {
    "date": limited(_("Choose the date of this moment.")),
    "time": limited(_("Choose the time of this moment.")),
    "zone": limited(_("Choose the time zone of this moment.")),
}


@cache
def zone_options() -> SafeString:
    """Return every time zone to choose from; made once, for a template takes ten milliseconds over 600 of them."""
    return format_html_join("", '<option value="{}">', ((name,) for name in expiry.zone_names()))


class LifeSelect(forms.RadioSelect):
    """Lives as radio buttons; those that a policy rules out cannot be chosen."""

    longest = MAX_LIFE

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if str(value) in expiry.PRESETS:
            life = expiry.PRESETS[str(value)][1]
            option["attrs"] |= {"data-seconds": int(life.total_seconds()), "disabled": life > self.longest}
        return option


class ExpiryForm(forms.Form):
    """How long a token lives: a preset, or a date, a time and a zone. `cleaned_data["expires_at"]` is the moment."""

    life = forms.ChoiceField(
        label=_("Expires"), choices=LIVES, initial="7", widget=LifeSelect,
        error_messages={
            "required": limited(_("Choose when the token ends.")),
            "invalid_choice": limited(
                _("Choose 1 hour, 1, 7, 14 or 30 days, or a date and time of your own.")
            ),
        },
    )  # fmt: skip
    date = forms.DateField(
        required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), input_formats=["%Y-%m-%d"],
        error_messages={"invalid": limited(_("Write the date as in 2026-12-24."))},
    )  # fmt: skip
    time = forms.TimeField(
        required=False, widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        error_messages={"invalid": limited(_("Write the time as in 17:30."))},
    )  # fmt: skip
    zone = forms.CharField(required=False, max_length=64, widget=forms.TextInput(attrs={"list": "zones"}))
    occurrence = forms.ChoiceField(
        label=_("Which of the two"), required=False, choices=[("first", _("the first")), ("second", _("the second"))],
        widget=forms.RadioSelect,
    )  # fmt: skip

    def __init__(self, *args: Any, now: datetime, own_zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now.replace(microsecond=0)
        self.own_zone = own_zone
        self.doubled: expiry.Doubled | None = None

    @property
    def shown_zone(self) -> ZoneInfo:
        """Return the zone that was chosen with a moment of one's own; else the person's."""
        name = str(self["zone"].value() or "") if self["life"].value() == expiry.CUSTOM else ""
        return ZoneInfo(name if name in expiry.zone_names() else self.own_zone)

    def clean_zone(self) -> str:
        name: str = self.cleaned_data["zone"].strip()
        if name and name not in expiry.zone_names():
            raise ValidationError(
                gettext("“%(name)s” is not a time zone. Choose one from the list, such as Europe/Berlin.")
                % {"name": name}
            )
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        life = data.get("life")
        if life in expiry.PRESETS:
            data["expires_at"] = self.now + expiry.PRESETS[life][1]
        elif life == expiry.CUSTOM and not {"date", "time", "zone"} & set(self.errors):
            self._clean_moment(data)
        return data

    def _clean_moment(self, data: dict[str, Any]) -> None:
        missing = [field for field in ("date", "time", "zone") if not data.get(field)]
        for field in missing:
            self.add_error(field, MISSING[field])
        if missing:
            return
        local, zone = datetime.combine(data["date"], data["time"]), ZoneInfo(data["zone"])
        # Before any arithmetic with zones: it overflows at the ends of the calendar.
        near = max(min(local, self.now.replace(tzinfo=None) + 2 * MAX_LIFE), self.now.replace(tzinfo=None) - MAX_LIFE)
        try:
            expires_at = self._exact(expiry.moment(near, zone), local, data)
            refuse_bad_expiry(expires_at, self.now)
        except ValidationError as error:
            self.take_error(error)
        else:
            data["expires_at"] = expires_at

    def _exact(self, found: datetime | expiry.Gap | expiry.Doubled, local: datetime, data: dict[str, Any]) -> datetime:
        if isinstance(found, expiry.Gap):
            text = gettext(
                "%(time)s on %(day)s does not exist in %(zone)s: the clocks go forward. "
                "The nearest times are %(before)s and %(after)s."
            )
            nearest = {"before": f"{found.before:%H:%M}", "after": f"{found.after:%H:%M}"}
            raise ValidationError({"time": text % (_named(local, data) | nearest)})
        if isinstance(found, expiry.Doubled):
            self.doubled = found
            if not data.get("occurrence"):
                text = gettext(
                    "%(time)s on %(day)s comes twice in %(zone)s: the clocks go back. Choose the first or the second."
                )
                raise ValidationError({"occurrence": text % _named(local, data)})
            return found.second if data["occurrence"] == "second" else found.first
        return found

    def take_error(self, error: ValidationError) -> None:
        """Show an error of the model at the field that the person can change."""
        for field, messages in error.message_dict.items():
            if field == "expires_at":
                field = "date" if self.cleaned_data.get("life") == expiry.CUSTOM else "life"
            self.add_error(field if field in self.fields else None, ValidationError(messages))

    def described_presets(self) -> dict[str, expiry.Described]:
        return {
            key: expiry.describe(self.now + life, self.shown_zone, self.now)
            for key, (_, life) in expiry.PRESETS.items()
        }

    def described(self) -> expiry.Described | None:
        """Return the moment that the form names now, in words; None while it names none."""
        if self.is_bound:
            at = None if self.errors.get("life") else self.cleaned_data.get("expires_at")
        else:
            life = str(self["life"].value())
            at = self.now + expiry.PRESETS[life][1] if life in expiry.PRESETS else None
        return expiry.describe(at, self.shown_zone, self.now) if at else None


def _named(local: datetime, data: dict[str, Any]) -> dict[str, str]:
    return {"time": f"{local:%H:%M}", "day": date_format(local, "DATE_FORMAT"), "zone": data["zone"]}


class ToolkitField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, toolkit: Toolkit) -> str:
        said = {"name": toolkit.name, "alias": toolkit.alias, "account": toolkit.account}
        return gettext("%(name)s (%(alias)s) in %(account)s") % said


class InstallForm(NarrowingForm, ExpiryForm):
    toolkit = ToolkitField(
        queryset=Toolkit.objects.none(), empty_label=None,
        error_messages={
            "required": _("Choose a toolkit."),
            "invalid_choice": _("This toolkit is not there any more. Choose another one."),
        },
    )  # fmt: skip
    name = forms.CharField(
        label=_("Which service will use it?"), max_length=80,
        help_text=_("One token for each service, so that each can be revoked alone."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("n8n, production")}),
        error_messages={"required": _("Name the service that will use the token, as in “n8n, production”.")},
    )  # fmt: skip
    client = forms.CharField(required=False, widget=forms.HiddenInput, max_length=40)
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    field_order = ["toolkit", "name", "life", "date", "time", "zone", "occurrence", *NarrowingForm.LIMITS]

    def __init__(self, *args: Any, user: User, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, now=now, own_zone=user.time_zone, **kwargs)
        self.user = user
        self.initial = {"zone": user.time_zone, "request_key": uuid.uuid4(), **self.initial}
        field = self.fields["toolkit"]
        assert isinstance(field, ToolkitField)
        field.queryset = self.toolkits()

    def toolkits(self) -> ToolkitQuerySet:
        """Return those that the person may choose."""
        usable: ToolkitQuerySet = Toolkit.objects.usable_by(self.user)
        return usable.select_related("account")

    @property
    def said(self) -> dict[str, str]:
        """Return what the form says of the client; a form that was sent is for a token."""
        if self.is_bound:
            return {"client": str(self.data.get("client", "")), "name": "sent"}
        known = ("client", "auth", "of", "name", "life")
        return {name: str(self.initial[name]) for name in known if self.initial.get(name)}

    def clean_toolkit(self) -> Toolkit:
        toolkit: Toolkit = self.cleaned_data["toolkit"]
        try:
            refuse_offering_nothing(toolkit)
        except ValidationError as error:
            raise ValidationError(error.messages) from None
        return toolkit

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if toolkit := data.get("toolkit"):
            data["narrowing"] = self.narrowing(toolkit)
            if expires_at := data.get("expires_at"):
                self._keep_to_policy(toolkit, expires_at)
        return data

    def _keep_to_policy(self, toolkit: Toolkit, expires_at: datetime) -> None:
        try:
            refuse_bad_expiry(expires_at, self.now, Policy.objects.rules_for(toolkit).max_life)
        except ValidationError as error:
            self.take_error(error)

    def allow_lives(self, longest: timedelta) -> None:
        """Offer no preset that is longer; where the form proposes one, propose the longest that is allowed."""
        widget = self.fields["life"].widget
        assert isinstance(widget, LifeSelect)
        widget.longest = longest
        proposed = str(self.get_initial_for_field(self.fields["life"], "life"))
        if not self.is_bound and proposed in expiry.PRESETS and expiry.PRESETS[proposed][1] > longest:
            self.initial["life"] = expiry.longest_preset(longest)

    def issue(self, *, by: Actor) -> Issued | None:
        """Issue the token; return None, with the errors in the form, if the model refuses. May raise AlreadyIssued."""
        try:
            return DelegatedToken.objects.issue(
                owner=self.user,
                toolkit=self.cleaned_data["toolkit"],
                name=self.cleaned_data["name"],
                expires_at=self.cleaned_data["expires_at"],
                by=by,
                now=self.now,
                narrowing=self.cleaned_data["narrowing"],
                idempotency_key=str(self.cleaned_data["request_key"]),
            )
        except ValidationError as error:
            self.take_error(error)
            return None


class ToolkitFilterField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the toolkits; the message about any other names those."""

    def to_python(self, value: Any) -> Toolkit | None:
        try:
            toolkit: Toolkit | None = super().to_python(value)
        except ValidationError as error:
            assert self.queryset is not None
            there = [str(toolkit) for toolkit in self.queryset[: TOOLKITS_NAMED + 1]]
            more = [gettext("or another of the list")] if len(there) > TOOLKITS_NAMED else []
            named = {"toolkits": ", ".join([*there[:TOOLKITS_NAMED], *more])}
            text = (
                gettext("Choose one of: %(toolkits)s.") % named
                if there
                else gettext("This account has no toolkit yet.")
            )
            raise ValidationError(text, code="invalid_choice") from error
        return toolkit


class TokenFilterForm(forms.Form):
    """Which tokens to show. It is read from the address; no value means any."""

    state = forms.ChoiceField(
        required=False, choices=[("", _("Any state")), *DelegatedToken.State.choices],
        error_messages={
            "invalid_choice": format_lazy(_("Choose one of: {states}."), states=", ".join(DelegatedToken.State.values))
        },
    )  # fmt: skip
    toolkit = ToolkitFilterField(queryset=Toolkit.objects.none(), required=False, empty_label=_("Any toolkit"))
    made = forms.ChoiceField(
        required=False, label=_("Made by"),
        choices=[("", _("People")), ("exchange", _("Exchange")), ("any", _("Anybody"))],
        error_messages={"invalid_choice": _("Choose one of: exchange, any.")},
    )  # fmt: skip
    text = forms.CharField(
        required=False, max_length=100, label=_("Search"),
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Service, owner, id or last four")}),
    )  # fmt: skip
    before = forms.ModelChoiceField(
        queryset=DelegatedToken.objects.none(), required=False, to_field_name="public_id", widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("This is no place in the list: “before” is the id of a token in it.")},
    )  # fmt: skip

    def __init__(self, *args: Any, tokens: DelegatedTokenQuerySet, toolkits: ToolkitQuerySet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        before = self.fields["before"]
        assert isinstance(before, forms.ModelChoiceField)
        before.queryset = tokens
        field = self.fields["toolkit"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = toolkits

    def narrow(self, tokens: DelegatedTokenQuerySet, now: datetime) -> DelegatedTokenQuerySet:
        """Return those that the form describes."""
        if state := self.cleaned_data["state"]:
            tokens = tokens.in_state(state, now)
        if toolkit := self.cleaned_data["toolkit"]:
            tokens = tokens.filter(toolkit=toolkit)
        if text := self.cleaned_data["text"]:
            tokens = tokens.matching(text)
        tokens = self._made_by(tokens)
        if last := self.cleaned_data["before"]:
            tokens = tokens.filter(Q(issued_at__lt=last.issued_at) | Q(issued_at=last.issued_at, id__lt=last.pk))
        return tokens

    @property
    def leaves_out_exchanged(self) -> bool:
        """Whether tokens made by exchange are not asked for: many and short-lived, they would hide the others."""
        return not (self.cleaned_data["made"] or self.cleaned_data["text"])

    def _made_by(self, tokens: DelegatedTokenQuerySet) -> DelegatedTokenQuerySet:
        if self.cleaned_data["made"] == "exchange":
            return tokens.made_by_exchange()
        return tokens.made_by_people() if self.leaves_out_exchanged else tokens


class RevokeForm(forms.Form):
    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[
            (reason.value, reason.label)
            for reason in DelegatedToken.Reason
            if reason != DelegatedToken.Reason.TOOLKIT_DELETED
        ],
        error_messages={
            "required": _("Choose a reason."), "invalid_choice": _("Choose one of the reasons in the list.")
        },
    )  # fmt: skip
    note = forms.CharField(
        required=False, max_length=300, label=_("Note"), widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("For whoever looks later; the owner reads it too."),
    )  # fmt: skip
