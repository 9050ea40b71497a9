"""Lighthouse of npm in Debian's Chromium, on a simulated slow phone: `make test` and `make bench` install it."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import httpx2

from tests.bench.installation import ROOT
from tests.clients.node import NODE

INSTALLED = ROOT / "build" / "lighthouse"
CHROMIUM = "/usr/bin/chromium"
ACCESSIBILITY, BEST_PRACTICES, PERFORMANCE = "accessibility", "best-practices", "performance"


def look_at(urls: Sequence[str], client: httpx2.Client, categories: Sequence[str]) -> list[dict[str, Any]]:
    """Look with the client's cookies; return for each page its scores (0 to 100), the audits that it lost, and its LCP (ms)."""
    asked = {
        "chromium": CHROMIUM,
        "categories": list(categories),
        "urls": list(urls),
        "cookies": [
            {"name": each.name, "value": each.value, "domain": "localhost", "path": "/"} for each in client.cookies.jar
        ],
    }
    done = subprocess.run(
        [NODE, ROOT / "tests/lighthouse/audit.mjs"],
        cwd=INSTALLED,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60 * len(urls) + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for each in found:
        assert each["final"] == each["url"], f"{each['url']} led to {each['final']}"
        assert not each.get("error"), each
    return found
