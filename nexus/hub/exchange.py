from datetime import datetime

import msgspec

from nexus.hub.context import Context
from nexus.hub.downstream import Downstream
from nexus.hub.replies import Reply
from nexus.hub.request import HubRequest, Receive
from tokens.lookup import TokenAuthority


class Exchange(msgspec.Struct):
    """A request on its way through the hub, and what has become known of it."""

    request: HubRequest
    receive: Receive
    downstream: Downstream
    secret: str = ""
    authority: TokenAuthority | None = None
    context: Context | None = None
    body: bytes | None = None
    attempt: tuple[str, str] = ("", "")  # method and tool of a refused request
    opened_at: datetime | None = None  # when its stream began, under a row of its own
    cut: Reply | None = None  # what the client is told, where we ended its stream
    is_only_counted: bool = False  # one refusal too many for a row or a line of the log
