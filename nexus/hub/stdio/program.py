"""A server's process: lines in, lines out, and why it ended."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from nexus.hub.confined import CANNOT_CONFINE, CANNOT_RUN
from nexus.hub.stdio import strays
from nexus.hub.stdio.confinement import ROOT, Confinement, environment

logger = logging.getLogger("nexus.stdio")

LINE_LIMIT = 32 << 20  # bytes of one message
CHUNK = 64 << 10
UNREAD_LIMIT = 1 << 20  # bytes that may wait until the program reads them, before what needs no answer is dropped
TIME_TO_END = 1.0  # seconds between closing a program's input and killing it
LOGGED = 300  # characters of what a program complains of that are logged at a time
ENDINGS = {CANNOT_CONFINE: "it could not be confined", CANNOT_RUN: "there is no such program, or it cannot be run"}
BREATH = 0.02  # seconds between two full chunks of complaints: who floods is slowed down


class ServerDied(Exception):
    """The server's process could not be started, or has ended; the text is for a person."""


class Flood(Exception):
    """The server writes more than anybody can want; the text is the end of a sentence."""


class Lines:
    """Cuts what arrives into lines; raises Flood for one that does not end."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._begun += part
            line, self._begun = bytes(self._begun), bytearray()
            if line.strip():
                yield line
        self._begun += rest
        if len(self._begun) > LINE_LIMIT:
            raise Flood(f"it wrote a line of more than {LINE_LIMIT >> 20} MB")


class Program:
    """Started by `start`; `run` reads it until it ends."""

    running: "set[Program]" = set()
    starting = 0

    def __init__(self, command: list[str], process: asyncio.subprocess.Process) -> None:
        self.name = Path(command[0]).name
        self.pid = process.pid
        self._process = process
        self._writing = asyncio.Lock()
        self._complaints = asyncio.create_task(self._drain())
        Program.running.add(self)

    @classmethod
    async def start(cls, command: list[str], confinement: Confinement, home: Path) -> "Program":
        """Raise ServerDied if there is no such program."""
        pipe = asyncio.subprocess.PIPE
        cls.starting += 1
        try:
            process = await asyncio.create_subprocess_exec(
                *confinement.launch(command, home), cwd=ROOT, env=environment(home), start_new_session=True,
                stdin=pipe, stdout=pipe, stderr=pipe, limit=CHUNK,
            )  # fmt: skip
            return cls(command, process)
        except (OSError, ValueError) as error:
            raise ServerDied(f"Its program does not run ({error}).") from error
        finally:
            cls.starting -= 1

    async def run(self, take: Callable[[bytes], None]) -> str:
        """Hand on its lines until it ends, is stopped or floods; return the reason."""
        reading = asyncio.create_task(self._read(take))
        ending = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
            await self.stop()
            await asyncio.wait((reading,), timeout=TIME_TO_END)  # what it left in the pipe; a stray may hold that open
        finally:
            reading.cancel()
            self._complaints.cancel()
            Program.running.discard(self)
            Program.end_strays()
        with contextlib.suppress(asyncio.CancelledError):
            if flood := await reading:
                return str(flood)
        return ENDINGS.get(await ending, f"exit code {ending.result()}")

    async def _read(self, take: Callable[[bytes], None]) -> Flood | None:
        """Read until it closes its output, or writes too much."""
        assert self._process.stdout
        lines = Lines()
        try:
            while chunk := await self._process.stdout.read(CHUNK):
                for line in lines.feed(chunk):
                    take(line)
        except Flood as flood:
            logger.warning("%s is ended: %s", self.name, flood)
            self.kill()
            return flood
        return None

    async def write(self, line: bytes) -> None:
        """Write a message when it is its turn; raise ServerDied."""
        assert self._process.stdin
        async with self._writing:
            try:
                self._process.stdin.write(on_one_line(line) + b"\n")
                await self._process.stdin.drain()
            except (OSError, RuntimeError) as error:
                raise ServerDied("Its program ended before it answered.") from error

    def mention(self, line: bytes) -> None:
        """Write at once what may be lost if the program does not read."""
        stdin = self._process.stdin
        if stdin and not stdin.is_closing() and stdin.transport.get_write_buffer_size() < UNREAD_LIMIT:
            stdin.write(on_one_line(line) + b"\n")

    async def stop(self) -> None:
        """Close its input, which tells a server to end, and kill it with all that it started if it does not."""
        if self._process.stdin:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIME_TO_END):
                await self._process.wait()
        self.kill()

    def kill(self) -> None:
        """Kill its process group, or the first process of its namespaces and so all in them."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    @classmethod
    def end_strays(cls) -> None:
        """End what servers left behind, unless one is just being started, whose process is not known yet."""
        if not cls.starting:
            strays.end(besides={program.pid for program in cls.running})

    async def _drain(self) -> None:
        """Read what it complains of, so that it never waits for us; log some of it."""
        assert self._process.stderr
        while chunk := await self._process.stderr.read(CHUNK):
            logger.debug("%s: %s", self.name, chunk[:LOGGED].decode(errors="replace").rstrip())
            if len(chunk) == CHUNK:
                await asyncio.sleep(BREATH)


def on_one_line(message: bytes) -> bytes:
    """Line breaks between the parts of JSON become spaces; within its strings there are none."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ")
