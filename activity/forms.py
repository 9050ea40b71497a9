import re
from datetime import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from activity.fields import MOMENT, AddressField, ToolkitField, moment_field, one_of, place_field, text_field
from activity.keyset import Listing
from activity.models import Call, CallQuerySet, RollupQuerySet, containing
from activity.spans import CUSTOM, LABELS, LONGEST, NAMED, Span
from profiles.models import Account, Server, Toolkit, User
from profiles.permissions import Act
from tokens import keys
from tokens.models import Connection, DelegatedToken

NOT_OK = "not_ok"
PUBLIC_ID = re.compile(r"(?:nxso?_)?([0-9A-Za-z]{12})(?:_.*)?")
SUGGESTED = 100
PLACES = ("before", "after")  # in the list; not filters


class SpanForm(forms.Form):
    """Which time to show, and where in the list; read from the address. What is named is written first in the chips."""

    range = forms.ChoiceField(
        label=_("When"), required=False, choices=[("", ""), *LABELS.items(), (CUSTOM, _("Custom"))],
        error_messages={"invalid_choice": one_of([*NAMED, CUSTOM])}, widget=forms.HiddenInput,
    )  # fmt: skip
    since = moment_field(_("From"))
    until = moment_field(_("To"))
    before = place_field()
    after = place_field()

    default_range = "24h"
    main: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    not_filters: tuple[str, ...] = ("range", "since", "until", *PLACES)

    def __init__(self, *args: Any, account: Account, user: User, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.user, self.now = account, user, now
        self.sees_all = account.lets(user, Act.SEE_ACTIVITY)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("before") and data.get("after"):
            self.add_error("before", _("A page begins before a row or after one, not both."))
        if not {"range", "since", "until"} & set(self.errors):
            data["span"] = self._span(data)
        return data

    def _span(self, data: dict[str, Any]) -> Span | None:
        since, until = data.get("since"), data.get("until")
        if not (since or until) and data["range"] != CUSTOM:
            return Span.named(data["range"] or self.default_range, self.now)
        until = until or self.now
        if since is None:
            self.add_error("since", " ".join([gettext("Say from when."), str(MOMENT)]))
        elif since >= until:
            self.add_error("until", _("This is not after the beginning."))
        elif until - since > LONGEST:
            self.add_error("since", _("Choose at most 366 days."))
        else:
            return Span.between(since, until, self.now)
        return None

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.main]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return the fields that are folded until one of them is used."""
        return [self[name] for name in (*self.more, "since", "until") if not self[name].is_hidden]

    @property
    def shows_more(self) -> bool:
        return any(field.data or field.errors for field in self.more_fields)

    @property
    def hidden_errors(self) -> list[str]:
        """Return what is wrong with what the form does not show."""
        return [str(text) for field in self.hidden_fields() for text in field.errors]

    def suggestions(self) -> dict[str, list[str]]:
        """Return what can be asked for, by the id of the list that its field names."""
        return {}

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name not in self.not_filters)

    def chips(self) -> list[tuple[str, str, str]]:
        """Return the filters that are set: the field, its label, and what is asked for."""
        names = [name for name in self.fields if name not in self.not_filters and self.data.get(name)]
        return [(name, str(self[name].label), self._said(name)) for name in names]

    def _said(self, name: str) -> str:
        value, field = str(self.data.get(name)), self.fields[name]
        if isinstance(cleaned := getattr(self, "cleaned_data", {}).get(name), Toolkit):
            return cleaned.name
        choices = {str(key): str(label) for key, label in getattr(field, "choices", ())}
        return choices.get(value) or keys.redact(value)


class CallsForm(SpanForm):
    """Which calls to show; no value means any."""

    text = text_field(_("Search"), 100, type="search", placeholder=_("Tool, client, address, request id"))
    toolkit = ToolkitField(
        queryset=Toolkit.objects.none(),
        required=False,
        to_field_name="alias",
        empty_label=_("Any toolkit"),
        label=_("Toolkit"),
    )
    token = text_field(_("Token"), 80, placeholder=_("Name or id"), list="tokens")
    outcome = forms.ChoiceField(
        label=_("Result"), required=False,
        choices=[("", _("Any result")), (NOT_OK, _("All but OK")), *Call.Outcome.choices],
        error_messages={"invalid_choice": one_of([NOT_OK, *Call.Outcome.values])},
    )  # fmt: skip
    member = forms.TypedChoiceField(label=_("Member"), required=False, coerce=int, empty_value=None)
    client = text_field(_("Client"), 100, placeholder="claude-code")
    server = text_field(_("Server"), 16, placeholder=_("Short name"), list="servers")
    tool = text_field(_("Tool"), 200, placeholder=_("Whole name"))
    address = AddressField()

    main = ("text", "outcome", "toolkit", "token")
    more = ("member", "client", "server", "tool", "address")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data.get("token"):
            self.default_range = "30d"  # who asks for a token wants to see its life
        toolkits = self.fields["toolkit"]
        assert isinstance(toolkits, forms.ModelChoiceField)
        toolkits.queryset = Toolkit.objects.open_to(self.user).filter(account=self.account).order_by("name")
        members = self.fields["member"]
        assert isinstance(members, forms.ChoiceField)
        members.choices = [("", _("Anyone")), *self._members()]
        members.error_messages["invalid_choice"] = _("Nobody of this account. Choose from the list.")
        if not self.sees_all:
            members.widget = forms.HiddenInput()

    def _members(self) -> list[tuple[int, str]]:
        if not self.sees_all:
            return [(self.user.pk, self.user.email)]
        members = self.account.members.order_by("user__email")
        return list(members.values_list("user_id", "user__email"))

    @cached_property
    def visible(self) -> CallQuerySet:
        return Call.objects.of_account(self.account, self.user)

    @cached_property
    def listing(self) -> Listing[Call]:
        """Return the calls that an index finds, and what is wanted of them besides."""
        span = self.cleaned_data["span"]
        found: Listing[Call] = Listing([self.visible.filter(self._found, at__gte=span.start, at__lt=span.end)])
        return found.where(self._wanted & self._uncounted, self.cleaned_data["address"])

    @property
    def is_of_totals(self) -> bool:
        """Return whether the totals of the account know all that is asked for: the outcome, and nothing else."""
        return self.sees_all and {name for name, _, _ in self.chips()} <= {"outcome"}

    def counted(self, rollups: RollupQuerySet) -> RollupQuerySet | None:
        """Return the same calls among those that are counted; None where what is asked for is not counted."""
        if self._uncounted or self.cleaned_data["address"] is not None:
            return None
        return rollups.filter(self._found & self._wanted)

    @cached_property
    def _found(self) -> Q:
        data, found = self.cleaned_data, Q()
        if data["toolkit"]:
            found &= Q(toolkit_id=data["toolkit"].pk)
        if data["member"]:
            found &= Q(owner_id=data["member"])
        if self._public_id:
            found &= Q(token_public_id=self._public_id)
        return found

    @property
    def _wanted(self) -> Q:
        data, wanted = self.cleaned_data, Q()
        if data["token"] and not self._public_id:
            wanted &= Q(token_name__iexact=data["token"]) | Q(token_public_id=data["token"])
        if data["outcome"]:
            went_well = Q(outcome__in=[Call.Outcome.OK, Call.Outcome.OPEN])
            wanted &= ~went_well if data["outcome"] == NOT_OK else Q(outcome=data["outcome"])
        for name in ("server", "tool"):
            if data[name]:
                wanted &= Q(**{name: data[name]})
        return wanted

    @property
    def _uncounted(self) -> Q:
        """Return what is asked of calls that no rollup knows."""
        data, wanted = self.cleaned_data, Q()
        if data["client"]:
            wanted &= Q(client_name__icontains=data["client"])
        if data["text"]:
            wanted &= containing(data["text"])
        return wanted

    @cached_property
    def _public_id(self) -> str | None:
        """Return the id that was asked for, if a token or a connection here has it; a name can look like one."""
        if not (shaped := PUBLIC_ID.fullmatch(self.cleaned_data["token"])):
            return None
        tokens = DelegatedToken.objects.visible_to(self.user), Connection.objects.visible_to(self.user)
        found = any(each.filter(account=self.account, public_id=shaped[1]).exists() for each in tokens)
        return shaped[1] if found else None

    def suggestions(self) -> dict[str, list[str]]:
        tokens = DelegatedToken.objects.visible_to(self.user).filter(account=self.account)
        newest = tokens.order_by("-issued_at").values_list("name", flat=True)[:SUGGESTED]
        servers = Server.objects.filter(toolkits__account=self.account).order_by("slug")
        return {
            "tokens": sorted(set(newest), key=str.lower),
            "servers": list(servers.values_list("slug", flat=True).distinct()[:SUGGESTED]),
        }
