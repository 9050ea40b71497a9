"""Token exchanges (RFC 8693), one after the other over one connection."""

import argparse
import statistics
import time

import httpx2

from tests.bench.driving import Stage
from tests.bench.installation import cpu_seconds
from tests.bench.report import Gates, say

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGES = 150  # a round; one subject gives at most 1,000
CPU_LIMIT = 5.0  # ms


def measure(stage: Stage, options: argparse.Namespace, gates: Gates) -> None:
    credentials = stage.installation.run("-m", "tests.bench.exchanger").split()
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": stage.token, "subject_token_type": ACCESS_TOKEN}
    with httpx2.Client(base_url=stage.installation.base, auth=tuple(credentials), trust_env=False) as client:
        _round(stage, client, form, 20)  # warm
        rounds = [_round(stage, client, form, EXCHANGES) for _ in range(options.rounds)]
    cpu, p50 = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    say(f"\n{'token exchange, one connection':<30}{p50:>28.2f} ms at the median")
    gates.judge("CPU per exchange", cpu, CPU_LIMIT, "ms")


def _round(stage: Stage, client: httpx2.Client, form: dict[str, str], count: int) -> tuple[float, float]:
    """Return milliseconds of processor time for each exchange, and the median of what each took."""
    before, took = cpu_seconds(stage.web), []
    for _ in range(count):
        begun = time.perf_counter()
        answer = client.post("/oauth/token", data=form)
        took.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    return (cpu_seconds(stage.web) - before) * 1000 / count, statistics.median(took)
