"""`make bench`: what a call through the hub costs beside the same call straight to the server, and what pages cost."""

import argparse
import contextlib
import importlib
import itertools
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psycopg
import redis

from tests.bench import calls, exchanges, lighthouse, listing, noisy, pages, slow, tokens, two
from tests.bench.driving import CPUS, running_upstream, set_stage
from tests.bench.installation import ROOT, Installation
from tests.bench.report import Gates, say

ON_ONE_INSTALLATION = {"calls": calls, "slow": slow, "list": listing, "exchange": exchanges}
installations = itertools.count(1)
SCENARIOS = [*ON_ONE_INSTALLATION, "pages", "noisy", "two", "lighthouse", "activity", "tokens"]


def stores_of(name: str) -> dict[str, str]:
    """Return the variables of a database and a Redis for one installation alone."""
    if name == "embedded":
        return {}
    importlib.import_module("tests.servers")  # starts both, once, and says in the environment where they are
    number = next(installations)
    with redis.from_url(os.environ["REDIS_URL"]) as server:
        server.config_set("appendonly", "yes")  # else calls would not go through it
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as cluster:
        cluster.execute(f"CREATE DATABASE bench_{number}")
    database = os.environ["DATABASE_URL"].replace("/postgres?", f"/bench_{number}?")
    return {"DATABASE_URL": database, "REDIS_URL": f"{os.environ['REDIS_URL']}?db={number}"}


@contextlib.contextmanager
def running(stores: dict[str, str], **more: str) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as name:
        installation = Installation(pathlib.Path(name), stores | more)
        try:
            yield installation
        finally:
            installation.stop()


def on_one_installation(options: argparse.Namespace, upstream: str, gates: Gates) -> None:
    with running(stores_of(options.store)) as installation:
        pages.start_and_size(installation, gates)
        stage = set_stage(installation, upstream)
        for name, scenario in ON_ONE_INSTALLATION.items():
            if options.only in (None, name):
                scenario.measure(stage, options, gates)
        if options.only in (None, "pages"):
            pages.measure(installation, options, gates)


def on_its_own(scenario, stores: dict[str, str], options: argparse.Namespace, upstream: str, gates: Gates) -> None:
    with running(stores, NEXUS_RATE_TOKEN=str(noisy.LIMIT if scenario is noisy else 10_000)) as installation:
        installation.start()
        scenario.measure(set_stage(installation, upstream), options, gates)


def introduce(options: argparse.Namespace) -> None:
    busy = os.getloadavg()[0]
    moment = time.strftime("%d %b %Y, %H:%M")
    say(f"{moment} · {platform.machine()}, {len(CPUS)} CPUs · Python {platform.python_version()}")
    say(
        f"store: {options.store}{' (fsync off)' if options.store == 'postgres' else ''} · load before the start: {busy:.2f}"
    )
    if busy > 0.5:
        say("The machine is not quiet: believe the ratio and the CPU time, not calls per second or milliseconds.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--store", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--page-repetitions", type=int, default=30)
    parser.add_argument("--only", choices=SCENARIOS)
    options = parser.parse_args()
    introduce(options)
    gates = Gates()
    with running_upstream() as upstream:
        if options.only not in ("noisy", "two", "lighthouse", "activity", "tokens"):
            on_one_installation(options, upstream, gates)
        if options.only in (None, "noisy"):
            on_its_own(noisy, stores_of(options.store), options, upstream, gates)
        if options.only in (None, "two"):
            on_its_own(two, stores_of("postgres"), options, upstream, gates)
        if options.only in (None, "lighthouse"):
            with running({}) as installation:
                lighthouse.measure(installation, options, gates)
        if options.only in (None, "activity"):
            measured = subprocess.run(
                [sys.executable, "-m", "tests.bench.activity", "measure", options.store], cwd=ROOT
            )
            gates.hold &= measured.returncode == 0
        if options.only == "tokens":  # takes minutes
            with running(stores_of("postgres")) as installation:
                tokens.measure(installation, options, gates)
    say("\nEvery gate holds." if gates.hold else "\nA gate does not hold.")
    return 0 if gates.hold else 1


if __name__ == "__main__":
    sys.exit(main())
