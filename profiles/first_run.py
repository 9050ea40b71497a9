"""What a new instance has: a person, a toolkit, and a small catalog of servers. Run again, it changes nothing."""

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from profiles.events import Action, Actor, Event
from profiles.models import Server, Toolkit, User
from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError

OPERATOR = Actor.operator("up")
AUTHOR = ["-c", "user.name=Nexus", "-c", "user.email=nexus@example.com", "-c", "commit.gpgsign=false"]
DEMO_FILES = [
    ("README.md", "# Demo\n\nSomething to read for the server “Git”.\n", "Say what this is"),
    ("hello.py", 'print("Hello from the demo repository")\n', "Greet"),
    ("notes.md", "- Ask for the log of this repository through your toolkit.\n", "Add a note"),
]


def prepare(email: str, demo_repository: Path, *, now: datetime) -> User:
    """Make what is missing and return the first person; their servers' tools are listed later."""
    user = User.objects.filter(email__iexact=email).first() or User.objects.create_superuser(email)
    offer("time", "Time", "What time it is, anywhere.", "mcp_server_time", now=now)
    make_demo_repository(demo_repository)
    offer(
        "git", "Git", f"A small demo repository. Its tools ask for repo_path: {demo_repository}",
        "mcp_server_git", "--repository", str(demo_repository), now=now,
    )  # fmt: skip
    return user


def make_demo_repository(folder: Path) -> None:
    program = shutil.which("git")
    if folder.exists() or not program:
        return
    partial = folder.with_name(folder.name + ".new")
    shutil.rmtree(partial, ignore_errors=True)
    run_git(program, partial.parent, "init", "--quiet", "--initial-branch=main", str(partial))
    for name, text, message in DEMO_FILES:
        (partial / name).write_text(text)
        run_git(program, partial, "add", name)
        run_git(program, partial, *AUTHOR, "commit", "--quiet", "--no-verify", f"--message={message}")
    partial.rename(folder)


def run_git(program: str, folder: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL)  # noqa: S603  fixed arguments


def offer(slug: str, name: str, description: str, module: str, *arguments: str, now: datetime) -> None:
    """Put a server into the catalog, once: who removed it does not get it back. Its program may have moved."""
    command = [sys.executable, "-m", module, *arguments]
    servers = Server.objects.filter(slug=slug, account=None)
    if servers.exists():
        servers.living().filter(transport=Server.Transport.STDIO).exclude(command=command).update(command=command)
        return
    server = Server.objects.create(
        slug=slug, name=name, description=description, transport=Server.Transport.STDIO, command=command
    )
    Event.record(Action.SERVER_ADDED, by=OPERATOR, now=now, subject=server)


def list_catalog(user: User, *, now: datetime) -> None:
    """List the tools of servers that were never listed, and allow those of “Time” in the default toolkit."""
    toolkit = Toolkit.objects.get(account=user.personal_account, is_default=True)
    for server in Server.objects.living().filter(account=None, transport=Server.Transport.STDIO, listed_at=None):
        try:
            server.remember_tools(discovery.list_tools(server), now=now)
        except UpstreamError as error:
            server.remember_failure(str(error), now=now)
            continue
        if server.slug == "time":
            names = server.tools.values_list("name", flat=True)
            toolkit.add_server(server, allowed=names, by=OPERATOR, now=now)
