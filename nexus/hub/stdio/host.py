"""All that runs on this machine: commands, their processes and sessions; how many there may be, and when they end."""

import asyncio
import secrets
import time
from dataclasses import dataclass

import msgspec

from nexus.hub.stdio.commands import Command
from nexus.hub.stdio.confinement import Confinement
from nexus.hub.stdio.messages import members_in
from nexus.hub.stdio.program import Program
from nexus.hub.stdio.sessions import OwnSession, Session, SharedSession

MOST_SESSIONS = 10_000
COMMAND = msgspec.json.Decoder(list[str])


@dataclass(frozen=True)
class Limits:
    """How many sessions may have a process of their own, and after how many idle seconds things end."""

    own_processes: int = 32
    shared_idle: float = 600.0
    session_idle: float = 1800.0


class TooMany(Exception):
    """No more can be opened now; the text is for a person."""


class Host:
    def __init__(self, confinement: Confinement, limits: Limits) -> None:
        self.confinement = confinement
        self.limits = limits
        self._commands: dict[str, Command] = {}
        self._sessions: dict[str, Session] = {}
        self._opening = 0

    @property
    def status(self) -> dict[str, object]:
        return {"status": "ok", "running": len(Program.running), "confinement": self.confinement.name}

    def command(self, text: str) -> Command:
        """Return the command of this JSON list; raise ValueError."""
        if text not in self._commands:
            words = COMMAND.decode(text)
            if not words or not words[0]:
                raise ValueError("the command is empty")
            self._commands[text] = Command(words, self.confinement)
        return self._commands[text]

    def session(self, number: str, command: Command) -> Session | None:
        session = self._sessions.get(number)
        if session is None or session.is_over or session.command is not command:
            return None
        session.used_at = time.monotonic()
        return session

    async def open(self, command: Command, hello: bytes) -> tuple[str, bytes]:
        """Open a session; return its number and how the server introduces itself. Raise ServerDied or TooMany."""
        if len(self._sessions) >= MOST_SESSIONS:
            raise TooMany(f"{MOST_SESSIONS} sessions are open already. Try again later.")
        session: Session
        if members_in(members_in(hello).get("capabilities", b"")):
            session = await self._open_own(command, hello)
            introduction = session.server.introduction
        else:
            introduction = (await command.running()).introduction
            session = SharedSession(command)
        number = secrets.token_urlsafe(24)
        self._sessions[number] = session
        return number, introduction

    async def _open_own(self, command: Command, hello: bytes) -> OwnSession:
        own = sum(isinstance(session, OwnSession) and not session.is_over for session in self._sessions.values())
        if own + self._opening >= self.limits.own_processes:
            raise TooMany(f"{self.limits.own_processes} sessions have a server process of their own. Try again later.")
        self._opening += 1
        try:
            return await OwnSession.open(command, hello)
        finally:
            self._opening -= 1

    async def close(self, number: str) -> None:
        if session := self._sessions.pop(number, None):
            await session.end()

    async def reap(self, now: float) -> None:
        """End what nobody has used for long, and what servers left behind."""
        oldest = now - self.limits.session_idle
        for number, session in list(self._sessions.items()):
            if session.is_over or session.used_at < oldest:
                await self.close(number)
        for command in self._commands.values():
            if command.is_idle(now - self.limits.shared_idle):
                await command.stop()
        Program.end_strays()

    def hang_up(self) -> None:
        """End the streams that stay open by themselves, so that the host can end."""
        for session in self._sessions.values():
            session.stream.break_off()

    async def stop(self) -> None:
        sessions = [self.close(number) for number in list(self._sessions)]
        commands = [command.forget() for command in self._commands.values()]
        await asyncio.gather(*sessions, *commands)
