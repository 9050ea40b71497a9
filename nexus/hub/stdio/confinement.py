"""What this machine can confine servers with, and the command that starts one so."""

import asyncio
import os
import secrets
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import nexus
from nexus.hub.confined import Terms
from nexus.hub.stdio import landlock

ROOT = Path(nexus.__file__).parent.parent
LAUNCHER = [sys.executable, "-S", "-E", "-m", "nexus.hub.confined"]  # without site: it needs none, and starts sooner


@dataclass(frozen=True)
class Confinement:
    """`hidden` is the folder that no server sees; their homes lie in `homes`."""

    hidden: Path
    homes: Path
    has_landlock: bool
    has_namespaces: bool

    @property
    def name(self) -> str:
        """Return what hides the folder."""
        return "landlock" if self.has_landlock else "namespace" if self.has_namespaces else "none"

    def launch(self, command: list[str], home: Path) -> list[str]:
        shown = [str(home), *self.named_in(command)]
        terms = Terms(str(self.hidden), shown, str(home), self.has_landlock, self.has_namespaces)
        return [*LAUNCHER, terms.to_json(), *command]

    def named_in(self, command: list[str]) -> list[str]:
        """Return the paths in the hidden folder that the command itself names: staff wants them seen."""
        texts = [text for argument in command for text in (argument, argument.partition("=")[2]) if text[:1] == "/"]
        paths = [Path(text).resolve() for text in texts]
        return [str(path) for path in paths if self.hidden in path.parents and path.exists()]

    def new_home(self) -> Path:
        home = self.homes / secrets.token_hex(8)
        (home / "tmp").mkdir(mode=0o700, parents=True)
        return home


async def find(hidden: Path, homes: Path) -> Confinement:
    """Find out what works here by trying it; the folder of homes is made anew."""
    shutil.rmtree(homes, ignore_errors=True)
    homes.mkdir(mode=0o700, parents=True)
    nothing = Confinement(hidden.resolve(), homes.resolve(), has_landlock=False, has_namespaces=False)
    has_namespaces = await _works(replace(nothing, has_namespaces=True))
    has_landlock = landlock.version() > 0 and await _works(replace(nothing, has_landlock=True))
    return replace(nothing, has_landlock=has_landlock, has_namespaces=has_namespaces)


async def _works(confinement: Confinement) -> bool:
    """Return True if a program starts so, and sees nothing in the hidden folder but its home."""
    home, other = confinement.new_home(), confinement.new_home()
    look = ["/bin/sh", "-c", f'ls "$HOME" && ! ls "{other}"']
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *confinement.launch(look, home), cwd=ROOT, env=environment(home), stdin=quiet, stdout=quiet, stderr=quiet
    )
    works = await process.wait() == 0
    for folder in (home, other):
        shutil.rmtree(folder, ignore_errors=True)
    return works


def environment(home: Path) -> dict[str, str]:
    """Return all that a server gets of our environment, and a home in place of ours."""
    kept = {"PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", "C.UTF-8")}
    return kept | {"HOME": str(home), "TMPDIR": str(home / "tmp")}
