"""A second hub process on PostgreSQL and Redis: what a call costs then."""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.driving import CPUS, Load, Stage, median, pin, wait_for_port
from tests.bench.installation import ROOT, Installation, cpu_seconds, free_port
from tests.bench.report import Gates, heading, line

CONNECTIONS = 32  # to each process
RATIO_LIMIT = 1.15
ECHO = "--tool=echo__echo"
Web = tuple[str, int]  # address and process


@contextlib.contextmanager
def running_web(installation: Installation, cpu: int) -> Iterator[Web]:
    """Start a web process of its own on the installation's stores, as in production."""
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "nexus.asgi:application", "--host", "127.0.0.1", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--no-proxy-headers",
    ]  # fmt: skip
    environment = installation.environment | {"PORT": str(port)}
    with (installation.folder / f"web-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}/hub/mcp"
        wait_for_port(address, process, "A web process")
        pin(process.pid, cpu)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(15)


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    """Drive one, then both at once; on two processors both web processes share the first."""
    second_cpu = CPUS[1] if len(CPUS) > 2 else CPUS[0]
    with running_web(stage.installation, CPUS[0]) as first, running_web(stage.installation, second_cpu) as second:
        drive([first, second], 1, stage.token)  # warm
        one, two = [], []
        for _ in range(options.rounds):
            one.append(drive([first], options.seconds, stage.token))
            two.append(drive([first, second], options.seconds, stage.token))
    heading(f"hub processes, {CONNECTIONS} each")
    line("one", median(one))
    line("two", median(two), median(one))
    gates.judge("CPU per call of two to one", median(two)["cpu_ms"] / median(one)["cpu_ms"], RATIO_LIMIT, "")


def drive(webs: list[Web], seconds: float, token: str) -> dict[str, float]:
    before = sum(cpu_seconds(pid) for _, pid in webs)
    loads = [Load(address, CONNECTIONS, seconds, ECHO, tokens=token) for address, _ in webs]
    figures = [each.figures() for each in loads]
    spent = (sum(cpu_seconds(pid) for _, pid in webs) - before) * 1000
    return {
        "per_second": sum(each["per_second"] for each in figures),
        "p50_ms": max(each["p50_ms"] for each in figures),
        "p99_ms": max(each["p99_ms"] for each in figures),
        "cpu_ms": spent / sum(each["sent"] for each in figures),
    }
