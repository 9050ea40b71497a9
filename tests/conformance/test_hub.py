"""The official conformance suite through a live hub, with a delegated token and an address that names account and toolkit."""

import io

import pytest
from django.core.management import call_command

from tests.conformance import suite
from tests.conformance.targets import running_reference, through_the_hub
from tests.live import running_live

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


@pytest.fixture(scope="module")
def live_process(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_live() as live:
        yield live


def manage(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


@pytest.mark.parametrize("revision", suite.REVISIONS)
def test_every_scored_scenario_is_met(transactional_db, live_process, alice, settings, tmp_path, revision):
    settings.NEXUS_ADMIN_EMAIL, settings.NEXUS_BASE_URL = alice.email, live_process.base
    live_process.meet()
    with running_reference(tmp_path / "reference.log") as upstream:
        scenarios = suite.run(through_the_hub(manage, upstream, alice.email), revision, tmp_path / "results")
    scored = [scenario for scenario in scenarios if scenario.is_scored]
    assert len(scored) == {"2025-11-25": 30, "2026-07-28": 37}[revision]
    assert not [str(scenario) for scenario in scored if not scenario.is_met]
