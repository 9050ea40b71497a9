from dataclasses import dataclass, field
from datetime import date
from enum import Enum, StrEnum
from typing import Any, Self

from django.utils.translation import gettext, gettext_noop

from tokens.clients.filling import SLOT, Facts, fill


class Auth(StrEnum):
    """How a client proves on whose behalf it calls."""

    BROWSER = "browser"
    TOKEN = "token"  # noqa: S105


class Group(Enum):
    """The headings under which the cards stand, in this order."""

    COMPUTER = gettext_noop("On your computer")
    CHAT = gettext_noop("Chat applications")
    AUTOMATION = gettext_noop("Automation")
    CODE = gettext_noop("Your own code")
    API = gettext_noop("Model APIs")
    CI = "CI"


@dataclass(frozen=True, slots=True)
class SetUp:
    """One way to set a client up: a text to copy, or steps to take with values to copy."""

    auth: Auth
    label: str
    language: str = ""
    file: str = ""
    text: str = ""
    steps: list[str] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, said: dict[str, Any]) -> Self:
        pairs = [(label, value) for label, value in said.get("fields", [])]
        return cls(**{**said, "auth": Auth(said["auth"]), "fields": pairs})

    def filled(self, facts: Facts, values: dict[str, str]) -> Self:
        """Return it with the address and the names of a toolkit in it."""
        return type(self)(
            self.auth,
            self.label,
            self.language,
            fill(self.file, facts, values),
            fill(self.text, facts, values).strip("\n") + "\n" if self.text else "",
            [fill(step, facts, values) for step in self.steps],
            [(label, fill(value, facts, values)) for label, value in self.fields],
        )

    @property
    def download(self) -> str:
        """Return the name under which a browser saves it."""
        return self.file.rpartition("/")[2].lstrip(".")

    @property
    def parts(self) -> list[str]:
        """Return the text around the places where a token goes."""
        return self.text.split(SLOT)

    @property
    def has_slot(self) -> bool:
        return SLOT in self.text or any(SLOT in value for _, value in self.fields)

    @property
    def pairs(self) -> list[tuple[str, list[str]]]:
        return [(label, value.split(SLOT)) for label, value in self.fields]


@dataclass(frozen=True, slots=True)
class Client:
    """A program that calls tools, and all that Install says of it."""

    slug: str
    label: str
    group: Group
    auth: list[Auth]  # the first is proposed
    set_ups: list[SetUp]
    needs_public: list[Auth] = field(default_factory=list)  # so set up, it calls from its vendor's machines
    rank: int = 50
    reads_environment: bool = False  # its set-up names the variable NEXUS_TOKEN
    note: str = ""
    token_note: str = ""
    trial: str = ""  # how to see that it works
    words: str = ""  # found by the search too
    link: dict[str, str] = field(default_factory=dict)  # label, and an address that holds no secret
    values: dict[str, str] = field(default_factory=dict)
    ends: date | None = None
    ends_note: str = ""
    successors: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, slug: str, said: dict[str, Any]) -> Self:
        """Return the client that a file describes; raise where the file says what nobody knows."""
        parsed: dict[str, Any] = {
            "group": Group[said.pop("group").upper()],
            "auth": [Auth(name) for name in said.pop("auth")],
            "needs_public": [Auth(name) for name in said.pop("needs_public", [])],
            "set_ups": [SetUp.read(entry) for entry in said.pop("setup")],
        }
        return cls(slug, **parsed, **said)

    @property
    def place(self) -> tuple[int, int, str]:
        return list(Group).index(self.group), self.rank, self.label.lower()

    @property
    def badge(self) -> str:
        if len(self.auth) > 1:
            return gettext("Browser or token")
        return gettext("Token") if self.takes(Auth.TOKEN) else gettext("Browser")

    @property
    def icon(self) -> str:
        return "plug-connected" if len(self.auth) > 1 else {Auth.BROWSER: "world", Auth.TOKEN: "key"}[self.auth[0]]

    def takes(self, auth: Auth) -> bool:
        return auth in self.auth

    def why_not(self, auth: Auth) -> str:
        """Return why this way is closed; empty where it is open."""
        if self.takes(auth):
            return ""
        if auth is Auth.TOKEN:
            return gettext("%(client)s has no place to put a token.") % {"client": self.label}
        return gettext("%(client)s does not sign in by browser.") % {"client": self.label}

    def filled(self, facts: Facts, auth: Auth) -> list[SetUp]:
        return [set_up.filled(facts, self.values) for set_up in self.set_ups if set_up.auth is auth]

    def address(self, facts: Facts) -> str:
        """Return the address that opens the client with the set-up in it; empty where it has none."""
        return fill(self.link.get("href", ""), facts, self.values)
