"""Starts the stdio host as a process of its own, and speaks to it as the hub does."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx2

from tests.servers import end_with_parent
from tests.upstreams import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = [sys.executable, str(pathlib.Path(__file__).with_name("stdio_server.py"))]
TIME = [sys.executable, "-m", "mcp_server_time"]
CAPABLE = {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}}
CLIENT = {"name": "test", "version": "1", "title": "Kept as it is"}
LIMIT = 30  # seconds

# Programs that start another on a machine that offers less: most containers allow no user namespaces.
WITHOUT_NAMESPACES = (
    "unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh",
)  # fmt: skip
WITHOUT_LANDLOCK = (sys.executable, str(pathlib.Path(__file__).with_name("without_landlock.py")))


@contextlib.contextmanager
def running_host(folder: pathlib.Path, *options: object, prefix: tuple[str, ...] = ()) -> Iterator[pathlib.Path]:
    """Yield the socket of a host that hides the folder; the prefix is a program that starts it in another way."""
    path = folder / "run" / "stdio.sock"
    environment = {**os.environ, "NEXUS_SECRET_KEY": "must-not-be-inherited", "DATABASE_URL": "must-not-be-either"}
    command = [*prefix, sys.executable, "-m", "nexus.hub.stdio_host", path, "--hide", folder, *options]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        host = subprocess.Popen(
            [str(word) for word in command], cwd=ROOT, env=environment, stderr=log, preexec_fn=end_with_parent
        )
    try:
        wait_for(lambda: path.exists() or host.poll() is not None, "the stdio host", seconds=LIMIT)
        assert host.poll() is None
        yield path
    finally:
        host.terminate()
        assert host.wait(10) is not None


def listener_at(path: pathlib.Path) -> int:
    """Return the process that listens at the path."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        return int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), sys.byteorder)


class Talk:
    """One client of one command. `number` is that of its session, once it is open."""

    def __init__(self, http: httpx2.AsyncClient, command: list[str]) -> None:
        self.http = http
        self.command = {"nexus-command": json.dumps(command)}
        self.number = ""

    @property
    def headers(self) -> dict[str, str]:
        return self.command | ({"mcp-session-id": self.number} if self.number else {})

    async def open(self, capabilities=None) -> dict:
        """Open a session and return how the server introduces itself."""
        hello = {"protocolVersion": "2025-06-18", "capabilities": capabilities or {}, "clientInfo": CLIENT}
        answer = await self.post({"id": 0, "method": "initialize", "params": hello})
        assert answer.status_code == 200, answer.text
        self.number = answer.headers["mcp-session-id"]
        assert (await self.tell("notifications/initialized")).status_code == 202
        return answer.json()["result"]

    async def post(self, message: dict | bytes) -> httpx2.Response:
        content = message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
        return await self.http.post("/", content=content, headers=self.headers)

    async def request(self, method: str, params=None, number=1) -> httpx2.Response:
        return await self.post({"id": number, "method": method, "params": params or {}})

    async def result(self, method: str, params=None, number=1) -> dict:
        answer = await self.request(method, params, number)
        assert answer.status_code == 200, answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):  # the server said something before it
            return json.loads(answer.text.rstrip().rpartition("data: ")[2])["result"]
        return answer.json()["result"]

    async def tell(self, method: str, params=None) -> httpx2.Response:
        return await self.post({"method": method, "params": params or {}})

    async def end(self) -> httpx2.Response:
        return await self.http.delete("/", headers=self.headers)

    @contextlib.asynccontextmanager
    async def streaming(self, method: str, params=None, number=1) -> AsyncIterator["Events"]:
        """Ask, and yield the events of the answer."""
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
        async with self.http.stream("POST", "/", content=body, headers=self.headers) as response:
            yield Events(response)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Events"]:
        async with self.http.stream("GET", "/", headers=self.headers) as response:
            yield Events(response)


class Events:
    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> dict | None:
        """Return the next message; None when the stream is over."""
        async for line in self._lines:
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
        return None


@contextlib.asynccontextmanager
async def speaking(path: pathlib.Path) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=LIMIT) as http:
        yield http
