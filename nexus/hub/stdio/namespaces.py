"""Namespaces (namespaces(7)) of a server's own: it sees its own processes only, and all of them end with the first.

A user namespace comes first, so that none of it needs root, and root in it is nobody outside.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nexus.hub.stdio import kernel

PID_LIMIT = Path("/proc/sys/kernel/pid_max")
LIMITS_PIDS = (6, 14)  # the kernel from which each namespace has its own PID_LIMIT
QUIET = kernel.MS_NOSUID | kernel.MS_NODEV


def enter() -> None:
    """Let the next child be the first process of new namespaces, as the same user. Raise OSError."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def hide(folder: Path, shown: Iterable[Path]) -> None:
    """Lay an empty folder over this one, with the paths that are shown in it, and see no process of others.

    To be called in the child that `enter` speaks of. Raise OSError.
    """
    kernel.mount(None, Path("/"), None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", Path("/proc"), "proc", QUIET | kernel.MS_NOEXEC)
    kept = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in shown if path.is_relative_to(folder)}
    kernel.mount("tmpfs", folder, "tmpfs", QUIET, "mode=0755,size=1m")
    for path, opened in kept.items():
        _lay(opened, path)
    kernel.mount(None, folder, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | QUIET)


def _lay(opened: int, target: Path) -> None:
    source = Path(f"/proc/self/fd/{opened}")
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    os.close(opened)


def limit_processes(most: int) -> None:
    """Bound the processes and threads of this namespace, also for root, whom RLIMIT_NPROC does not bind."""
    kernel_version = tuple(int(part) for part in os.uname().release.split(".")[:2] if part.isdigit())
    if kernel_version >= LIMITS_PIDS:
        with suppress(OSError):
            PID_LIMIT.write_text(str(most))
