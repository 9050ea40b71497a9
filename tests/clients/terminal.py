"""A terminal with somebody at it, for programs that ask a person."""

import contextlib
import os
import pathlib
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE = 60  # seconds


@dataclass
class Terminal:
    side: int
    process: "subprocess.Popen[bytes]"
    shown: bytearray = field(default_factory=bytearray)

    def reads(self) -> bool:
        """Take what is shown next; return whether the program is still there."""
        ready, _, _ = select.select([self.side], [], [], 1)
        with contextlib.suppress(OSError):  # nobody writes any more
            if ready and (part := os.read(self.side, 65536)):
                self.shown += part
                return True
        return self.process.poll() is None

    def waits_for(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while words.encode() not in self.shown:
            assert self.reads(), self.shown.decode(errors="replace")[-4000:]
            assert time.monotonic() < deadline, self.shown.decode(errors="replace")[-4000:]

    def types(self, keys: str) -> None:
        os.write(self.side, keys.encode())


@contextlib.contextmanager
def pasted(text: str, folder: pathlib.Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """Paste a text into a shell in a terminal of 50 lines with 150 characters."""
    (folder / "pasted.sh").write_text(text)
    side, programs_side = pty.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", "stty rows 50 cols 150; exec bash -e pasted.sh"], cwd=folder,
        env={"TERM": "xterm-256color", **environment}, stdin=programs_side, stdout=programs_side, stderr=programs_side,
        start_new_session=True,
    )  # fmt: skip
    os.close(programs_side)
    try:
        yield Terminal(side, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        os.close(side)
