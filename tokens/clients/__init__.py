"""The clients that Install knows: one TOML file each in data/, read once for each language."""

import tomllib
from functools import cache, partial
from pathlib import Path

from django.utils.translation import get_language, pgettext

from tokens.clients.model import Auth, Client, Group, SetUp
from tokens.clients.wording import CONTEXT, reworded

DATA = Path(__file__).parent / "data"
ANY = "any"  # whatever speaks MCP

__all__ = ["ANY", "Auth", "Client", "Group", "SetUp", "every", "grouped", "named"]


def every() -> dict[str, Client]:
    """Return all clients by their slugs, as the page lists them, in the language of the reader."""
    return _in_language(get_language())


@cache
def _in_language(language: str | None) -> dict[str, Client]:
    """Return them in the language that is active; it is named to be remembered by."""
    word = partial(pgettext, CONTEXT)
    read = [Client.read(path.stem, reworded(tomllib.loads(path.read_text()), word)) for path in DATA.glob("*.toml")]
    return {client.slug: client for client in sorted(read, key=lambda client: client.place)}


def named(slug: str) -> Client | None:
    return every().get(slug)


def grouped() -> list[tuple[Group, list[Client]]]:
    clients = every().values()
    return [(group, [client for client in clients if client.group is group]) for group in Group]
