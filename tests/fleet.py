"""Several hub processes on a PostgreSQL and a Redis of their own: these can be stopped, and each process frozen."""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.models import ExpressionWrapper, F, FloatField

from activity.models import Call
from profiles.models import Account, Server, Toolkit, User
from tests import cast
from tests.live import Live, start
from tests.security.pages import browser
from tests.servers import start_postgres, start_redis
from tests.upstreams import Recorder, running_recorder, wait_for
from tokens.models import Issued

HUBS = 3
THREADS_EACH = 2
CALL = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo__echo", "arguments": {"text": "x"}}}
)
CSRF = "c" * 32
NUMBERS = itertools.count(1)


@contextlib.contextmanager
def default_database_in(folder: pathlib.Path) -> Iterator[None]:
    """Let the ORM of this process use the PostgreSQL of this folder, in place of the one of the tests."""
    before = dict(connections["default"].settings_dict)
    try:
        _turn_to(before | {"HOST": str(folder), "NAME": "postgres"})
        yield
    finally:
        _turn_to(before)


def _turn_to(database: dict[str, Any]) -> None:
    connection = connections["default"]
    connection.close()
    connection.close_pool()
    connection.settings_dict.update(database)


@dataclass
class Fleet:
    folder: pathlib.Path
    upstream: Recorder
    postgres: Any
    redis: Any
    hubs: list[Live] = field(default_factory=list)

    def add_hub(self) -> None:
        folder = self.folder / f"hub-{len(self.hubs)}"
        folder.mkdir()
        self.hubs.append(start(folder, REDIS_URL=f"unix://{self.folder}/redis.sock"))

    @contextlib.contextmanager
    def without_redis(self) -> Iterator[None]:
        end(self.redis)
        (self.folder / "redis.sock").unlink(missing_ok=True)
        try:
            yield
        finally:
            self.redis = start_redis(self.folder)

    @contextlib.contextmanager
    def without_postgres(self) -> Iterator[None]:
        connections["default"].close()
        connections["default"].close_pool()
        end(self.postgres)
        try:
            yield
        finally:
            self.postgres = start_postgres(self.folder)

    def stop(self) -> None:
        for hub in self.hubs:
            hub.stop()
        end(self.redis)
        end(self.postgres)


@contextlib.contextmanager
def frozen(hub: Live) -> Iterator[None]:
    """Stop the process where it stands, as a machine that is suspended."""
    os.kill(hub.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(hub.process.pid, signal.SIGCONT)


def end(process: Any) -> None:
    process.send_signal(signal.SIGINT)
    process.wait(15)


@contextlib.contextmanager
def running_fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="nexus-fleet-") as name, running_recorder() as upstream:
        folder = pathlib.Path(name)
        fleet = Fleet(folder, upstream, start_postgres(folder), start_redis(folder))
        try:
            with default_database_in(folder):
                call_command("migrate", verbosity=0)
                for _ in range(HUBS):
                    fleet.add_hub()
            yield fleet
        finally:
            fleet.stop()


@dataclass
class Stage:
    """Of an account: an owner, a member, a toolkit on the recording server, and a token of the member for it."""

    fleet: Fleet
    owner: User
    member: User
    account: Account
    server: Server
    toolkit: Toolkit
    issued: Issued

    @classmethod
    def make(cls, fleet: Fleet) -> "Stage":
        number = next(NUMBERS)
        owner, member = cast.make_user(f"Alice{number}"), cast.make_user(f"Bob{number}")
        account = cast.make_account(f"Acme {number}", owner=owner, member=member)
        server = cast.make_server(url=fleet.upstream.url, account=account)
        toolkit = cast.make_toolkit(account, "work", server, allowed=["echo"])
        return cls(fleet, owner, member, account, server, toolkit, cast.make_token(member, toolkit))

    @property
    def secret(self) -> str:
        return self.issued.key.text

    @property
    def hubs(self) -> list[Live]:
        return self.fleet.hubs

    def press(self, hub: Live, path: str, person: User | None = None) -> "Answered":
        """Send a POST as a person's browser does (the member's, unless said otherwise)."""
        return Browser(person or self.member).post(hub, path)

    def revoke(self, hub: Live, issued: Issued | None = None) -> "Answered":
        token = (issued or self.issued).token
        return self.press(hub, f"/api/v1/tokens/{token.public_id}/revoke")

    def begun_after(self, moment: float) -> list[Call]:
        """Return the accepted calls that Activity has, of which the request came after the moment."""
        lasted = ExpressionWrapper((F("hub_ms") + F("upstream_ms")) / 1000.0, output_field=FloatField())
        accepted = Call.objects.filter(toolkit_id=self.toolkit.pk, outcome="ok").annotate(lasted=lasted)
        return [call for call in accepted if call.at.timestamp() - call.lasted > moment]  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    text: str
    seconds: float
    at: float  # seconds since 1970


class Browser:
    """A browser in which the person is signed in: what it was given before the database went, it keeps."""

    def __init__(self, person: User) -> None:
        cookie = browser(person).cookies[settings.SESSION_COOKIE_NAME].value
        self._headers = {
            "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}; {settings.CSRF_COOKIE_NAME}={CSRF}",
            "X-CSRFToken": CSRF,
            "Content-Type": "application/json",
        }

    def post(self, hub: Live, path: str) -> Answered:
        begun = time.time()
        answer = hub.request("POST", path, content="{}", headers=self._headers)
        at = time.time()
        return Answered(answer.status_code, answer.text, at - begun, at)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client, and its status: 0 if no answer came."""

    secret: str
    begun: float
    status: int


class Flood:
    """Calls to all hubs at once without a pause, with the secrets of the moment, until the block is left."""

    def __init__(self, hubs: list[Live], *secrets: str, threads_each: int = THREADS_EACH) -> None:
        self.secrets = list(secrets)
        self.asked: list[Asked] = []
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(hub, number), name=f"flood-{number}")
            for number, hub in enumerate(hubs * threads_each)
        ]

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)

    def count(self, status: int) -> int:
        return sum(each.status == status for each in list(self.asked))

    def wait_for(self, status: int, count: int) -> None:
        """Return when so many more calls were answered with this status."""
        enough = self.count(status) + count
        wait_for(lambda: self.count(status) >= enough, f"{count} answers {status}")

    def after(self, moment: float, secret: str) -> set[int]:
        """Return the statuses of requests that were sent after the moment."""
        return {each.status for each in self.asked if each.begun > moment and each.secret == secret}

    def _run(self, hub: Live, number: int) -> None:
        connection = http.client.HTTPConnection(*hub.address, timeout=30)
        with contextlib.closing(connection):
            for turn in itertools.count(number):
                if self._is_over.is_set():
                    return
                secrets = self.secrets
                secret = secrets[turn % len(secrets)]
                begun = time.time()
                self.asked.append(Asked(secret, begun, ask(connection, secret)))


def ask(connection: http.client.HTTPConnection, secret: str) -> int:
    try:
        connection.request(
            "POST", "/hub/mcp", CALL, {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return answer.status


def statuses(hubs: list[Live], secret: str) -> list[int]:
    return [hub.tool(secret, "echo__echo").status_code for hub in hubs]


def without_a_lease(hub: Live, secret: str) -> bool:
    """Return True when the hub refuses because it knows nothing; before that, a call has begun and is not recorded."""
    answer = hub.tool(secret, "echo__echo")
    return answer.status_code == 503 and "nothing is allowed now" in answer.text
