"""Runs a stdio server in its confinement: `python -m nexus.hub.confined TERMS PROGRAM [ARGUMENT…]`.

TERMS is the JSON of `Terms`. What cannot be kept ends the start: nothing runs with less than was promised. Only the
standard library is loaded, because two copies of this process stay beside each server that has namespaces.
"""

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nexus.hub.stdio import kernel, landlock, namespaces

MEGABYTE = 1 << 20
PROCESSES = 256  # of one server, threads included
RESERVED_PIDS = 300  # the kernel hands these numbers out once, and never again
CANNOT_CONFINE = 125  # exit codes, as env(1) and timeout(1) have them
CANNOT_RUN = 126
LIMITS = {
    resource.RLIMIT_DATA: 4096 * MEGABYTE,  # what a process writes to; Node reserves half a GB for each of its workers
    resource.RLIMIT_FSIZE: 1024 * MEGABYTE,
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_CORE: 0,
}


@dataclass(frozen=True)
class Terms:
    """What a server may see: all but `hidden`, and in that the `shown`. `home` is its own, and where it starts."""

    hidden: str
    shown: list[str]
    home: str
    has_landlock: bool
    has_namespaces: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def run(terms: Terms, command: list[str]) -> None:
    """Become the server; with namespaces, stay as the two processes before it, and exit as it does."""
    parent = os.getppid()
    if terms.has_namespaces:
        namespaces.enter()
    end_with_parent(parent)
    if terms.has_namespaces:
        become_first_process()
        namespaces.hide(Path(terms.hidden), map(Path, terms.shown))
        namespaces.limit_processes(RESERVED_PIDS + PROCESSES)
    confine(terms)
    if terms.has_namespaces:
        stay_until_it_ends()
    execute(command, terms.home)


def end_with_parent(parent: int) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(CANNOT_CONFINE)


def become_first_process() -> None:
    """Go on as the first process of the namespaces; the one before waits for it, and they end together."""
    held, living = os.pipe()
    if child := os.fork():
        os.close(held)
        os._exit(exit_code_of(child))
    os.close(living)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.set_blocking(held, False)
    try:
        os.read(held, 1)
    except BlockingIOError:
        os.close(held)
        return
    os._exit(CANNOT_CONFINE)  # the other end is closed: it died before we asked to die with it


def stay_until_it_ends() -> None:
    """Go on as the server in a child; stay as its init, which buries orphans and ends when the server does."""
    if child := os.fork():
        os._exit(exit_code_of(child))


def exit_code_of(child: int) -> int:
    """Wait for the child, burying others on the way; return what a shell would."""
    silence()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def silence() -> None:
    """Let go of the server's pipes, so that they end when the server closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)


def confine(terms: Terms) -> None:
    """Give up for ever what the server may not have. Raise OSError."""
    for limit, most in LIMITS.items():
        _, hard = resource.getrlimit(limit)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (allowed, allowed))
    limit_processes(0 if terms.has_namespaces else tasks_of_this_user())
    Path("/proc/self/oom_score_adj").write_text("1000")  # short of memory, the kernel ends a server and not the hub
    drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if terms.has_landlock:
        landlock.hide(Path(terms.hidden), map(Path, terms.shown))


def limit_processes(already: int) -> None:
    """Bound the user's processes; the kernel counts a user namespace's own, else all that the user has."""
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = already + PROCESSES if hard == resource.RLIM_INFINITY else min(already + PROCESSES, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def drop_capabilities() -> None:
    """Let the server have none, as root too: they would undo the mounts, and read what other processes remember."""
    for capability in range(64):
        with suppress(OSError):  # one that this kernel does not have, or that nobody here can drop
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)


def tasks_of_this_user() -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # it ended meanwhile
    return count


def execute(command: list[str], home: str) -> None:
    os.chdir(home)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  a list, never a shell
    except OSError as error:
        say(f"{command[0]} cannot be run: {error.strerror}")
        os._exit(CANNOT_RUN)


def say(text: str) -> None:
    os.write(2, f"{text}\n".encode(errors="replace"))


def main(arguments: list[str]) -> None:
    terms, command = Terms(**json.loads(arguments[0])), arguments[1:]
    try:
        run(terms, command)
    except OSError as error:
        say(f"It could not be confined: {error}")
        os._exit(CANNOT_CONFINE)


if __name__ == "__main__":
    main(sys.argv[1:])
