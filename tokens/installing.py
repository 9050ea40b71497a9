"""What a person has chosen on Install, and what the page says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext

from profiles.models import Account, Authorization, Server, Toolkit, User
from tokens import clients
from tokens.clients import Auth, Client, Group, SetUp
from tokens.clients.filling import Facts
from tokens.clients.reach import has_public_address
from tokens.models import Policy, Rules
from tokens.models.policies import MAX_LIFE

PER_TOKEN = 4  # characters of English or JSON that a language model counts as one token, about


@dataclass(frozen=True)
class Choice:
    """A toolkit, a client, and how that client signs in."""

    toolkit: Toolkit
    client: Client
    auth: Auth

    @classmethod
    def read(cls, said: Mapping[str, str], toolkit: Toolkit, *, last: str) -> Self:
        """Return what a form or an address says; what it cannot mean becomes what is proposed."""
        # Links of mails and refusals name a service, or a life: for a token, whatever the client.
        wants_token = bool(said.get("name") or said.get("life"))
        client = clients.named(said.get("client", "")) or clients.named(clients.ANY if wants_token else last)
        client = client or next(iter(clients.every().values()))
        is_of_another = said.get("of", client.slug) != client.slug  # the way was chosen for the client before
        wanted = Auth.TOKEN if wants_token else "" if is_of_another else said.get("auth")
        return cls(toolkit, client, next((auth for auth in client.auth if auth == wanted), client.auth[0]))

    @classmethod
    def with_token(cls, toolkit: Toolkit, *, last: str) -> Self:
        """Return the last client, if it takes a token; for pages that ask for none."""
        client = clients.named(last)
        known = client if client and client.takes(Auth.TOKEN) else clients.every()[clients.ANY]
        return cls(toolkit, known, Auth.TOKEN)

    @cached_property
    def facts(self) -> Facts:
        return Facts.of(self.toolkit)

    @property
    def set_ups(self) -> list[SetUp]:
        return self.client.filled(self.facts, self.auth)

    @property
    def link(self) -> str:
        """Return the address that opens the client with the toolkit filled in, which starts a sign-in where it can."""
        return "" if self.takes_token and self.client.takes(Auth.BROWSER) else self.client.address(self.facts)

    @property
    def takes_token(self) -> bool:
        return self.auth is Auth.TOKEN

    @property
    def ways(self) -> list[tuple[Auth, str]]:
        """Return both ways to sign in, each with the reason why it is closed."""
        return [(auth, self.client.why_not(auth)) for auth in Auth]

    @property
    def is_out_of_reach(self) -> bool:
        return self.auth in self.client.needs_public and not has_public_address()

    @property
    def is_on_computer(self) -> bool:
        """Return True if nobody can follow its set-up on a phone."""
        return self.client.group is Group.COMPUTER

    @property
    def page(self) -> str:
        """Return the address of Install with this choice made."""
        query = urlencode({"client": self.client.slug, "of": self.client.slug, "auth": self.auth})
        return f"{settings.NEXUS_BASE_URL}{self.toolkit.install_path}&{query}"

    @property
    def letter(self) -> str:
        """Return subject and body of a mail with the page in it, as its address names them (RFC 6068)."""
        subject = gettext("Set up %(client)s with %(toolkit)s") % {"client": self.client.label, "toolkit": self.toolkit}
        return urlencode({"subject": subject, "body": self.page}, quote_via=quote)

    @property
    def has_slot(self) -> bool:
        return any(set_up.has_slot for set_up in self.set_ups)

    @property
    def is_over(self) -> bool:
        """Return True if the client's vendor has switched it off."""
        return self.client.ends is not None and self.client.ends <= timezone.now().date()

    @property
    def successors(self) -> list[Client]:
        return [client for slug in self.client.successors if (client := clients.named(slug))]


@dataclass(frozen=True, slots=True)
class Card:
    """A client as the page lists it."""

    client: Client
    is_chosen: bool
    is_out_of_reach: bool


@dataclass(frozen=True, slots=True)
class Cards:
    """The clients of one kind; unfolded where the chosen one is among them."""

    title: str
    cards: list[Card]

    @property
    def is_open(self) -> bool:
        return any(card.is_chosen for card in self.cards)

    @property
    def names(self) -> str:
        return ", ".join(card.client.label for card in self.cards)


def cards(chosen: Client) -> list[Cards]:
    is_public = has_public_address()
    return [
        Cards(gettext(group.value), [_card(client, chosen, is_public=is_public) for client in members])
        for group, members in clients.grouped()
    ]


def _card(client: Client, chosen: Client, *, is_public: bool) -> Card:
    reaches = is_public or any(auth not in client.needs_public for auth in client.auth)
    return Card(client, client is chosen, not reaches)


@dataclass(frozen=True, slots=True)
class Health:
    """What the page says of the chosen toolkit."""

    failing: list[Server]
    unconnected: list[Server]
    rules: Rules
    context_tokens: int

    @classmethod
    def of(cls, toolkit: Toolkit, user: User, *, now: datetime) -> Self:
        missing = Authorization.objects.missing_for(user, [toolkit], now=now)
        failing = toolkit.servers.filter(removed_at=None).exclude(failed_at=None).order_by("name")
        rules = Policy.objects.rules_of([toolkit])[toolkit.pk]
        return cls(list(failing), missing.get(toolkit.pk, []), rules, context_tokens(toolkit))

    @property
    def is_shortened(self) -> bool:
        return self.rules.max_life < MAX_LIFE


def context_tokens(toolkit: Toolkit) -> int:
    """Return about how many tokens of a model's context the list of tools takes."""
    size = toolkit.allowed_entries().aggregate(size=Sum(Length("tool__definition")))["size"]
    return -(-(size or 0) // PER_TOKEN)


def chosen_among(toolkits: Sequence[Toolkit], wanted: str, account: Account) -> Toolkit | None:
    """Return the toolkit with this id; else the first of the account that has tools, else the next best."""
    named = [toolkit for toolkit in toolkits if str(toolkit.pk) == wanted]
    here = [toolkit for toolkit in toolkits if toolkit.account_id == account.pk]
    usable = [toolkit for toolkit in here if toolkit.allowed_count]
    return next(iter([*named, *usable, *here, *toolkits]), None)


def looks_like_a_phone(headers: Mapping[str, str]) -> bool:
    """Return True if the browser says so: by a client hint, else by the word that those of phones have in common."""
    hint = headers.get("Sec-CH-UA-Mobile", "")
    return hint == "?1" if hint else "Mobi" in headers.get("User-Agent", "")
