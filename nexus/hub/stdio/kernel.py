"""System calls that Python 3.11 has no function for. Each raises OSError."""

import ctypes
import os
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18


def prctl(option: int, value: int) -> None:
    _checked(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def unshare(flags: int) -> None:
    _checked(libc.unshare(flags))


def mount(source: Path | str | None, target: Path, kind: str | None, flags: int, options: str = "") -> None:
    """Mount, or change a mount (mount(2))."""
    texts = [str(text).encode() if text else None for text in (source, target, kind)]
    _checked(libc.mount(*texts, ctypes.c_ulong(flags), options.encode() or None))


def call(number: int, *arguments: object) -> int:
    """Make the system call of this number and return what it returns."""
    return _checked(libc.syscall(ctypes.c_long(number), *arguments))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
