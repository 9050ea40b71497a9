"""A token that asks as often as it can is held at its limit; what its neighbour keeps of the rate it has alone."""

import argparse
import time

from tests.bench.driving import Load, Stage, load, median, with_cpu
from tests.bench.report import Gates, heading, line, say

LIMIT = 100  # calls a second of one token
NOISY_CONNECTIONS, QUIET_CONNECTIONS = 128, 8
QUIET_TOKENS = 64  # so many that none of them comes to its own limit
KEPT = 0.8
ECHO = "--tool=echo__echo"
AHEAD = 1.5  # seconds in which the noisy one uses up its burst


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    quiet = stage.installation.run("-m", "tests.bench.issue", "bench", str(QUIET_TOKENS))
    quiet_figures(stage, options, quiet)  # warm
    alone, beside, noisy = [], [], []
    for _ in range(options.rounds):
        alone.append(quiet_figures(stage, options, quiet))
        other = Load(stage.hub, NOISY_CONNECTIONS, options.seconds + 2 * AHEAD, ECHO, "--refusals", tokens=stage.token)
        time.sleep(AHEAD)
        beside.append(load(stage.hub, QUIET_CONNECTIONS, options.seconds, ECHO, tokens=quiet))
        noisy.append(other.figures())
    heading(f"noisy neighbour, at most {LIMIT}/s")
    line("quiet, alone", median(alone))
    line("quiet, beside the noisy one", median(beside), median(alone))
    line("noisy", median(noisy))
    say(f"{'refused':<30}{median(noisy)['refused'] / (options.seconds + 2 * AHEAD):>10.0f}/s")
    kept = median(beside)["per_second"] / median(alone)["per_second"]
    gates.judge("rate that the quiet one keeps", kept, KEPT, "", at_least=True)


def quiet_figures(stage: Stage, options: argparse.Namespace, tokens: str) -> dict[str, float]:
    return with_cpu(stage.web, stage.hub, QUIET_CONNECTIONS, options.seconds, ECHO, tokens=tokens)
