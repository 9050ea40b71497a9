"""Starts what is measured and what measures it, each on its processor, and reads the figures."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from tests.bench.installation import ROOT, Installation, cpu_seconds, free_port

CPUS = sorted(os.sched_getaffinity(0))
Process = "subprocess.Popen[bytes]"


def pin(pid: int, cpu: int) -> None:
    """Keep the process, all its threads, on one processor."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {cpu})


def wait_for_port(url: str, process: Process, what: str) -> None:
    for _ in range(1000):
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx2.TransportError):
            httpx2.post(url, json={"method": "x"}, trust_env=False)
            return
        time.sleep(0.02)
    raise SystemExit(f"{what} did not start.")


@contextlib.contextmanager
def running_upstream() -> Iterator[str]:
    """Serve the echo server, and yield its origin."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.upstream", str(port)], cwd=ROOT)
    try:
        wait_for_port(f"http://127.0.0.1:{port}/mcp", process, "The echo server")
        pin(process.pid, CPUS[-1])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(5)


class Load:
    """A load under way, on the last processor."""

    def __init__(self, url: str, connections: int, seconds: float, *more: str, tokens: str = "") -> None:
        command = [sys.executable, "-m", "tests.bench.load", url, *more]
        self._process = subprocess.Popen(
            [*command, "--connections", str(connections), "--seconds", str(seconds)],
            cwd=ROOT, env={**os.environ, "NEXUS_TOKENS": tokens}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CPUS[-1]}),
        )  # fmt: skip

    def figures(self) -> dict[str, float]:
        output, problem = self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"A reply was wrong, so there are no figures:\n{problem[-2000:]}")
        return json.loads(output)


def load(url: str, connections: int, seconds: float, *more: str, tokens: str = "") -> dict[str, float]:
    return Load(url, connections, seconds, *more, tokens=tokens).figures()


def with_cpu(pid: int, *arguments, **options) -> dict[str, float]:
    """Drive the load, and say what processor time the process spent on each call."""
    before = cpu_seconds(pid)
    figures = load(*arguments, **options)
    return figures | {"cpu_ms": (cpu_seconds(pid) - before) * 1000 / figures["sent"]}


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}


@dataclass
class Stage:
    """A running Nexus with the toolkit “bench” on the echo server, “many” on that of 200 tools, and a token for each."""

    installation: Installation
    upstream: str  # its origin
    token: str
    many: str

    @property
    def web(self) -> int:
        return self.installation.web_pid

    @property
    def hub(self) -> str:
        return f"http://127.0.0.1:{self.installation.port}/hub/mcp"

    @property
    def direct(self) -> str:
        return f"{self.upstream}/mcp"


def set_stage(installation: Installation, upstream: str) -> Stage:
    tokens = []
    for alias, slug, path in (("bench", "echo", "/mcp"), ("many", "many", "/many")):
        installation.manage("add_toolkit", alias)
        installation.manage("add_server", slug, upstream + path, "--toolkit", alias)
        tokens.append(installation.manage("issue_token", "admin@example.com", alias, f"--name={alias}", "--days=1"))
    stage = Stage(installation, upstream, *tokens)
    pin(stage.web, CPUS[0])
    load(stage.hub, 4, 1, "--tool=echo__echo", "--refusals", tokens=stage.token)  # warm
    return stage
