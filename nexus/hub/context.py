import msgspec

from nexus.hub.downstream import Downstream
from nexus.hub.protocol import Call
from nexus.hub.sessions import Session
from profiles.resolver import ToolkitView
from profiles.upstream.asking import Principal
from profiles.upstream.wire import Members
from tokens.lookup import TokenAuthority


class Context(msgspec.Struct):
    """One call, what it is allowed, and as whom servers see it."""

    call: Call
    authority: TokenAuthority
    view: ToolkitView
    downstream: Downstream
    principal: Principal
    envelope: Members | None  # None for a call that brings the modern era's own
    session: Session | None = None
    mirrored: bytes = b""  # header lines that repeat arguments, as the client sent them
    server: str = ""
    tool: str = ""
    upstream_ms: float = 0.0


class Changed(Exception):
    """Rights changed between the first look and the last: the call is to be decided again."""
