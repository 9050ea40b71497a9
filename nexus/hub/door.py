"""What is answered before anybody has said who they are: foreign hosts, foreign web pages, preflights."""

from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from nexus.hub import replies
from nexus.hub.replies import Reply
from nexus.hub.request import HubRequest
from tokens.oauth.cors import trusted_origins

PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, "
        b"Last-Event-ID, x-nexus-account-id, x-nexus-profile-id, x-civic-account-id, x-civic-profile-id",
    ),
    (b"access-control-max-age", b"600"),
]


class Door:
    def __init__(self) -> None:
        self._origins = trusted_origins()

    def answer(self, request: HubRequest) -> Reply | None:
        """Refuse foreign hosts and origins (DNS rebinding), and answer preflights; None for all else."""
        if not _is_our_host(request.text(b"host")):
            message = "This host name is not one of Nexus's."
            return replies.error(400, replies.INVALID_REQUEST, message, refusal="host", topic="host")
        origin = request.text(b"origin")
        if origin and origin not in self._origins:
            message = (
                "Web pages of this origin may not call Nexus. The operator can allow it with NEXUS_ALLOWED_ORIGINS."
            )
            return replies.error(403, replies.FORBIDDEN, message, refusal="origin", topic="origin")
        if request.method == "OPTIONS":
            return Reply(204, headers=PREFLIGHT)
        return None

    def shown_origin(self, request: HubRequest) -> bytes:
        """Return the origin whose pages may read the answer, if the request comes from one."""
        origin = request.headers.get(b"origin", b"")
        return origin if origin and origin.decode("latin-1") in self._origins else b""


@lru_cache(maxsize=256)
def _is_our_host(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return validate_host(domain, settings.ALLOWED_HOSTS)
