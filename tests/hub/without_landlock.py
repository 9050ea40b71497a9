"""Runs a program on a kernel that seems to have no Landlock: `python without_landlock.py PROGRAM [ARGUMENT…]`."""

import ctypes
import errno
import os
import struct
import sys

LOAD_NUMBER = (0x20, 0, 0, 0)  # seccomp(2): the number of the system call
IF_CREATE_RULESET = (0x15, 0, 1, 444)
NO_SUCH_CALL = (0x06, 0, 0, 0x00050000 | errno.ENOSYS)
ALLOW = (0x06, 0, 0, 0x7FFF0000)
NO_NEW_PRIVILEGES, SECCOMP, BY_FILTER = 38, 22, 2


def main():
    steps = b"".join(struct.pack("=HBBI", *step) for step in (LOAD_NUMBER, IF_CREATE_RULESET, NO_SUCH_CALL, ALLOW))
    buffer = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("@HP", len(steps) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None)
    assert libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert libc.prctl(SECCOMP, BY_FILTER, program, 0, 0) == 0
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
