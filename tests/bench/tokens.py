"""A million tokens on PostgreSQL: the periodic jobs, one lookup, the Tokens page, and how long a revocation takes."""

import argparse
import json
import os
import re
import signal
import statistics
import time

import httpx2

from tests.bench.driving import CPUS
from tests.bench.installation import Installation
from tests.bench.million import DUE, TOKENS
from tests.bench.pages import measure_page, signed_in
from tests.bench.report import Gates, say
from tests.bench.two import running_web

WITHIN, LONGEST_LOCK, LOOKUP_MS, PAGE_MS, REVOKE_MS, FROZEN_MS = 60, 1, 0.5, 100, 50, 2500
PAGES = (
    "/tokens/", "/tokens/?state=ending", "/tokens/?state=paused",
    "/api/v1/tokens", "/admin/tokens/delegatedtoken/", "/admin/tokens/delegatedtoken/?q=service+77777",
)  # fmt: skip
REVOCATIONS = 20


def measure(installation: Installation, options: argparse.Namespace, gates: Gates) -> None:
    installation.start()  # makes the first person
    installation.stop()
    installation.manage("add_toolkit", "bench")
    say(f"\nMaking {TOKENS:,} tokens")
    installation.run("-m", "tests.bench.million", patience=1800)
    jobs(installation, gates)
    installation.start()
    with signed_in(installation) as client:
        slow = {path: measure_page(client, path, options.page_repetitions) for path in PAGES}
    for path, milliseconds in slow.items():
        gates.judge(f"p95 of {path}, {TOKENS:,} tokens", milliseconds, PAGE_MS, "ms")
    revocations(installation, gates)


def jobs(installation: Installation, gates: Gates) -> None:
    """Run each job by hand, while no worker does."""
    found = _figures(installation, "lookup")
    gates.judge("one lookup, time in the database", found["database_ms"], LOOKUP_MS, "ms")
    say(f"one lookup as the hub asks: p50 {found['p50_ms']:.2f} ms, p99 {found['p99_ms']:.2f} ms")
    for name in ("sweep", "remind"):
        done = _figures(installation, name)
        say(f"{name}: {done['count']:,.0f} of {DUE:,} due")
        gates.judge(f"{name}, until all is done", done["seconds"], WITHIN, "s")
        gates.judge(f"{name}, longest transaction", done["longest_transaction"], LONGEST_LOCK, "s")


def _figures(installation: Installation, name: str) -> dict[str, float]:
    return json.loads(installation.run("-m", "tests.bench.pass_of", name, patience=600).splitlines()[-1])


def revocations(installation: Installation, gates: Gates) -> None:
    """Revoke by REST with two more hub processes beside the first; then with one of them stopped where it stands."""
    with (
        running_web(installation, CPUS[0]),
        running_web(installation, CPUS[0]) as (_, frozen),
        signed_in(installation) as client,
    ):
        alive = [revoke(installation, client, f"quick {number}") for number in range(REVOCATIONS)]
        os.kill(frozen, signal.SIGSTOP)
        try:
            waited = revoke(installation, client, "slow")
        finally:
            os.kill(frozen, signal.SIGCONT)
    gates.judge("revocation, all hubs alive, median", statistics.median(alive), REVOKE_MS, "ms")
    gates.judge("revocation, one hub frozen", waited, FROZEN_MS, "ms")


def revoke(installation: Installation, client: httpx2.Client, name: str) -> float:
    secret = installation.manage("issue_token", "admin@example.com", "bench", f"--name={name}", "--days=1")
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/settings/").text)[1]
    headers = {"X-CSRFToken": csrf, "Origin": installation.base}
    begun = time.perf_counter()
    answer = client.post(f"/api/v1/tokens/{secret[4:16]}/revoke", json={}, headers=headers)
    took = (time.perf_counter() - begun) * 1000
    assert answer.status_code == 200, answer.text
    return took
