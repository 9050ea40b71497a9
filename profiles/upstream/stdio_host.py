"""How the stdio host of this machine is, asked over its socket."""

import http.client
import socket
from pathlib import Path

import msgspec
from django.utils import translation
from django.utils.translation import gettext_noop

PATIENCE = 1.0  # seconds
UNCONFINED = gettext_noop(
    "This machine offers neither Landlock nor user namespaces, so that stdio servers can read what Nexus keeps in its "
    "data directory. Offer only programs that you trust, or use Linux 5.13 or later with Landlock."
)


class Status(msgspec.Struct, frozen=True):
    """How many servers run, and what hides the data directory from them: "landlock", "namespace" or "none"."""

    running: int
    confinement: str

    @property
    def warning(self) -> str:
        return translation.gettext(UNCONFINED) if self.confinement == "none" else ""


class Connection(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def status(path: Path) -> Status | None:
    """Return None if the host does not answer."""
    connection = Connection(path)
    try:
        connection.request("GET", "/")
        return msgspec.json.decode(connection.getresponse().read(), type=Status)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
