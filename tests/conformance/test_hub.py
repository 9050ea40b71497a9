"""The official conformance suite through a live hub, with a delegated token and an address that names account and toolkit."""

import io
import pathlib

import pytest
from django.core.management import call_command

from tests.conformance import suite
from tests.conformance.targets import running_reference, through_the_hub
from tests.live import start
from tests.upstreams import wait_for
from tokens.models import HubProcess

SCORED = {"2025-11-25": 30, "2026-07-28": 37}
pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.fixture
def met(transactional_db, alice, settings, tmp_path):
    """Return a function that runs the suite through so many hub processes, and says which scored scenarios are not met."""

    def run(revision: str, processes: int) -> list[str]:
        live = start(tmp_path, WEB_CONCURRENCY=str(processes))
        settings.NEXUS_ADMIN_EMAIL, settings.NEXUS_BASE_URL = alice.email, live.base
        try:
            if processes > 1:
                wait_for(lambda: HubProcess.objects.count() >= processes, "the other hub process")
            return unmet(revision, alice.email, tmp_path)
        finally:
            live.stop()

    return run


def unmet(revision: str, email: str, folder: pathlib.Path) -> list[str]:
    with running_reference(folder / "reference.log") as upstream:
        scenarios = suite.run(through_the_hub(manage, upstream, email), revision, folder / "results")
    scored = [scenario for scenario in scenarios if scenario.is_scored]
    assert len(scored) == SCORED[revision]
    return [str(scenario) for scenario in scored if not scenario.is_met]


def manage(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


@pytest.mark.sqlite
@pytest.mark.parametrize("revision", suite.REVISIONS)
@pytest.mark.slow
def test_every_scored_scenario_is_met(met, revision):
    assert not met(revision, 1)


@pytest.mark.parametrize("revision", suite.REVISIONS)
def test_every_scored_scenario_is_met_by_two_processes_together(met, revision):
    assert not met(revision, 2)
