"""What a person is asked before an application may use a toolkit for them, and what they agreed to before."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from profiles.models import Authorization, Server, Toolkit, ToolkitTool, User
from tokens.models import Application, Connection, Policy
from tokens.models.connections import SESSION_LIFE
from tokens.oauth.authorization import Asker, Wish
from tokens.oauth.resources import Target

DAYS = (1, 7, 30)
NAMES_SHOWN = 200  # tools of one toolkit


class ConsentForm(forms.Form):
    """What the person decides: which toolkit, and for how long."""

    toolkit = forms.ChoiceField(
        error_messages={"required": _("Choose a toolkit."), "invalid_choice": _("Choose one of these toolkits.")}
    )
    days = forms.ChoiceField(
        label=_("Stays signed in for"),
        choices=[("1", _("1 day")), ("7", _("7 days")), ("30", _("30 days"))],
        error_messages={"required": _("Choose how long."), "invalid_choice": _("Choose one of the times in the list.")},
    )

    def __init__(self, data: QueryDict | None = None, *, toolkits: Sequence[Toolkit], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.toolkits = {str(toolkit.pk): toolkit for toolkit in toolkits}
        field = self.fields["toolkit"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(pk, toolkit.name) for pk, toolkit in self.toolkits.items()]

    @property
    def chosen(self) -> Toolkit:
        return self.toolkits[self.cleaned_data["toolkit"]]

    @property
    def lasts(self) -> timedelta:
        return min(timedelta(days=int(self.cleaned_data["days"])), SESSION_LIFE)


@dataclass(slots=True)
class Offer:
    """A toolkit that the person may choose, and what they should know of it."""

    toolkit: Toolkit
    unconnected: list[Server]
    agreed: Connection | None
    most_days: int = SESSION_LIFE.days  # for which a session of this toolkit may last
    tools: list[str] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.toolkit.allowed_count - len(self.tools)


def toolkits_for(user: User, target: Target) -> list[Toolkit]:
    """Return the toolkits of the person that the target allows, the defaults first: one, if it names one clearly."""
    usable = Toolkit.objects.usable_by(user)
    if target.profile:
        usable = usable.named(target.profile)
    if target.account:
        try:
            usable = usable.filter(account=uuid.UUID(target.account))
        except ValueError:
            return []
    return list(usable.with_counts().select_related("account"))


def agreed_before(application: Application, user: User, wish: Wish) -> dict[uuid.UUID, Connection]:
    """Return, by toolkit, the living consents that cover what is asked for now."""
    mine = Connection.objects.living().filter(application=application, owner=user)
    return {one.toolkit_id: one for one in mine if set(wish.scopes) <= set(one.scope.split())}


def is_trusted(asker: Asker, user: User | None) -> bool:
    """Return True if a browser may be sent there unasked (RFC 9700 section 4.11.2): not to any site that registered."""
    if not asker.destination.is_claimed or asker.application.registration_source == "manual":
        return True
    connected = Connection.objects.living().filter(application=asker.application)
    return user is not None and connected.filter(owner=user).exists()


def offers(
    user: User, toolkits: Sequence[Toolkit], agreed: dict[uuid.UUID, Connection], *, now: datetime
) -> list[Offer]:
    missing = Authorization.objects.missing_for(user, toolkits, now=now)
    rules = Policy.objects.rules_of(toolkits)
    found = {
        one.pk: Offer(one, missing.get(one.pk, []), agreed.get(one.pk), rules[one.pk].max_life.days) for one in toolkits
    }
    entries = ToolkitTool.objects.visible().filter(toolkit__in=list(found)).order_by("exposed_name")
    for toolkit_id, name in entries.values_list("toolkit_id", "exposed_name"):
        if len(found[toolkit_id].tools) < NAMES_SHOWN:
            found[toolkit_id].tools.append(name)
    return list(found.values())


def initial(shown: Sequence[Offer]) -> dict[str, str]:
    """Return what the form begins with: what was agreed to last, else the first toolkit and the longest time."""
    known = sorted((offer.agreed for offer in shown if offer.agreed), key=lambda agreed: agreed.agreed_at)
    days = known[-1].lasts.days if known else DAYS[-1]
    return {
        "toolkit": str(known[-1].toolkit_id if known else shown[0].toolkit.pk),
        "days": str(days if days in DAYS else DAYS[-1]),
    }
