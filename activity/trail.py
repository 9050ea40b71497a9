"""Who may see which events, and how one reads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import CharField, Q
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from activity.keyset import Listing
from profiles.events import Action, ActorKind, Event
from profiles.models import Account, User
from profiles.permissions import Act
from tokens.models import Connection, DelegatedToken

GROUPS = {
    "token": _("Tokens"),
    "session": _("Sessions of applications"),
    "application": _("Applications"),
    "toolkit": _("Toolkits"),
    "server": _("Servers"),
    "authorization": _("Authorizations"),
    "member": _("Members"),
    "invitation": _("Invitations"),
    "account": _("Account"),
    "policy": _("Policies"),
    "key": _("Management keys"),
    "webhook": _("Webhooks"),
    "feed": _("Calendar feeds"),
    "user": _("People"),
    "activity": _("Exports"),
}


# What acts change, as far as it has a name in every language; in English it is the name under which it is kept.
NAMES = {
    name.replace(" ", "_"): name
    for name in (
        gettext_noop("address"), gettext_noop("alias"), gettext_noop("allowed"), gettext_noop("offers prompts"),
        gettext_noop("offers resources"), gettext_noop("owner"), gettext_noop("server"),
        gettext_noop("by mail"), gettext_noop("client id"),
        gettext_noop("devices"), gettext_noop("email"), gettext_noop("ends at"), gettext_noop("expires at"),
        gettext_noop("format"), gettext_noop("from"), gettext_noop("filters"), gettext_noop("is enabled"),
        gettext_noop("is machine"), gettext_noop("is staff"), gettext_noop("key"), gettext_noop("kinds"),
        gettext_noop("max life days"), gettext_noop("max tokens"), gettext_noop("method"), gettext_noop("name"),
        gettext_noop("networks"), gettext_noop("number"), gettext_noop("overlap hours"),
        gettext_noop("pause unused days"), gettext_noop("role"), gettext_noop("rule"), gettext_noop("rules"),
        gettext_noop("scope"), gettext_noop("scopes"), gettext_noop("stage"), gettext_noop("to"),
        gettext_noop("token"), gettext_noop("toolkit"), gettext_noop("toolkits"), gettext_noop("tools"),
        gettext_noop("unused since"), gettext_noop("url"), gettext_noop("values"), gettext_noop("visibility"),
        gettext_noop("what"),
    )
}  # fmt: skip


# What acts where nobody did, as events keep it.
JOBS = frozenset({
    gettext_noop("account opened"), gettext_noop("client id metadata document"), gettext_noop("hub"),
    gettext_noop("policy"), gettext_noop("reminders"), gettext_noop("sweep"), gettext_noop("unexpected use"),
    gettext_noop("user saved"), gettext_noop("webhooks"),
})  # fmt: skip


def actions_of(group: str) -> list[str]:
    return [action for action in Action.values if action.startswith(f"{group}.")]


def events_of(account: Account, user: User) -> Listing[Event]:
    """Return what happened in the account as far as the person may know, and what is the person's own.

    That belongs to no account: signing in, a calendar feed.
    """
    in_account = events_in(account, user)
    return replace(in_account, sources=[*in_account.sources, Event.objects.filter(of_nobody_else(user))])


def of_nobody_else(user: User) -> Q:
    return Q(account_id=None, subject_kind="user", subject_id=str(user.pk))


def events_in(account: Account, user: User) -> Listing[Event]:
    """Return all events of the account to who may see its activity, to others those that concern them."""
    listing: Listing[Event] = Listing([Event.objects.filter(account_id=account.pk)])
    return listing if account.lets(user, Act.SEE_ACTIVITY) else listing.where(concerning(user))


def concerning(user: User) -> Q:
    """Match what the person did, and what was done to them, their tokens and their connections."""
    theirs = Q(actor_kind=ActorKind.USER, actor_id=str(user.pk)) | Q(subject_kind="user", subject_id=str(user.pk))
    for model in (DelegatedToken, Connection):
        own = model._default_manager.filter(owner=user)
        ids = own.annotate(written=Cast("pk", CharField())).values("written")
        theirs |= Q(subject_kind=model._meta.model_name, subject_id__in=ids)
    return theirs


def public_ids(events: Iterable[Event]) -> dict[str, str]:
    """Return the public ids of the tokens among the subjects, by their primary keys: their pages are named by them."""
    pks = [event.subject_id for event in events if event.subject_kind == "delegatedtoken"]
    found = DelegatedToken.objects.filter(pk__in=pks).values_list("pk", "public_id")
    return {str(pk): public_id for pk, public_id in found}


@dataclass(frozen=True, slots=True)
class Change:
    """One value that an act changed; None on a side where there was none."""

    name: str
    before: str | None
    after: str | None


def changes(event: Event) -> Iterator[Change]:
    """Return what the act changed, value by value, in words."""
    for name in dict.fromkeys([*event.before, *event.after]):
        before, after = (written(side[name]) if name in side else None for side in (event.before, event.after))
        yield Change(gettext(NAMES[name]) if name in NAMES else name.replace("_", " "), before, after)


def written(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, dict):
        return "; ".join(f"{key}: {written(each)}" for key, each in value.items()) or gettext("none")
    if isinstance(value, list):
        return ", ".join(map(written, value)) or gettext("none")
    return gettext("none") if value in (None, "") else _moment(str(value))


def _moment(text: str) -> str:
    """Write what is a moment with a zone on the person's clock."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return text
    is_moment = moment and timezone.is_aware(moment)
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT") if is_moment else text


def exposed(events: Iterable[Event], user: User, now: datetime) -> dict[str, DelegatedToken]:
    """Return the tokens that were sent in a URL, live on, and may be revoked by the person; by their primary keys."""
    pks = {event.subject_id for event in events if event.action == Action.TOKEN_IN_URL}
    living = DelegatedToken.objects.visible_to(user).living(now).filter(pk__in=pks) if pks else ()
    return {str(token.pk): token for token in living}


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the page tells it: where its subject is, what changed, and where one may revoke what was exposed."""

    event: Event
    path: str
    changes: list[Change]
    revoke_path: str = ""

    @property
    def who(self) -> str:
        """Return who acted; a job of ours by its name in the language of the page."""
        label = self.event.actor_label
        return gettext(label) if self.event.actor_kind == ActorKind.SYSTEM and label in JOBS else label

    @property
    def reason(self) -> str:
        """Return why, in the language of the page as far as it is a reason of ours."""
        return gettext(self.event.reason) if self.event.reason else ""

    @property
    def subject(self) -> str:
        """Return what the address says to be about this subject alone."""
        return f"{self.event.subject_kind}:{self.event.subject_id}" if self.event.subject_id else ""


def told(events: list[Event], user: User, now: datetime) -> list[Told]:
    tokens, in_urls = public_ids(events), exposed(events, user, now)
    return [Told(event, _path(event, tokens), list(changes(event)), _revoke_path(event, in_urls)) for event in events]


def _revoke_path(event: Event, in_urls: dict[str, DelegatedToken]) -> str:
    token = in_urls.get(event.subject_id) if event.action == Action.TOKEN_IN_URL else None
    return reverse("token_revoke", args=[token.public_id]) if token else ""


def _path(event: Event, tokens: dict[str, str]) -> str:
    """Return the page of the subject where its address follows from the event."""
    if public_id := event.subject_kind == "delegatedtoken" and tokens.get(event.subject_id):
        return f"/tokens/{public_id}/"
    return ""
