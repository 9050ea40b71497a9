"""A live Nexus: the real server as a process of its own, on the database of the tests, spoken to over sockets."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
from django.conf import settings
from django.db import connections

from profiles.models import Toolkit
from tests.servers import end_with_parent
from tests.upstreams import wait_for
from tokens import keys
from tokens.models import Authority, AuthorityChange, HubProcess, Issued

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclass
class Live:
    base: str
    folder: pathlib.Path
    process: "subprocess.Popen[bytes]"
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(trust_env=False, timeout=30))

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.base)
        return parts.hostname or "", parts.port or 80

    @property
    def log(self) -> str:
        return (self.folder / "web.log").read_text(errors="replace")

    def url(self, toolkit: Toolkit) -> str:
        return f"{self.base}/hub/mcp?accountId={toolkit.account_id}&profile={toolkit.alias}"

    def request(self, method: str, path: str, **options) -> httpx2.Response:
        return self.client.request(method, path if path.startswith("http") else self.base + path, **options)

    def call(self, secret: Issued | str | None, method="tools/list", params=None, *, url="/hub/mcp", headers=None):
        """Send one JSON-RPC request in the plainest form, as curl would."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method} | ({"params": params} if params is not None else {})
        text = secret.key.text if isinstance(secret, Issued) else secret
        sent = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {text}"} if text else {})
        return self.request("POST", url, content=json.dumps(message), headers=sent | (headers or {}))

    def tool(self, secret: Issued | str, name: str, arguments=None, **options) -> httpx2.Response:
        return self.call(secret, "tools/call", {"name": name, "arguments": arguments or {}}, **options)

    def raw(self, data: bytes) -> tuple[int, bytes]:
        """Send bytes as they are; return the status (0 for none) and all that came back."""
        with socket.create_connection(self.address, timeout=10) as connection:
            with contextlib.suppress(ConnectionError):  # it may have refused before it has all
                connection.sendall(data)
            received = b""
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(65536):
                    received += part
        return (int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/") else 0), received

    def meet(self) -> None:
        """Make it forget what it knew of a database that was emptied since, and wait until it has.

        Between tests the tables are emptied, which no running installation sees: its epoch would start anew.
        """
        Authority.objects.update_or_create(pk=1, defaults={"epoch": time.time_ns() // 1000})
        epoch = Authority.objects.advance(AuthorityChange.Scope.TOKEN, ["0"])
        if connections["default"].vendor == "postgresql":
            known = HubProcess.objects.filter(confirmed_epoch__gte=epoch)
            wait_for(known.exists, "the hub's confirmation of the epoch")
        wait_for(self._takes_guesses, "the end of the guesses of another test")

    def _takes_guesses(self) -> bool:
        headers = {"Authorization": f"Bearer {keys.make(keys.Kind.DELEGATED).text}"}
        return self.request("GET", "/hub/token/verify", headers=headers).status_code != 429

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(15)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(folder: pathlib.Path, port: int, **more: str) -> dict[str, str]:
    """Return what the process is told: the databases of the tests, the same keys, a folder of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "REDIS_URL") if name in os.environ}
    default = connections["default"]
    if default.vendor == "postgresql":
        host = default.settings_dict["HOST"] or os.environ["DATABASE_URL"].partition("host=")[2]
        kept["DATABASE_URL"] = f"postgresql://postgres@/{default.settings_dict['NAME']}?host={host}"
    else:
        for alias, name in (("default", "nexus.sqlite3"), ("activity", "activity.sqlite3")):
            (folder / name).symlink_to(connections[alias].settings_dict["NAME"])
    return kept | {
        "NEXUS_DATA_DIR": str(folder),
        "NEXUS_SECRET_KEY": settings.SECRET_KEY,
        "NEXUS_FIELD_KEYS": ",".join(settings.NEXUS_FIELD_KEYS),
        "NEXUS_BASE_URL": f"http://localhost:{port}",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def start(folder: pathlib.Path, **more: str) -> Live:
    port = free_port()
    told = environment(folder, port, **more)
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"], cwd=ROOT, env=told, check=True
    )
    command = [
        sys.executable, "-m", "uvicorn", "nexus.asgi:application", "--host", "127.0.0.1", "--port", str(port),
        "--loop", "uvloop", "--http", "nexus.bounded_http:BoundedProtocol", "--no-access-log", "--no-server-header",
        "--no-proxy-headers", "--timeout-graceful-shutdown", "2", "--lifespan", "on",
    ]  # fmt: skip
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=told, stdout=log, stderr=log, preexec_fn=end_with_parent, start_new_session=True
        )
    live = Live(f"http://localhost:{port}", folder, process)

    def answers() -> bool:
        assert process.poll() is None, f"Nexus did not start:\n{live.log[-3000:]}"
        with contextlib.suppress(httpx2.TransportError):
            return live.request("GET", "/healthz").status_code == 200
        return False

    wait_for(answers, "the live Nexus", seconds=40)
    return live


@contextlib.contextmanager
def running_live() -> Iterator[Live]:
    with tempfile.TemporaryDirectory(prefix="nexus-live-") as name:
        live = start(pathlib.Path(name))
        try:
            yield live
        finally:
            live.stop()
