"""Refusals in plain words, each with the way out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlencode

from django.urls import reverse

from activity.models import Call


@dataclass(frozen=True, slots=True)
class Way:
    """What happened, what to do, and where."""

    text: str
    fix: str
    label: str = ""
    page: str = ""  # the name of an address: token, install, toolkits


OTHER = Way("A call was refused", "Look at the call on Activity: it says why.")
WAYS = {
    "expired": Way(
        "It showed a token that has expired", "Make a new token, and put it in its place.", "New token", "install"
    ),
    "revoked": Way(
        "It showed a token that was revoked", "Make a new token, and put it in its place.", "New token", "install"
    ),
    "owner gone": Way(
        "It showed a token whose owner has left", "Somebody who may use the toolkit has to make a new one."
    ),
    "toolkit deleted": Way(
        "It showed a token of a toolkit that is deleted", "Choose another toolkit, and make a token for it."
    ),
    "paused": Way("It showed a token that is paused", "Resume the token.", "Look at the token", "token"),
    "toolkit paused": Way("Its toolkit is paused", "An admin of the account can resume it.", "Toolkits", "toolkits"),
    "toolkit archived": Way(
        "Its toolkit is archived", "An admin of the account can restore it.", "Toolkits", "toolkits"
    ),
    "account paused": Way("Its account is paused", "Who manages the account can resume it, in Settings."),
    "not assigned": Way("Its toolkit is not assigned to you", "Ask an admin of the account to assign it."),
    "cap reached": Way("It used up the calls that its token was made for", "Make a new token.", "New token", "install"),
    "names": Way(
        "Its token is for another toolkit than its address names",
        "Copy the MCP URL of this page, or make a token for that toolkit.",
    ),
    "from": Way(
        "It came from an address that its token does not allow",
        "Make a token without this limit, or call from where it is allowed.",
        "New token",
        "install",
    ),
    "Send the header Content-Type": Way(
        "It did not say that it sends JSON (415)", "Add the header Content-Type: application/json."
    ),
    "This session is not known": Way(
        "It spoke of a session that is not known (404)", "Restart the client: it begins a new session by itself."
    ),
}
STRANGERS = {
    "no_credentials": Way(
        "A request came without a token (401)",
        "A client that signs in by browser begins so. One with a token has to send Authorization: Bearer nxs_…",
    ),
    "unknown_token": Way(
        "A request came with a token that is not known here (401)",
        "Copy the token again, whole; and do not write “Bearer” twice.",
    ),
    "malformed_credentials": Way(
        "A request sent its token in the wrong place (400)",
        "Send it in the header Authorization: Bearer nxs_…, not in the address or the body.",
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
            way = Way("A request could not be read", call.reason) if call.outcome == Call.Outcome.FAILED else OTHER
        who = f"{call.token_name}, from {call.address}" if call.address else call.token_name
        return cls(call.at, way.text, way.fix, who, way.label, _address(way.page, call))

    @classmethod
    def of_stranger(cls, refusal: str, at: datetime, address: str) -> Self | None:
        """Return a refusal that belongs to nobody known; None for what no client could mend."""
        way = STRANGERS.get(refusal)
        return cls(at, way.text, way.fix, f"from {address}, where you are too") if way else None


def _address(page: str, call: Call) -> str:
    if page == "token" and call.has_page:
        return reverse("token", args=[call.token_public_id])
    if page == "install":
        return f"{reverse('install')}?{urlencode({'profile': call.toolkit_alias, 'name': call.token_name})}"
    return reverse(page) if page and page != "token" else ""
