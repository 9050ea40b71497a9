"""The official TypeScript clients, of today and of the series before, on Node from a wheel."""

import json
import pathlib
import shutil

import pytest

from tests.clients.conftest import both_calls, calls_seen
from tests.clients.node import INSTALLED, NODE

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.mark.parametrize(
    ("package", "mode", "protocol"),
    [("client", "auto", "2026-07-28"), ("client", "legacy", "2025-11-25"), ("sdk", "", "2025-11-25")],
)
def test_it_lists_and_calls_and_is_recorded(ready, tmp_path, package, mode, protocol):
    assert INSTALLED.is_dir(), "The clients in JavaScript are not there: run `make clients`."
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    script = shutil.copy(pathlib.Path(__file__).with_name("use.mjs"), tmp_path)
    assert json.loads(ready.run(NODE, script, package, mode, ready.url)) == {
        "tools": ["echo__echo", "echo__fail", "nexus_status"], "said": "hällo", "failed": True
    }  # fmt: skip
    assert calls_seen() == both_calls(f"typescript-{package}", protocol)
