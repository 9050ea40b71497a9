import re

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from activity.fields import AddressField, one_of, text_field
from activity.forms import SpanForm
from activity.keyset import Listing
from activity.trail import GROUPS, actions_of
from profiles.events import Event

SUBJECT = re.compile(r"([a-z]+):([0-9A-Za-z-]+)")


class EventsForm(SpanForm):
    """Which events to show; no value means any."""

    text = text_field(_("Search"), 100, type="search", placeholder=_("Person, thing, reason"))
    group = forms.ChoiceField(
        label=pgettext_lazy("events", "About"), required=False, choices=[("", _("Anything")), *GROUPS.items()],
        error_messages={"invalid_choice": one_of(GROUPS)},
    )  # fmt: skip
    actor = text_field(_("Who"), 100, placeholder=_("E-mail or program"))
    subject = text_field(_("What"), 100, placeholder=_("Name of the thing"))
    address = AddressField()

    default_range = "30d"
    main = ("text", "group", "actor", "subject")
    more = ("address",)

    def listing(self, events: Listing[Event]) -> Listing[Event]:
        """Return the events that an index finds, and what is wanted of them besides."""
        span = self.cleaned_data["span"]
        return events.within(self._subject, at__gte=span.start, at__lt=span.end).where(
            self._wanted, self.cleaned_data["address"]
        )

    @property
    def _subject(self) -> Q:
        one = SUBJECT.fullmatch(self.cleaned_data["subject"])
        return Q(subject_kind=one[1], subject_id=one[2]) if one else Q()

    @property
    def _wanted(self) -> Q:
        data, wanted = self.cleaned_data, Q()
        if data["group"]:
            wanted &= Q(action__in=actions_of(data["group"]))
        if data["actor"]:
            wanted &= Q(actor_label__icontains=data["actor"])
        if data["subject"] and not self._subject:
            wanted &= Q(subject_label__icontains=data["subject"])
        if data["text"]:
            columns = ("actor_label", "subject_label", "reason", "request_id")
            wanted &= Q.create([(f"{column}__icontains", data["text"]) for column in columns], Q.OR)
        return wanted

    def _said(self, name: str) -> str:
        """Return a thing that is named by its id by the name that its last event has."""
        if name == "subject" and self.is_valid() and self._subject:
            newest = Event.objects.filter(self._subject, account_id=self.account.pk)
            return newest.values_list("subject_label", flat=True).first() or super()._said(name)
        return super()._said(name)
