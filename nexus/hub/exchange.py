from dataclasses import dataclass

from nexus.hub.methods import Context
from nexus.hub.request import HubRequest
from tokens.lookup import TokenAuthority


@dataclass(slots=True)
class Exchange:
    """A request on its way through the hub, and what has become known of it."""

    request: HubRequest
    authority: TokenAuthority | None = None
    context: Context | None = None
    body: bytes | None = None
    attempt: tuple[str, str] = ("", "")  # method and tool of a refused request
