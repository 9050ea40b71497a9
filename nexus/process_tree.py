"""Several programs as one tree of processes: forked from one image, ended together, none left behind.

Forking shares the memory of what is imported already, and starts in milliseconds. The parent stays without threads,
connections and event loops, so that every fork, also of a program that is started again, begins clean.
"""

import ctypes
import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

logger = logging.getLogger("nexus.up")

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
libc = ctypes.CDLL(None)

TICK = 0.05  # seconds between two looks at what is not a signal
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
WATCHED = ENDING | {signal.SIGCHLD}
TIME_TO_END = 4.0  # seconds between asking a program to end and killing it
BACK_OFF_LIMIT = 30.0  # seconds between two starts of a program that keeps dying
STEADY = 60.0  # seconds after which a program counts as well again


class WhenItEnds(Enum):
    START_AGAIN = auto()
    END_THE_TREE = auto()
    BE_CONTENT = auto()


@dataclass
class Program:
    name: str
    run: Callable[[], None]
    when_it_ends: WhenItEnds = WhenItEnds.START_AGAIN
    signal_of_parents_death: signal.Signals = signal.SIGKILL
    pid: int = 0
    started_at: float = 0.0
    starts_at: float = 0.0
    deaths: int = 0

    @property
    def has_ended(self) -> bool:
        return not self.pid and bool(self.started_at)


class ProcessTree:
    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.exit_code: int | None = None

    def run(self, every_tick: Callable[[], None]) -> int:
        """Run the programs until a signal, or the end of one that matters, ends them all; return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        gc.collect()
        libc.malloc_trim(0)
        gc.freeze()  # what is imported stays shared: the collector of a child does not write to it
        try:
            while self.exit_code is None:
                self._start_due()
                every_tick()
                received = signal.sigtimedwait(WATCHED, TICK)
                if received and received.si_signo in ENDING:
                    self.exit_code = 0
                self._reap()
        finally:
            self._end_all()
        return self.exit_code

    def _start_due(self) -> None:
        for program in self.programs:
            content = program.has_ended and program.when_it_ends is WhenItEnds.BE_CONTENT
            if not program.pid and not content and time.monotonic() >= program.starts_at:
                self._fork(program)

    def _fork(self, program: Program) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            become(program, parent)
        program.pid, program.started_at = pid, time.monotonic()

    def _reap(self) -> None:
        while self.living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            for program in self.programs:
                if program.pid == pid:
                    self._note_end(program, os.waitstatus_to_exitcode(status))

    @property
    def living(self) -> list[Program]:
        return [program for program in self.programs if program.pid]

    def _note_end(self, program: Program, code: int) -> None:
        now = time.monotonic()
        program.pid = 0
        program.deaths = 1 if now - program.started_at > STEADY else program.deaths + 1
        program.starts_at = now + min(2.0 ** (program.deaths - 1), BACK_OFF_LIMIT)
        if self.exit_code is not None or (program.when_it_ends is WhenItEnds.BE_CONTENT and code == 0):
            return
        if program.when_it_ends is WhenItEnds.END_THE_TREE:
            logger.error("%s ended with code %s; ending everything", program.name, code)
            self.exit_code = 1
        elif program.when_it_ends is WhenItEnds.START_AGAIN:
            pause = program.starts_at - now
            logger.warning("%s ended with code %s; starting it again in %.0f s", program.name, code, pause)

    def _end_all(self) -> None:
        self.exit_code = self.exit_code or 0
        deadline = time.monotonic() + TIME_TO_END
        for program in self.living:
            os.kill(program.pid, signal.SIGTERM)
        while self.living and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, TICK)
            self._reap()
        for program in self.living:
            logger.warning("%s did not end within %.0f s; killing it", program.name, TIME_TO_END)
            os.killpg(program.pid, signal.SIGKILL)
        while self.living:
            signal.sigtimedwait({signal.SIGCHLD}, TICK)
            self._reap()


def end_with_parent(parent: int, by: signal.Signals) -> None:
    """Have the kernel send the signal when the parent dies, however it dies; end now if it has died already."""
    libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def become(program: Program, parent: int) -> None:
    """Be the program, in a process that was just forked; never return."""
    code = 1
    try:
        end_with_parent(parent, program.signal_of_parents_death)
        os.setsid()  # Ctrl-C reaches the parent alone, which ends the others in order
        libc.prctl(PR_SET_NAME, f"nexus-{program.name}".encode()[:15], 0, 0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        program.run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = 0
    except BaseException:  # noqa: BLE001  the outermost edge of this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
