"""Python clients with packages of their own: the official one of the series before, and FastMCP's. `make clients` installs them."""

import json
import pathlib

import pytest

from tests.clients.conftest import both_calls, calls_seen

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.mark.parametrize(
    ("package", "client", "protocol"), [("mcp1", "mcp", "2025-11-25"), ("fastmcp", "fastmcp", "2026-07-28")]
)
def test_it_lists_and_calls_and_is_recorded(ready, tmp_path, package, client, protocol):
    python = BUILD / package / "bin" / "python"
    assert python.exists(), "The Python clients are not there: run `make clients`."
    printed = ready.run(python, "-I", HERE / f"use_{package}.py", ready.url, env={"HOME": str(tmp_path)})
    assert json.loads(printed) == {
        "tools": ["echo__echo", "echo__fail", "nexus_status"], "said": "hällo", "failed": True
    }  # fmt: skip
    assert calls_seen() == both_calls(client, protocol)
