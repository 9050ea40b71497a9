"""Refusals in plain words, each with the way out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from activity.models import Call


@dataclass(frozen=True, slots=True)
class Way:
    """What happened, what to do, and where."""

    text: str | Promise
    fix: str | Promise
    label: str | Promise = ""
    page: str = ""  # the name of an address: token, install, toolkits


OTHER = Way(_("A call was refused"), _("Look at the call on Activity: it says why."))
WAYS = {
    "expired": Way(
        _("It showed a token that has expired"),
        _("Make a new token, and put it in its place."),
        _("New token"),
        "install",
    ),
    "revoked": Way(
        _("It showed a token that was revoked"),
        _("Make a new token, and put it in its place."),
        _("New token"),
        "install",
    ),
    "owner gone": Way(
        _("It showed a token whose owner has left"), _("Somebody who may use the toolkit has to make a new one.")
    ),
    "toolkit deleted": Way(
        _("It showed a token of a toolkit that is deleted"), _("Choose another toolkit, and make a token for it.")
    ),
    "paused": Way(_("It showed a token that is paused"), _("Resume the token."), _("Look at the token"), "token"),
    "toolkit paused": Way(
        _("Its toolkit is paused"), _("An admin of the account can resume it."), _("Toolkits"), "toolkits"
    ),
    "toolkit archived": Way(
        _("Its toolkit is archived"), _("An admin of the account can restore it."), _("Toolkits"), "toolkits"
    ),
    "account paused": Way(_("Its account is paused"), _("Who manages the account can resume it, in Settings.")),
    "not assigned": Way(_("Its toolkit is not assigned to you"), _("Ask an admin of the account to assign it.")),
    "cap reached": Way(
        _("It used up the calls that its token was made for"), _("Make a new token."), _("New token"), "install"
    ),
    "names": Way(
        _("Its token is for another toolkit than its address names"),
        _("Copy the MCP URL of this page, or make a token for that toolkit."),
    ),
    "from": Way(
        _("It came from an address that its token does not allow"),
        _("Make a token without this limit, or call from where it is allowed."),
        _("New token"),
        "install",
    ),
    "Send the header Content-Type": Way(
        _("It did not say that it sends JSON (415)"), _("Add the header Content-Type: application/json.")
    ),
    "This session is not known": Way(
        _("It spoke of a session that is not known (404)"), _("Restart the client: it begins a new session by itself.")
    ),
}
STRANGERS = {
    "no_credentials": Way(
        _("A request came without a token (401)"),
        _("A client that signs in by browser begins so. One with a token has to send Authorization: Bearer nxs_…"),
    ),
    "unknown_token": Way(
        _("A request came with a token that is not known here (401)"),
        _("Copy the token again, whole; and do not write “Bearer” twice."),
    ),
    "malformed_credentials": Way(
        _("A request sent its token in the wrong place (400)"),
        _("Send it in the header Authorization: Bearer nxs_…, not in the address or the body."),
    ),
}


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that nearly worked."""

    at: datetime
    text: str
    fix: str
    who: str = ""
    label: str = ""
    href: str = ""

    @classmethod
    def of_call(cls, call: Call) -> Self:
        way = next((way for begin, way in WAYS.items() if call.reason.startswith(begin)), None)
        if way is None:
            way = Way(_("A request could not be read"), call.reason) if call.outcome == Call.Outcome.FAILED else OTHER
        said = {"token": call.token_name, "address": call.address}
        who = gettext("%(token)s, from %(address)s") % said if call.address else call.token_name
        return cls(call.at, str(way.text), str(way.fix), who, str(way.label), _address(way.page, call))

    @classmethod
    def of_stranger(cls, refusal: str, at: datetime, address: str) -> Self | None:
        """Return a refusal that belongs to nobody known; None for what no client could mend."""
        way = STRANGERS.get(refusal)
        who = gettext("from %(address)s, where you are too") % {"address": address}
        return cls(at, str(way.text), str(way.fix), who) if way else None


def _address(page: str, call: Call) -> str:
    if page == "token" and call.has_page:
        return reverse("token", args=[call.token_public_id])
    if page == "install":
        return f"{reverse('install')}?{urlencode({'profile': call.toolkit_alias, 'name': call.token_name})}"
    return reverse(page) if page and page != "token" else ""
