"""`make bench`: what a call through the hub costs beside the same call straight to the server, and what pages cost."""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import httpx2

from tests.bench.installation import ROOT, Installation, cpu_seconds, free_port

TOKENS, CALLS = 10_000, 100_000
PAGES = ("/install/", "/tokens/", "/activity/")
LIMIT_MS, START_LIMIT, MEMORY_LIMIT = 100, 6, 350
CPUS = sorted(os.sched_getaffinity(0))


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def pin(pid: int, cpu: int) -> None:
    """Keep the process, all its threads, on one processor."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {cpu})


def start_upstream() -> "tuple[subprocess.Popen[bytes], str]":
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.upstream", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}/mcp"
    for _ in range(500):
        with contextlib.suppress(httpx2.TransportError):
            httpx2.post(url, json={"method": "x"}, trust_env=False)
            return process, url
        time.sleep(0.02)
    raise SystemExit("The echo server did not start.")


def load(url: str, tool: str, connections: int, seconds: float, token: str = "") -> dict:
    command = [sys.executable, "-m", "tests.bench.load", url, tool, str(connections), str(seconds)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NEXUS_TOKEN": token}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {CPUS[-1]}),
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"A reply was wrong, so there are no figures:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def measure(direct_url: str, hub_url: str, token: str, web: int, connections: int, rounds: int, seconds: float):
    """Measure both in turn, and return the median of each figure."""
    direct, hub = [], []
    for _ in range(rounds):
        direct.append(load(direct_url, "echo", connections, seconds))
        before = cpu_seconds(web)
        measured = load(hub_url, "echo__echo", connections, seconds, token)
        hub.append(measured | {"cpu_ms": (cpu_seconds(web) - before) * 1000 / measured["calls"]})
    return median(direct), median(hub)


def median(rounds: list[dict]) -> dict:
    return {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}


def calls_table(installation: Installation, options: argparse.Namespace) -> None:
    upstream, url = start_upstream()
    try:
        installation.manage("add_toolkit", "bench")
        installation.manage("add_server", "echo", url, "--toolkit", "bench")
        token = installation.manage("issue_token", "admin@example.com", "bench", "--name=bench", "--days=1")
        web = installation.web_pid
        pin(web, CPUS[0])
        pin(upstream.pid, CPUS[-1])
        hub_url = f"http://127.0.0.1:{installation.port}/hub/mcp"
        load(hub_url, "echo__echo", 4, 1, token)  # warm
        say(f"\n{'tools/call echo':<24}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms/call':>13}{'of direct':>11}")
        for connections in (1, 32):
            direct, hub = measure(url, hub_url, token, web, connections, options.rounds, options.seconds)
            say(row(f"direct, {connections} connection(s)", direct, None))
            say(row(f"hub, {connections} connection(s)", hub, hub["per_second"] / direct["per_second"]))
        say(
            "CPU: user and system time of the web process (hub, portal, its threads), the server's and load's not counted."
        )
        say(f"Medians of {options.rounds} interleaved rounds of {options.seconds:g} s; every reply was verified.")
    finally:
        upstream.terminate()
        upstream.wait(5)


def row(name: str, figures: dict, ratio: float | None) -> str:
    cpu = f"{figures['cpu_ms']:.3f}" if "cpu_ms" in figures else "–"
    share = f"{ratio:.2f}" if ratio else "1 (ceiling)"
    return f"{name:<24}{figures['per_second']:>10.0f}{figures['p50_ms']:>9.2f}{figures['p99_ms']:>9.2f}{cpu:>13}{share:>11}"


def signed_in(installation: Installation) -> httpx2.Client:
    link = installation.manage("sign_in_link", "admin@example.com")
    client = httpx2.Client(trust_env=False, timeout=30, base_url=installation.base)
    page = client.get(link).text
    field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert field, "the sign-in link shows no form"
    client.post(link, data={"csrfmiddlewaretoken": field[1]}, headers={"Origin": installation.base})
    return client


def pages_table(installation: Installation, repetitions: int) -> bool:
    """Measure what a signed-in person's browser waits for, on one open connection."""
    say(f"\nSeeding {TOKENS:,} tokens and {CALLS:,} calls")
    installation.run("-m", "tests.bench.seed", str(TOKENS), str(CALLS))
    client, is_good = signed_in(installation), True
    say(f"{'page':<24}{'median ms':>10}{'p95 ms':>9}{'kB':>7}{'':>3}limit {LIMIT_MS} ms")
    for path in PAGES:
        took = []
        for _ in range(repetitions + 2):
            begun = time.perf_counter()
            answer = client.get(path)
            took.append((time.perf_counter() - begun) * 1000)
            assert answer.status_code == 200, f"{path}: {answer.status_code}"
        took = sorted(took[2:])
        middle, slow = statistics.median(took), took[int(len(took) * 0.95)]
        is_good &= slow < LIMIT_MS
        verdict = "pass" if slow < LIMIT_MS else "FAIL"
        say(f"{path:<24}{middle:>10.1f}{slow:>9.1f}{len(answer.content) / 1000:>7.0f}   {verdict}")
    client.close()
    return is_good


def start_and_size(installation: Installation) -> bool:
    first = installation.start()
    installation.stop()
    second = installation.start()
    time.sleep(3)  # let it come to rest
    memory = installation.memory
    say(f"start, empty folder      {first:6.1f} s")
    say(
        f"start, second time       {second:6.1f} s    limit {START_LIMIT} s    {'pass' if second < START_LIMIT else 'FAIL'}"
    )
    say(
        f"idle memory, sum of PSS  {memory:6.0f} MB   limit {MEMORY_LIMIT} MB  {'pass' if memory < MEMORY_LIMIT else 'FAIL'}"
    )
    return second < START_LIMIT and memory < MEMORY_LIMIT


def stores_of(name: str) -> dict[str, str]:
    if name == "embedded":
        return {}
    importlib.import_module("tests.servers")  # starts both, and says in the environment where they are
    return {key: os.environ[key] for key in ("DATABASE_URL", "REDIS_URL")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--store", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--page-repetitions", type=int, default=30)
    parser.add_argument("--only", choices=["calls", "pages"])
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    say(
        f"{time.strftime('%d %b %Y, %H:%M')} · {platform.machine()}, {len(CPUS)} CPUs · Python {platform.python_version()}"
    )
    say(
        f"store: {options.store}{' (fsync off)' if options.store == 'postgres' else ''} · load before the start: {busy:.2f}"
    )
    if busy > 0.5:
        say("The machine is not quiet: believe the ratio and the CPU time, not calls per second or milliseconds.")
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as name:
        installation = Installation(pathlib.Path(name), stores_of(options.store))
        try:
            is_good = start_and_size(installation)
            if options.only != "pages":
                calls_table(installation, options)
            else:
                installation.manage("add_toolkit", "bench")
            if options.only != "calls":
                is_good &= pages_table(installation, options.page_repetitions)
        finally:
            installation.stop()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
