"""`make conformance`: the official suite through a hub of its own, on the embedded store, with a delegated token.

`python -m tests.conformance --direct` runs it against the reference server itself, which shows what the suite can give.
"""

import argparse
import contextlib
import pathlib
import shutil
import sys
from collections.abc import Iterator

from tests.bench.installation import Installation
from tests.conformance import suite
from tests.conformance.suite import Scenario, Target
from tests.conformance.targets import running_reference, through_the_hub

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "conformance-results"


@contextlib.contextmanager
def target(folder: pathlib.Path, is_direct: bool) -> Iterator[Target]:
    with running_reference(folder / "reference.log") as upstream:
        if is_direct:
            yield Target(upstream)
            return
        installation = Installation(folder, {})
        try:
            installation.start()
            yield through_the_hub(installation.manage, upstream, "admin@example.com")
        finally:
            installation.stop()


def report(revision: str, scenarios: list[Scenario]) -> bool:
    """Print what came of each scenario; return whether all that count were met."""
    scored = [scenario for scenario in scenarios if scenario.is_scored]
    met = sum(scenario.is_met for scenario in scored)
    passed, failed = sum(each.passed for each in scenarios), sum(len(each.failures) for each in scenarios)
    lines = [f"Requirements of {revision}", *map(str, scenarios)]
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
    with target(folder, options.direct) as where:
        return 0 if all([report(each, suite.run(where, each, folder / each)) for each in revisions]) else 1


sys.exit(main())
