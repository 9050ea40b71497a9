from dataclasses import dataclass

import pytest
from django.utils import timezone

from profiles.upstream import discovery
from tests import cast
from tests.live import Live, running_live
from tests.upstreams import running_sdk_server


@dataclass
class Ready:
    """A toolkit on a real server, and what a client is given: the address and the secret."""

    live: Live
    url: str
    secret: str


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
