from dataclasses import dataclass

import pytest

from tests import cast
from tests.fleet import Stage, default_database_in, running_fleet
from tests.live import Live, running_live
from tests.upstreams import Recorder, running_recorder
from tokens.models import Issued

EVERYTHING = pytest.mark.django_db(transaction=True, databases="__all__")


@dataclass
class Scene:
    """Alice's toolkit “work” on a recording server, of which echo is allowed and add is not, and a token for it."""

    live: Live
    upstream: Recorder
    alice: object
    bob: object
    charlie: object
    acme: object
    work: object
    sales: object
    issued: Issued

    @property
    def secret(self) -> str:
        return self.issued.key.text


@pytest.fixture(scope="session")
def live_process(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_live() as live:
        yield live


@pytest.fixture(scope="session")
def recording_upstream():
    with running_recorder() as recorder:
        yield recorder


@pytest.fixture
def live(transactional_db, live_process) -> Live:
    live_process.meet()
    return live_process


@pytest.fixture
def scene(live, recording_upstream, alice, bob, charlie, acme) -> Scene:
    recording_upstream.forget()
    server = cast.make_server(url=recording_upstream.url)
    work = cast.make_toolkit(acme, "work", server, allowed=["echo"])
    sales = cast.make_toolkit(acme, "sales", server, allowed=["echo", "add"])
    issued = cast.make_token(alice, work)
    return Scene(live, recording_upstream, alice, bob, charlie, acme, work, sales, issued)


@pytest.fixture(scope="session")
def fleet_processes(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_fleet() as fleet:
        yield fleet


@pytest.fixture
def stage(fleet_processes, django_db_blocker):
    """An account of its own on several hub processes, which have PostgreSQL and Redis to themselves."""
    with django_db_blocker.unblock(), default_database_in(fleet_processes.folder):
        yield Stage.make(fleet_processes)
