"""What is asked of a server, as whom, and what the older and the modern era make of it."""

from collections.abc import Callable

import msgspec

from profiles.upstream import wire
from profiles.upstream.answers import OnMessage
from profiles.upstream.heads import LEGACY, MODERN
from profiles.upstream.wire import Members

CALL_TIMEOUT = 120.0  # seconds
LIST_TIMEOUT = 20.0
ENVELOPE = "io.modelcontextprotocol/"
VERSION_KEY = f"{ENVELOPE}protocolVersion"
CAPABILITIES_KEY = f"{ENVELOPE}clientCapabilities"
CLIENT_KEY = f"{ENVELOPE}clientInfo"
LEVEL_KEY = f"{ENVELOPE}logLevel"
CLIENT = b'{"name":"nexus","version":"1"}'


class Principal(msgspec.Struct, frozen=True):
    """Whose session of an older server this is, and as whom it is opened; sessions of two keys are never shared."""

    key: str = ""
    version: str = LEGACY
    capabilities: bytes = b"{}"
    client: bytes = CLIENT
    level: str = ""  # of logging, if the client chose one
    keeps_ids: bool = False  # one client's own session: its ids are used as they are, by every process


NOBODY = Principal()


def envelope(capabilities: bytes = b"{}", client: bytes = CLIENT, level: str = "") -> Members:
    """Return the members of _meta that every request of the modern era carries."""
    members = {
        VERSION_KEY: msgspec.Raw(wire.encode(MODERN)),
        CAPABILITIES_KEY: msgspec.Raw(capabilities),
        CLIENT_KEY: msgspec.Raw(client),
    }
    return members | ({LEVEL_KEY: msgspec.Raw(wire.encode(level))} if level else {})


PLAIN_ENVELOPE = envelope()
PLAIN_META = msgspec.Raw(wire.encode(PLAIN_ENVELOPE))


class Ask(msgspec.Struct):
    """A request on its way to a server.

    `envelope` is None where the params carry that of the modern era already. `name` goes into Mcp-Name, `head` and
    `mirrored` are more header lines. `timeout` (seconds) is for the whole answer; None for a stream that stays open.
    `last_look` runs immediately before the first byte is sent, and what it raises goes to the caller.
    """

    method: str
    params: Members
    id: bytes = b""
    name: str = ""
    principal: Principal = NOBODY
    envelope: Members | None = None
    head: bytes = b""
    mirrored: bytes = b""
    timeout: float | None = CALL_TIMEOUT
    last_look: Callable[[], None] | None = None
    on_message: OnMessage | None = None

    def modern_params(self) -> bytes:
        if self.envelope is None:
            return wire.encode(self.params)
        if "_meta" not in self.params:
            meta = PLAIN_META if self.envelope is PLAIN_ENVELOPE else msgspec.Raw(wire.encode(self.envelope))
        else:
            meta = msgspec.Raw(wire.encode(wire.members_decoder.decode(self.params["_meta"]) | self.envelope))
        return wire.encode({**self.params, "_meta": meta})

    def older_params(self) -> bytes:
        """Leave out of _meta what only the modern era knows; older servers refuse requests that carry it."""
        raw = self.params.get("_meta")
        if raw is None or ENVELOPE.encode() not in bytes(raw):
            return wire.encode(self.params)
        meta = wire.members_decoder.decode(raw)
        kept = {key: value for key, value in meta.items() if not key.startswith(ENVELOPE)}
        others = {key: value for key, value in self.params.items() if key != "_meta"}
        return wire.encode({**others, "_meta": msgspec.Raw(wire.encode(kept))} if kept else others)
