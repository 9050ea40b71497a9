"""What a signed-in person's browser waits for, and what Nexus takes to start and to be there."""

import argparse
import contextlib
import re
import statistics
import time
from collections.abc import Iterator

import httpx2

from tests.bench.installation import Installation
from tests.bench.report import Gates, say

TOKENS, CALLS = 10_000, 100_000
PAGES = ("/install/", "/tokens/", "/activity/")
LIMIT_MS, START_LIMIT, MEMORY_LIMIT = 100, 6, 350


def start_and_size(installation: Installation, gates: Gates) -> None:
    first = installation.start()
    installation.stop()
    second = installation.start()
    time.sleep(3)  # let it come to rest
    say(f"start, empty folder {first:.1f} s")
    gates.judge("start, second time", second, START_LIMIT, "s")
    gates.judge("idle memory, sum of PSS", installation.memory, MEMORY_LIMIT, "MB")


@contextlib.contextmanager
def signed_in(installation: Installation) -> Iterator[httpx2.Client]:
    link = installation.manage("sign_in_link", "admin@example.com")
    with httpx2.Client(trust_env=False, timeout=30, base_url=installation.base) as client:
        page = client.get(link).text
        field = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert field, "the sign-in link shows no form"
        client.post(link, data={"csrfmiddlewaretoken": field[1]}, headers={"Origin": installation.base})
        yield client


def measure(installation: Installation, options: argparse.Namespace, gates: Gates) -> None:
    """Measure each page on one open connection."""
    say(f"\nSeeding {TOKENS:,} tokens and {CALLS:,} calls")
    installation.run("-m", "tests.bench.seed", str(TOKENS), str(CALLS))
    with signed_in(installation) as client:
        say(f"{'page':<30}{'median ms':>10}{'p95 ms':>9}{'kB':>9}")
        slow = {path: measure_page(client, path, options.page_repetitions) for path in PAGES}
    for path, milliseconds in slow.items():
        gates.judge(f"p95 of {path}", milliseconds, LIMIT_MS, "ms")


def measure_page(client: httpx2.Client, path: str, repetitions: int) -> float:
    """Ask for the page so often, and return the 95th percentile in milliseconds."""
    took = []
    for _ in range(repetitions + 2):
        begun = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
    took = sorted(took[2:])
    slow = took[int(len(took) * 0.95)]
    say(f"{path:<30}{statistics.median(took):>10.1f}{slow:>9.1f}{len(answer.content) / 1000:>9.0f}")
    return slow
