"""What a call costs: straight to the server, through nginx, through the hub."""

import argparse

from tests.bench.driving import Stage, load, median, with_cpu
from tests.bench.nginx import running_nginx
from tests.bench.report import Gates, heading, line, say

CPU_LIMIT = {"embedded": 0.2, "postgres": 0.3}  # ms per call at 32 connections
ADDED_P50, ADDED_P99 = 0.6, 3.0  # ms at one connection


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    with running_nginx(stage.installation.folder / "nginx", stage.upstream) as nginx:
        heading("tools/call echo")
        for connections in (1, 32):
            direct, proxied, hub = rounds(stage, nginx, connections, options)
            plural = "connection" if connections == 1 else "connections"
            line(f"direct, {connections} {plural}", direct)
            if proxied:
                line(f"nginx, {connections} {plural}", proxied, direct)
            line(f"hub, {connections} {plural}", hub, direct)
            if connections == 1:
                gates.judge("added p50, 1 connection", hub["p50_ms"] - direct["p50_ms"], ADDED_P50, "ms")
                gates.judge("added p99, 1 connection", hub["p99_ms"] - direct["p99_ms"], ADDED_P99, "ms")
            else:
                gates.judge(f"CPU per call, {connections} connections", hub["cpu_ms"], CPU_LIMIT[options.store], "ms")
                if proxied:
                    say(f"calls/s of the hub to those of nginx: {hub['per_second'] / proxied['per_second']:.2f}")
    if nginx is None:
        say("nginx is not on the PATH: not measured beside it.")
    say("CPU: user and system time of the web process (hub, portal, its threads), the server's and load's not counted.")
    say(f"Medians of {options.rounds} interleaved rounds of {options.seconds:g} s; every reply was verified.")


def rounds(stage: Stage, nginx: tuple[str, int] | None, connections: int, options: argparse.Namespace):
    """Measure all in turn, and return the median of each figure."""
    direct, proxied, hub = [], [], []
    tool = "--tool=echo__echo"
    for _ in range(options.rounds):
        direct.append(load(stage.direct, connections, options.seconds))
        if nginx:
            proxied.append(with_cpu(nginx[1], nginx[0], connections, options.seconds))
        hub.append(with_cpu(stage.web, stage.hub, connections, options.seconds, tool, tokens=stage.token))
    return median(direct), median(proxied) if proxied else None, median(hub)
