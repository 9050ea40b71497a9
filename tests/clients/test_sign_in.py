"""Real clients, from the 401 over the browser to tools, on by refresh, and through the browser again once disconnected."""

import pathlib
import shutil
import sys
from uuid import uuid4

import pytest
from django.utils import timezone

from profiles.models import Server
from profiles.permissions import Role
from tests import cast
from tests.clients.conftest import both_calls, calls_seen
from tests.clients.node import INSTALLED, NODE
from tests.clients.signing_in import USED, Person, asked_for, connected, disconnect, end_access_tokens, person, sessions
from tests.live import start
from tokens.models import Application

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
FASTMCP, MCP1 = BUILD / "fastmcp" / "bin" / "python", BUILD / "mcp1" / "bin" / "python"
CODEX = "https://chatgpt.com/oauth/codex/client.json"  # known by its seed: nothing is fetched
CLIENTS = {
    "mcp": ([sys.executable, "-I", HERE / "sign_in_mcp.py"], "mcp", "2026-07-28"),
    "mcp 1": ([MCP1, "-I", HERE / "sign_in_mcp1.py"], "mcp", "2025-11-25"),
    "fastmcp": ([FASTMCP, "-I", HERE / "sign_in_fastmcp.py"], "fastmcp", "2026-07-28"),
    "typescript": ([NODE, "sign_in.mjs", "client"], "typescript-client", "2026-07-28"),
    "typescript 1": ([NODE, "sign_in.mjs", "sdk"], "typescript-sdk", "2025-11-25"),
}
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def browser(ready, alice, tmp_path) -> Person:
    assert INSTALLED.is_dir(), "The clients in JavaScript are not there: run `make clients`."
    assert all(path.exists() for path in (FASTMCP, MCP1)), "The Python clients are not there: run `make clients`."
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    shutil.copy(HERE / "sign_in.mjs", tmp_path)
    return person(alice, tmp_path)


@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
@pytest.mark.parametrize("name", ["mcp", *(pytest.param(name, marks=pytest.mark.flow) for name in list(CLIENTS)[1:])])
def test_it_signs_in_refreshes_and_signs_in_again_once_disconnected(ready, browser, name, names_toolkit):
    command, client_name, protocol = CLIENTS[name]
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


@pytest.fixture
def sales(ready, alice) -> str:
    """Return the address of another toolkit."""
    server = Server.objects.get(slug="echo")
    return ready.live.url(cast.make_toolkit(alice.personal_account, "sales", server, allowed=["echo", "fail"]))


@pytest.mark.flow
def test_an_address_that_names_another_toolkit_asks_again_and_keeps_both(ready, browser, sales):
    with browser.starts(*CLIENTS["mcp"][0], ready.url) as client:
        assert client.says() == USED
        assert client.told(sales) == USED
    assert connected() == [("dcr", "public", "work"), ("dcr", "public", "sales")]
    assert [asked_for(visit)["resource"].rpartition("=")[2] for visit in browser.visits] == ["work", "sales"]
    assert sessions() == (1, 2, 2)


@pytest.mark.flow
@pytest.mark.parametrize("name", ["typescript", "typescript 1"])
def test_a_client_that_refreshes_for_another_toolkit_is_told_to_sign_in_again(ready, browser, sales, name):
    with browser.starts(*CLIENTS[name][0], ready.url) as client:
        assert client.says() == USED
        with pytest.raises(AssertionError, match=r"This session is for the toolkit work\. Sign in again"):
            client.told(sales)
    assert (connected(), sessions()) == ([("dcr", "public", "work")], (1, 1, 1))


@pytest.mark.flow
@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "only toolkit"])
@pytest.mark.parametrize("name", ["mcp", "typescript", "typescript 1"])
def test_a_machine_signs_in_by_itself(ready, browser, alice, name, names_toolkit):
    command, client_name, protocol = CLIENTS[name]
    registered = Application.objects.register_machine(
        alice.personal_account, user=alice, name="Night report", role=Role.END_USER, toolkits=[browser.toolkit],
        request_key=uuid4(), by=cast.OPERATOR, now=timezone.now(),
    )  # fmt: skip
    told = {
        "NEXUS_CLIENT_ID": registered.application.client_id, "NEXUS_CLIENT_SECRET": registered.key.text,
        "NEXUS_ISSUER": ready.live.base,
    }  # fmt: skip
    with browser.starts(*command, ready.url if names_toolkit else f"{ready.live.base}/hub/mcp", **told) as client:
        assert client.says() == USED
        end_access_tokens(ready)
        assert client.told("an hour later") == USED
    assert not browser.visits
    assert calls_seen() == both_calls(client_name, protocol) * 2


@pytest.fixture
def knows_documents(ready, tmp_path):
    """Return the address of another hub on the same database, which takes the address of a document for a client id."""
    (tmp_path / "hub").mkdir()
    live = start(tmp_path / "hub", NEXUS_CLIENT_ID_DOCUMENTS="1")
    yield live.base
    live.stop()


@pytest.mark.flow
@pytest.mark.parametrize("name", ["mcp", "typescript", "typescript 1"])
def test_it_signs_in_as_a_well_known_client_by_its_document(ready, browser, knows_documents, name):
    command, client_name, protocol = CLIENTS[name]
    url = ready.url.replace(ready.live.base, knows_documents)
    with browser.starts(*command, url, NEXUS_CLIENT_DOCUMENT=CODEX) as client:
        assert client.says() == USED
        end_access_tokens(ready)
        assert client.told("an hour later") == USED
    [visit] = browser.visits
    assert asked_for(visit)["client_id"] == CODEX
    assert connected() == [("cimd", "public", "work")]
    assert sessions() == (0, 1, 2)
    assert calls_seen() == both_calls(client_name, protocol) * 2
