"""Starts `manage.py up` for real, in a data directory of its own."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INHERITED = ("PATH", "HOME", "LANG", "USER", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(data: pathlib.Path, port: int, **extra: str) -> dict[str, str]:
    """Return an environment in which Nexus is embedded, whatever store this suite runs on."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "NEXUS_DATA_DIR": str(data), "PORT": str(port), "PYTHONUNBUFFERED": "1", **extra}


def manage(data: pathlib.Path, *arguments: str, port: int = 8800, **extra: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data, port, **extra),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def descendants(pid: int) -> set[int]:
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def is_living(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Running:
    """A started Nexus. `output` is what it wrote."""

    def __init__(self, data: pathlib.Path, port: int | None = None, **extra: str) -> None:
        self.port = port or free_port()
        self.log = data.with_name(data.name + ".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--end-with-parent"],
                cwd=ROOT,
                env=environment(data, self.port, **extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_served(self) -> "Running":
        greeted = wait_until(lambda: "Stop  " in self.output or self.process.poll() is not None, 60)
        assert greeted, self.output
        assert self.process.poll() is None, self.output
        self.pids = descendants(self.process.pid)
        return self

    def get(self, path: str, **headers: str) -> "tuple[http.client.HTTPResponse, bytes]":
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(client):
            client.request("GET", path, headers=headers)
            response = client.getresponse()
            return response, response.read()

    def end(self, by: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal to the parent alone; return the seconds until the last process was gone."""
        self.pids |= descendants(self.process.pid)
        begun = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(10)
        wait_until(lambda: not self.left_behind(), 10)
        return time.monotonic() - begun

    def left_behind(self) -> set[int]:
        return {pid for pid in self.pids if is_living(pid)}

    def pid_of(self, name: str) -> int | None:
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    return pid
        return None
