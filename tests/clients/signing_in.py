"""What the tests of whole browser flows share: a person's browser, and a client that is told to go on line by line."""

import contextlib
import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.utils import timezone

from profiles.models import Toolkit, User
from tests import cast
from tests.clients.conftest import Ready
from tests.security import pages
from tokens.models import AccessToken, Application, Connection, OAuthSession, RefreshToken

TOOLS = ["echo__echo", "echo__fail", "nexus_status"]
USED = {"tools": TOOLS, "said": "hällo", "failed": True}


@dataclass
class Person:
    """Somebody signed in to a browser, which clients start by its program's name."""

    ready: Ready
    folder: pathlib.Path
    toolkit: Toolkit
    cookie: str
    visits_file: pathlib.Path = field(init=False)

    def __post_init__(self) -> None:
        self.visits_file = self.folder / "visits"
        self.visits_file.touch()
        told = {
            "NEXUS_COOKIE": self.cookie, "NEXUS_TOOLKIT": str(self.toolkit.pk), "NEXUS_VISITS": str(self.visits_file)
        }  # fmt: skip
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items())
        script = pathlib.Path(__file__).with_name("browser.py")
        command = shlex.join([sys.executable, "-I", str(script)])
        # Like a real one, it goes on by itself and its launcher returns at once.
        text = f'#!/bin/sh\n{exports}\n{command} "$1" >>{shlex.quote(str(self.log_file))} 2>&1 </dev/null &\n'
        self.program.write_text(text)
        self.program.chmod(0o700)

    @property
    def program(self) -> pathlib.Path:
        return self.folder / "browser"

    @property
    def log_file(self) -> pathlib.Path:
        return self.folder / "browser.log"

    @property
    def environment(self) -> dict[str, str]:
        return {"BROWSER": str(self.program), "HOME": str(self.folder), "PATH": "/usr/bin:/bin", "NO_PROXY": "*"}

    @property
    def visits(self) -> list[dict]:
        """Return the consents that were given, oldest first."""
        return [json.loads(line) for line in self.visits_file.read_text().splitlines()]

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
class Program:
    process: "subprocess.Popen[str]"
    person: Person

    def says(self) -> dict:
        """Return the next line that it prints."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.person.complaint()
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


def person(ready: Ready, owner: User, folder: pathlib.Path) -> Person:
    session = pages.browser(owner).cookies[settings.SESSION_COOKIE_NAME].value
    toolkit = Toolkit.objects.get(account=owner.personal_account, alias="work")
    return Person(ready, folder, toolkit, f"{settings.SESSION_COOKIE_NAME}={session}")


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
