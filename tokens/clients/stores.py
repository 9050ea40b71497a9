"""Where a token is kept: for each secret store a line that saves it, and one that gives it back."""

import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.text import slugify
from django.utils.translation import gettext

from tokens.clients.filling import Facts, fill
from tokens.models import DelegatedToken

LINES = Path(__file__).parent / "stores.toml"


@dataclass(frozen=True, slots=True)
class Store:
    slug: str
    label: str
    save: str
    use: str
    replace: str = ""  # where a second version is saved otherwise than the first


@cache
def _stores() -> list[Store]:
    return [Store(**said) for said in tomllib.loads(LINES.read_text())["store"]]


def stores_for(token: DelegatedToken, facts: Facts) -> list[Store]:
    """Return the lines for this token, under a name of its own in every store."""
    return stores_named(secret_name(token, facts), facts, expires=f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}")


def stores_named(secret: str, facts: Facts, expires: str = "2026-12-31T12:00:00Z") -> list[Store]:
    """Return the lines for a secret of this name."""
    values = {"secret": secret, "expires": expires}
    return [
        Store(
            store.slug,
            gettext(store.label),
            *(fill(text, facts, values) for text in (store.save, store.use, store.replace)),
        )
        for store in _stores()
    ]


def secret_name(token: DelegatedToken, facts: Facts) -> str:
    """Return what every store takes as a name: letters, digits and hyphens."""
    return f"{facts.name}-{slugify(token.name)[:40].strip('-_').replace('_', '-') or token.public_id.lower()}"


def url_line(facts: Facts) -> str:
    """Return the line of an .env file that is no secret; single quotes make it safe for a shell to read."""
    return f"NEXUS_URL={shlex.quote(facts.url)}"
