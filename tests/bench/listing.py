"""tools/list of a toolkit with 200 tools."""

import argparse

from tests.bench.driving import Stage, load, median, with_cpu
from tests.bench.report import Gates, heading, line
from tests.bench.upstream import MANY

CONNECTIONS = 8
CPU_LIMIT = 0.3  # ms


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    direct, hub = [], []
    own = MANY + 1  # nexus_status
    for _ in range(options.rounds):
        direct.append(load(f"{stage.upstream}/many", CONNECTIONS, options.seconds, f"--tools={MANY}"))
        hub.append(with_cpu(stage.web, stage.hub, CONNECTIONS, options.seconds, f"--tools={own}", tokens=stage.many))
    heading(f"tools/list of {MANY}, {CONNECTIONS} connections")
    line("direct", median(direct))
    line("hub", median(hub), median(direct))
    gates.judge("CPU per list", median(hub)["cpu_ms"], CPU_LIMIT, "ms")
