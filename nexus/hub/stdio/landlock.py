"""Landlock (landlock(7)): a process gives up the sight of a folder, for itself and all that it starts.

Landlock only grants, so that hiding one folder means to grant what lies beside each level of the path to it.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nexus.hub.stdio import kernel

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE = 1 << 0, 1 << 1, 1 << 2
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
# All rights that a version knows: moving between folders came with 2, truncating with 3, ioctl on devices with 5.
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
ALL_RIGHTS = (1 << 16) - 1
SCOPES = 0b11  # abstract sockets and signals stay within what the process itself started; since version 6


def version() -> int:
    """Return what the kernel offers, 0 if nothing."""
    try:
        return kernel.call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    except OSError:
        return 0


def hide(folder: Path, shown: Iterable[Path]) -> None:
    """Give up all access to what is in the folder, for ever, except to the paths that are shown. Raise OSError."""
    rights = RIGHTS.get(version(), ALL_RIGHTS)
    ruleset = _create(rights)
    for path in (*beside(folder), *shown):
        with suppress(FileNotFoundError, PermissionError):  # gone meanwhile, or not ours to open anyway
            _grant(ruleset, path, rights)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def beside(folder: Path) -> Iterator[Path]:
    """Yield what lies next to each part of the path, links left out: what they point to has its own place."""
    for level, below in zip(reversed(folder.parents), folder.parts[1:], strict=True):
        with suppress(PermissionError), os.scandir(level) as entries:
            for entry in entries:
                if entry.name != below and not entry.is_symlink():
                    yield Path(entry.path)


def _create(rights: int) -> int:
    attributes = struct.pack("=QQQ", rights, 0, SCOPES)
    size = 24 if version() >= 6 else 8
    return kernel.call(CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))


def _grant(ruleset: int, path: Path, rights: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        allowed = rights if stat.S_ISDIR(os.fstat(opened).st_mode) else rights & OF_FILES
        rule = struct.pack("=Qi", allowed, opened)
        kernel.call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(opened)
