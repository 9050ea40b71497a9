"""What servers left behind: without namespaces their orphans become children of the host, which ends them."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from nexus.hub.stdio import kernel


def adopt_orphans() -> None:
    """Become the parent of what the servers of this process leave behind (PR_SET_CHILD_SUBREAPER)."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def end(besides: set[int]) -> None:
    """Kill and bury every child of this process but these."""
    for pid in children() - besides:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def children() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if parent_of(int(entry.name)) == os.getpid()}


def parent_of(pid: int) -> int | None:
    """Return None if there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def is_outside(pid: int) -> bool:
    """Return True if the process lives, and neither it nor a parent of it is a child of ours."""
    while pid > 1:
        parent = parent_of(pid)
        if parent in (None, os.getpid()):
            return False
        pid = parent or 0
    return True
