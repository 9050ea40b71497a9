"""How fast pages are on a slow phone (Lighthouse's mobile preset, simulated throttling), and its points for the rest."""

import argparse
import statistics

from tests.bench.installation import Installation
from tests.bench.pages import signed_in
from tests.bench.report import Gates, say
from tests.browser.walk import populate
from tests.lighthouse import ACCESSIBILITY, BEST_PRACTICES, PERFORMANCE, look_at

INSTALL = "/install/"
PAGES = ("/", INSTALL, "/toolkits/", "/servers/", "/tokens/", "/activity/", "/settings/", "/guide/")
RUNS = 5
LCP_MS = 1800
LEAST = {PERFORMANCE: 95, ACCESSIBILITY: 100, BEST_PRACTICES: 100}  # points


def measure(installation: Installation, options: argparse.Namespace, gates: Gates) -> None:
    """Fill an installation, and look at its pages."""
    installation.start()
    populate(installation)
    with signed_in(installation) as client:
        urls = [installation.base + path for path in [*PAGES, *[INSTALL] * (RUNS - 1)]]
        found = look_at(urls, client, [*LEAST])
    say(f"\n{'page, on a slow phone':<30}{'performance':>12}{'accessible':>12}{'practices':>11}{'LCP ms':>8}")
    for path, each in zip(PAGES, found, strict=False):
        scores = each["scores"]
        say(
            f"{path:<30}{scores[PERFORMANCE]:>12}{scores[ACCESSIBILITY]:>12}{scores[BEST_PRACTICES]:>11}{each['lcp']:>8.0f}"
        )
        for lost in each["lost"]:
            say(f"    {lost}")
    installs = [each for each in found if each["url"].endswith(INSTALL)]
    gates.judge(f"LCP of Install, median of {RUNS}", statistics.median(each["lcp"] for each in installs), LCP_MS, "ms")
    for path, each in zip(PAGES, found, strict=False):
        for category, least in LEAST.items():
            gates.judge(f"{category} of {path}", each["scores"][category], least, "", at_least=True)
