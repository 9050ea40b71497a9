"""A folder as a first start leaves it, but for keys and people: whoever starts Nexus in a copy does not wait for migrations."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tests.servers import ROOT, build_folder, state_of_migrations

PREPARE = "from nexus import embedded; embedded.migrate()"


def prepare(folder: pathlib.Path) -> None:
    """Copy the migrated files of SQLite into the folder; made once for all workers and runs."""
    kept = ROOT / "build" / f"test-folder-{state_of_migrations()}"
    if not kept.exists():
        unfinished = pathlib.Path(tempfile.mkdtemp(dir=build_folder()))
        told = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        subprocess.run(
            [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", PREPARE],
            cwd=ROOT, env={**told, "NEXUS_DATA_DIR": str(unfinished)}, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(OSError):  # another run was quicker
            unfinished.rename(kept)
        shutil.rmtree(unfinished, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for file in kept.glob("*.sqlite3"):
        shutil.copy(file, folder)
