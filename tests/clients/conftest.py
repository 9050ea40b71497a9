import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.utils import timezone

from activity.models import Call
from profiles.upstream import discovery
from tests import cast
from tests.clients.model_server import Model, running_model
from tests.live import Live, running_live
from tests.upstreams import running_sdk_server
from tokens.clients.filling import Facts
from tokens.models import Connection, DelegatedToken


@dataclass
class Ready:
    """A toolkit on a real server, and what a client is given: the address and the secret."""

    live: Live
    url: str
    secret: str

    def run(self, *command, env=None) -> str:
        """Run a client as a program of its own, the token in NEXUS_TOKEN; return what it printed."""
        told = {"NEXUS_TOKEN": self.secret, "PATH": "/usr/bin:/bin", **(env or {})}
        ended = subprocess.run([*map(str, command)], env=told, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout


def calls_seen() -> list[tuple[str, str, str, str]]:
    """Return the tool calls of this test's tokens, oldest first: client, protocol, tool, outcome.

    Another test's hub may still write the last rows of tokens that are gone.
    """
    there = [*DelegatedToken.objects.values_list("public_id"), *Connection.objects.values_list("public_id")]
    calls = Call.objects.filter(method="tools/call", token_public_id__in=[pk for (pk,) in there]).order_by("at")
    return list(calls.values_list("client_name", "protocol", "tool", "outcome"))


def tools_called() -> list[tuple[str, str]]:
    """Return tool and outcome of each tool call that Activity shows of this test's tokens, oldest first."""
    return [(tool, outcome) for _, _, tool, outcome in calls_seen()]


def both_calls(client: str, protocol: str) -> list[tuple[str, str, str, str]]:
    """Return what Activity shows of a client that has called both tools."""
    return [(client, protocol, "echo__echo", "ok"), (client, protocol, "echo__fail", "tool_error")]


@pytest.fixture(scope="session")
def live_process(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_live() as live:
        yield live


@pytest.fixture(scope="session")
def sdk_server():
    with running_sdk_server() as url:
        yield url


@pytest.fixture
def ready(transactional_db, live_process, sdk_server, alice) -> Ready:
    live_process.meet()
    server = cast.make_server(url=sdk_server)
    server.remember_tools(discovery.list_tools(server), now=timezone.now())
    toolkit = cast.make_toolkit(alice.personal_account, "work", server, allowed=["echo", "fail"])
    return Ready(live_process, live_process.url(toolkit), cast.make_token(alice, toolkit).key.text)


@pytest.fixture
def facts(ready, settings) -> Facts:
    """What the set-ups of this toolkit are filled with; the one tool to try is echo__echo."""
    settings.NEXUS_BASE_URL = ready.live.base
    toolkit = DelegatedToken.objects.get().toolkit
    toolkit.entries.filter(exposed_name="echo__fail").refuse()
    return Facts.of(toolkit)


@pytest.fixture
def model() -> Iterator[Model]:
    with running_model() as model:
        yield model
