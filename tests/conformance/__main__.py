"""`make conformance`: the official suite through a hub of its own, on the embedded store, with a delegated token.

Then the suite signs in at the hub's authorization server, once choosing a toolkit and once with an address that names it.

`python -m tests.conformance --direct` runs it against the reference server itself, which shows what the suite can give.
"""

import argparse
import contextlib
import pathlib
import shutil
import sys
from collections.abc import Iterator

from tests.bench.installation import Installation
from tests.clients.browser import Browser
from tests.conformance import authorization, suite
from tests.conformance.authorization import Issuer
from tests.conformance.suite import Scenario, Target
from tests.conformance.targets import running_reference, through_the_hub

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "conformance-results"
ADMIN = "admin@example.com"


@contextlib.contextmanager
def targets(folder: pathlib.Path, is_direct: bool) -> Iterator[tuple[Target, dict[str, Issuer]]]:
    """Start what is tested; yield the server, and the authorization server with each form of a resource."""
    with running_reference(folder / "reference.log") as upstream:
        if is_direct:
            yield Target(upstream), {}
            return
        installation = Installation(folder, {"NEXUS_CLIENT_ID_DOCUMENTS": "1"})
        try:
            installation.start()
            target = through_the_hub(installation.manage, upstream, ADMIN)
            yield target, issuers(installation, target)
        finally:
            installation.stop()


def issuers(installation: Installation, target: Target) -> dict[str, Issuer]:
    browser = Browser()
    browser.sign_in(installation.manage("sign_in_link", ADMIN))
    resources = {"picker": f"{installation.base}/hub/mcp", "named": target.url}
    return {name: Issuer(installation.base, resource, browser) for name, resource in resources.items()}


def report(title: str, scenarios: list[Scenario]) -> bool:
    """Print what came of each scenario; return whether all that count were met."""
    scored = [scenario for scenario in scenarios if scenario.is_scored]
    met = sum(scenario.is_met for scenario in scored)
    passed, failed = sum(each.passed for each in scenarios), sum(len(each.failures) for each in scenarios)
    lines = [title, *map(str, scenarios)]
    lines += [f"{met} of {len(scored)} scored scenarios met; checks of all: {passed} passed, {failed} failed.", ""]
    sys.stdout.write("\n".join(lines) + "\n")
    return met == len(scored)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("--direct", action="store_true", help="without Nexus between the suite and the server")
    parser.add_argument("--requirements", choices=suite.REVISIONS, help="of one revision only; default: of both")
    options = parser.parse_args()
    folder = BUILD / ("direct" if options.direct else "hub")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    revisions = [options.requirements] if options.requirements else suite.REVISIONS
    with targets(folder, options.direct) as (target, signing_in):
        met = [report(f"Requirements of {each}", suite.run(target, each, folder / each)) for each in revisions]
        for name, issuer in signing_in.items():
            scenarios = authorization.run(issuer, folder / f"authorization-{name}")
            met.append(report(f"Authorization server, resource {issuer.resource}", scenarios))
    return 0 if all(met) else 1


sys.exit(main())
