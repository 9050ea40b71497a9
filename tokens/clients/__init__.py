"""The clients that Install knows: one TOML file each in data/, read once."""

import tomllib
from functools import cache
from pathlib import Path

from tokens.clients.model import Auth, Client, Group, SetUp

DATA = Path(__file__).parent / "data"
ANY = "any"  # whatever speaks MCP

__all__ = ["ANY", "Auth", "Client", "Group", "SetUp", "every", "grouped", "named"]


@cache
def every() -> dict[str, Client]:
    """Return all clients by their slugs, as the page lists them."""
    read = [Client.read(path.stem, tomllib.loads(path.read_text())) for path in DATA.glob("*.toml")]
    return {client.slug: client for client in sorted(read, key=lambda client: client.place)}


def named(slug: str) -> Client | None:
    return every().get(slug)


def grouped() -> list[tuple[Group, list[Client]]]:
    clients = every().values()
    return [(group, [client for client in clients if client.group is group]) for group in Group]
