"""The official Python client, from the 401 over the browser to tools, and on by refresh."""

import pathlib
import sys

import pytest

from tests.clients.conftest import both_calls, calls_seen
from tests.clients.signing_in import USED, asked_for, connected, disconnect, end_access_tokens, person, sessions

SCRIPT = pathlib.Path(__file__).with_name("sign_in_mcp.py")
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
def test_it_signs_in_refreshes_and_signs_in_again_once_disconnected(ready, alice, tmp_path, names_toolkit):
    alice_s = person(ready, alice, tmp_path)
    url = ready.url if names_toolkit else f"{ready.live.base}/hub/mcp"
    with alice_s.starts(sys.executable, "-I", SCRIPT, url) as client:
        assert client.says() == USED
        assert connected() == [("dcr", "public", "work")]
        [visit] = alice_s.visits
        assert asked_for(visit)["resource"] == url
        assert bool(visit["choices"]) is not names_toolkit
        assert sessions() == (1, 1, 1)

        end_access_tokens(ready)
        assert client.told("an hour later") == USED
        assert sessions() == (1, 1, 2)

        disconnect()
        assert client.told("go on") == USED
        assert len(alice_s.visits) == 2
        assert sessions() == (1, 2, 3)
    assert calls_seen() == both_calls("mcp", "2026-07-28") * 3
