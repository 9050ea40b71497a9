"""Real clients, from the 401 over the browser to tools, on by refresh, and through the browser again once disconnected."""

import pathlib
import shutil
import sys

import pytest

from tests.clients.conftest import both_calls, calls_seen
from tests.clients.node import INSTALLED, NODE
from tests.clients.signing_in import USED, asked_for, connected, disconnect, end_access_tokens, person, sessions

HERE = pathlib.Path(__file__).resolve().parent
FASTMCP = HERE.parents[1] / "build" / "fastmcp" / "bin" / "python"
CLIENTS = {
    "mcp": ([sys.executable, "-I", HERE / "sign_in_mcp.py"], "mcp", "2026-07-28"),
    "fastmcp": ([FASTMCP, "-I", HERE / "sign_in_fastmcp.py"], "fastmcp", "2026-07-28"),
    "typescript": ([NODE, "sign_in.mjs", "client"], "typescript-client", "2026-07-28"),
    "typescript 1": ([NODE, "sign_in.mjs", "sdk"], "typescript-sdk", "2025-11-25"),
}
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
@pytest.mark.parametrize("name", ["mcp", *(pytest.param(name, marks=pytest.mark.flow) for name in list(CLIENTS)[1:])])
def test_it_signs_in_refreshes_and_signs_in_again_once_disconnected(ready, alice, tmp_path, name, names_toolkit):
    command, client_name, protocol = CLIENTS[name]
    assert INSTALLED.is_dir(), "The clients in JavaScript are not there: run `make clients`."
    assert FASTMCP.exists(), "The Python clients are not there: run `make clients`."
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    shutil.copy(HERE / "sign_in.mjs", tmp_path)
    browser = person(alice, tmp_path)
    url = ready.url if names_toolkit else f"{ready.live.base}/hub/mcp"
    with browser.starts(*command, url) as client:
        assert client.says() == USED
        assert connected() == [("dcr", "public", "work")]
        [visit] = browser.visits
        assert asked_for(visit)["resource"] == url
        assert bool(visit["choices"]) is not names_toolkit
        assert sessions() == (1, 1, 1)

        end_access_tokens(ready)
        assert client.told("an hour later") == USED
        assert (len(browser.visits), sessions()) == (1, (1, 1, 2))

        disconnect()
        assert client.told("go on") == USED
        assert (len(browser.visits), sessions()) == (2, (1, 2, 3))
    assert calls_seen() == both_calls(client_name, protocol) * 3
