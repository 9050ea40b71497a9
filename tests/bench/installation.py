"""An embedded Nexus for the benchmark: `manage.py up` in a folder of its own, and what its processes cost."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def children(pid: int) -> set[int]:
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pid: int) -> float:
    """Return what the process used so far, user and system time of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def megabytes(pids: set[int]) -> float:
    """Return the sum of the processes' proportional set sizes (PSS)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def reset_memory_peak(pid: int) -> float:
    """Let the peak be counted from now; return the resident memory of the process in MB."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5)
    return status_megabytes(pid, "VmRSS")


def memory_peak(pid: int) -> float:
    return status_megabytes(pid, "VmHWM")


def status_megabytes(pid: int, name: str) -> float:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


class Installation:
    def __init__(self, folder: pathlib.Path, stores: dict[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {
            **kept, **stores, "NEXUS_DATA_DIR": str(folder / "var"), "PORT": str(self.port), "PYTHONUNBUFFERED": "1",
            "NEXUS_BASE_URL": f"http://localhost:{self.port}",
        }  # fmt: skip
        self.log = folder / "nexus.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return self.environment["NEXUS_BASE_URL"]

    def start(self) -> float:
        """Start, and return the seconds until it said that it is served."""
        begun = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self.environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        while "Stop  " not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.perf_counter() - begun > 90:
                raise SystemExit(f"Nexus did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)
        return time.perf_counter() - begun

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(15)

    @property
    def web_pid(self) -> int:
        """Return the process that holds the port: hub and portal, without worker, beat and stdio host."""
        for pid in sorted(children(self.process.pid) - {self.process.pid}):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "web":
                    return pid
        return sorted(children(self.process.pid) - {self.process.pid})[0]

    @property
    def memory(self) -> float:
        return megabytes(children(self.process.pid))

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    def run(self, *arguments: str, patience: float = 180) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=patience,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        return done.stdout.strip()
