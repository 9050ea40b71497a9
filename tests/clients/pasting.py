"""What a person does with a set-up of Install: paste it into a shell, or save it as a file and run that."""

import os
import pathlib
import subprocess
import sys

from tests.clients.conftest import Ready
from tests.clients.node import NODE
from tokens import clients
from tokens.clients import Auth, SetUp
from tokens.clients.filling import Facts

# A client may speak to this machine and to no other: whatever else it wants to reach is behind a proxy that is not there.
LOOPBACK_ONLY = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1"),
}


def set_up(facts: Facts, slug: str, label: str = "", auth: Auth = Auth.TOKEN) -> SetUp:
    """Return the set-up of this label, or the client's first."""
    filled = clients.every()[slug].filled(facts, auth)
    return next(each for each in filled if label in ("", each.label))


def environment(ready: Ready, folder: pathlib.Path, *programs: pathlib.Path, **more: str) -> dict[str, str]:
    """Return what a shell is told that has curl, jq, Node, this Python and what lies in the folders of programs."""
    path = [*map(str, programs), str(pathlib.Path(sys.executable).parent), str(NODE.parent), os.environ["PATH"]]
    return {"PATH": ":".join(path), "HOME": str(folder), "NEXUS_TOKEN": ready.secret, **LOOPBACK_ONLY, **more}


def shell(ready: Ready, text: str, folder: pathlib.Path, *programs: pathlib.Path, **more: str) -> str:
    """Run it in a shell of that environment; return what it printed."""
    told = environment(ready, folder, *programs, **more)
    ended = subprocess.run(
        ["/bin/bash", "-e"], input=text, cwd=folder, env=told, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert ready.secret not in ended.stdout + ended.stderr
    return ended.stdout


def save(pasted: SetUp, folder: pathlib.Path) -> pathlib.Path:
    """Save it where it says, the folder being the person's own and the project's at once; return where that is."""
    path = folder / pasted.file.removeprefix("~/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pasted.text)
    return path
