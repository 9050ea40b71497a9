"""What the tests of whole browser flows share: a person's browser, and a client that is told to go on line by line."""

import contextlib
import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.utils import timezone

from profiles.models import Toolkit, User
from tests import cast
from tests.clients.conftest import Ready
from tests.security import pages
from tests.upstreams import wait_for
from tokens.models import AccessToken, Application, Connection, OAuthSession, RefreshToken

TOOLS = ["echo__echo", "echo__fail", "nexus_status"]
USED = {"tools": TOOLS, "said": "hällo", "failed": True}


@dataclass
class Desk:
    """A folder in which clients run, and what they start when they want a browser."""

    folder: pathlib.Path

    def __post_init__(self) -> None:
        self.program.write_text(f"#!/bin/sh\n{self.opening}\n")
        self.program.chmod(0o700)

    @property
    def opening(self) -> str:
        """Note the address, for a browser that is driven elsewhere."""
        return f'printf %s "$1" >{self.address_file}.new && mv {self.address_file}.new {self.address_file}'

    @property
    def program(self) -> pathlib.Path:
        return self.folder / "browser"

    @property
    def address_file(self) -> pathlib.Path:
        return self.folder / "address"

    @property
    def log_file(self) -> pathlib.Path:
        return self.folder / "browser.log"

    @property
    def environment(self) -> dict[str, str]:
        return {"BROWSER": str(self.program), "HOME": str(self.folder), "PATH": "/usr/bin:/bin", "NO_PROXY": "*"}

    def address(self) -> str:
        """Wait for the address that a client wants opened, and return it once."""
        wait_for(self.address_file.exists, "the address to open")
        address = self.address_file.read_text()
        self.address_file.unlink()
        return address

    @contextlib.contextmanager
    def starts(self, *command: object, **environment: str) -> Iterator["Program"]:
        """Start a client; whatever went wrong in it or in the browser is told."""
        with (self.folder / "client.log").open("wb") as log:
            process = subprocess.Popen(
                [*map(str, command)], env=self.environment | environment, cwd=self.folder, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        program = Program(process, self)
        try:
            yield program
        finally:
            program.end()

    def runs(self, *command: object, **environment: str) -> str:
        """Let a client run to its end; return what it printed."""
        with self.starts(*command, **environment) as program:
            assert program.process.stdout
            printed = program.process.stdout.read()
        assert program.process.returncode == 0, f"{printed}\n{self.complaint()}"
        return printed

    def complaint(self) -> str:
        files = (self.folder / "client.log", self.log_file)
        return "\n".join(f"{file.name}: {file.read_text()[-4000:]}" for file in files if file.exists())


@dataclass
class Person(Desk):
    """Somebody at the desk who is signed in and presses Allow."""

    toolkit: Toolkit
    cookie: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.visits_file.touch()

    @property
    def visits_file(self) -> pathlib.Path:
        return self.folder / "visits"

    @property
    def opening(self) -> str:
        """Go on alone, like a real browser, whose launcher returns at once."""
        told = {
            "NEXUS_COOKIE": self.cookie, "NEXUS_TOOLKIT": str(self.toolkit.pk), "NEXUS_VISITS": str(self.visits_file)
        }  # fmt: skip
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items())
        command = shlex.join([sys.executable, "-I", str(pathlib.Path(__file__).with_name("browser.py"))])
        return f'{exports}\n{command} "$1" >>{shlex.quote(str(self.log_file))} 2>&1 </dev/null &'

    @property
    def visits(self) -> list[dict]:
        """Return the consents that were given, oldest first."""
        return [json.loads(line) for line in self.visits_file.read_text().splitlines()]


@dataclass
class Program:
    process: "subprocess.Popen[str]"
    desk: Desk

    def says(self) -> dict:
        """Return the next line that it prints."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.desk.complaint()
        said: dict = json.loads(line)
        return said

    def told(self, line: object) -> dict:
        """Tell it something, and return what it says then."""
        self.tell(line)
        return self.says()

    def tell(self, line: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)


def person(owner: User, folder: pathlib.Path) -> Person:
    session = pages.browser(owner).cookies[settings.SESSION_COOKIE_NAME].value
    toolkit = Toolkit.objects.get(account=owner.personal_account, alias="work")
    return Person(folder, toolkit, f"{settings.SESSION_COOKIE_NAME}={session}")


def end_access_tokens(ready: Ready) -> None:
    """Let every access token end by its row, an hour early."""
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    ready.live.meet()


def disconnect() -> None:
    Connection.objects.get(revoked_at=None).revoke(by=cast.OPERATOR, now=timezone.now())


def connected() -> list[tuple[str, str, str]]:
    """Return the living connections: how the client is registered, its kind, and the toolkit."""
    rows = Connection.objects.living().order_by("pk")
    return list(rows.values_list("application__registration_source", "application__client_type", "toolkit__alias"))


def sessions() -> tuple[int, int, int]:
    """Return how many clients registered, how many sessions began, and how many refresh tokens were given."""
    return (
        Application.objects.filter(registration_source="dcr").count(),
        OAuthSession.objects.count(),
        (RefreshToken.objects.count()),
    )


def asked_for(visit: dict) -> dict[str, str]:
    """Return what a client asked the authorization endpoint for."""
    return {name: values[0] for name, values in parse_qs(urlsplit(visit["asked"]).query).items()}
