"""500 calls at once of a tool that takes 100 ms: all are answered, none much later, and memory stays."""

import argparse

from tests.bench.driving import Stage, load, with_cpu
from tests.bench.installation import memory_peak, reset_memory_peak
from tests.bench.report import Gates, heading, line

CONNECTIONS = 500
P99_LIMIT, GROWTH_LIMIT = 200, 60  # ms, MB


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    seconds = max(options.seconds, 2.0)
    direct = load(stage.direct, CONNECTIONS, seconds, "--tool=slow")
    before = reset_memory_peak(stage.web)
    hub = with_cpu(stage.web, stage.hub, CONNECTIONS, seconds, "--tool=echo__slow", tokens=stage.token)
    grown = memory_peak(stage.web) - before
    heading(f"tools/call slow, {CONNECTIONS} at once")
    line("direct", direct)
    line("hub", hub, direct)
    gates.judge("p99 of a call that takes 100 ms", hub["p99_ms"], P99_LIMIT, "ms")
    gates.judge("growth of the web process", grown, GROWTH_LIMIT, "MB")
