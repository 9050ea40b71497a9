"""The one process of a machine that runs stdio servers, so that all hub workers share them.

`python -m nexus.hub.stdio_host SOCKET` listens on a socket for its own user (mode 0600), and speaks as
`nexus/hub/stdio/application.py` says. It loads neither Django nor the settings: it needs no database, and what it
starts inherits none of the hub's keys.
"""

import argparse
import asyncio
import logging
import os
import socket
import struct
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nexus.hub.stdio import confinement, strays
from nexus.hub.stdio.application import Application
from nexus.hub.stdio.host import Host, Limits

BACKLOG = 1024  # connections that wait to be taken
TIME_FOR_ANSWERS = 1  # seconds that open answers get when the host is told to end
PEER = struct.Struct("3i")  # process, user and group at the other end of a socket


class NoServers(HttpToolsProtocol):
    """Hangs up on the servers themselves: over this socket one could be started that sees more than they may."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        process, _, _ = PEER.unpack(peer)
        super().connection_made(transport)
        if process and not strays.is_outside(process):
            transport.abort()


class Web(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, host: Host) -> None:
        super().__init__(config)
        self._host = host

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._host.hang_up()
        await super().shutdown(sockets)


def main() -> None:
    options = parse()
    path: Path = options.socket
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.umask(0o077)  # the socket, and whatever the servers write, is for this user alone
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("nexus.stdio").setLevel(logging.DEBUG if options.debug else logging.WARNING)
    strays.adopt_orphans()
    found = asyncio.run(confinement.find(options.hide or path.parent, path.parent / "homes"))
    host = Host(found, Limits(options.own_processes, options.shared_idle, options.session_idle))
    config = uvicorn.Config(
        Application(host), http=NoServers, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=TIME_FOR_ANSWERS,
    )  # fmt: skip
    Web(config, host).run(sockets=[listen(path)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nexus.hub.stdio_host")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--hide", type=Path, help="the folder that no server sees; that of the socket by default")
    parser.add_argument("--own-processes", type=int, default=Limits.own_processes)
    parser.add_argument("--shared-idle", type=float, default=Limits.shared_idle, metavar="SECONDS")
    parser.add_argument("--session-idle", type=float, default=Limits.session_idle, metavar="SECONDS")
    parser.add_argument("--debug", action="store_true", help="log what servers write to their standard error")
    options = parser.parse_args()
    if options.hide and options.hide.resolve() not in options.socket.resolve().parents:
        parser.error("the socket must lie in the folder that is hidden")
    return options


def listen(path: Path) -> socket.socket:
    """Return a socket at the path, which is there only when a connection to it is taken."""
    unready = path.with_suffix(".new")
    unready.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(unready))
    listener.listen(BACKLOG)
    unready.rename(path)
    return listener


if __name__ == "__main__":
    main()
