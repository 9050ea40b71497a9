"""The official conformance suite signs in at a live Nexus: its tests of authorization servers."""

import pytest
from django.conf import settings

from tests import cast
from tests.clients.browser import Browser
from tests.conformance import authorization
from tests.conformance.authorization import Issuer
from tests.live import start
from tests.security import pages
from tests.upstreams import wait_for
from tokens.models import HubProcess

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__")]


@pytest.fixture
def browser(transactional_db, alice) -> Browser:
    return Browser(f"{settings.SESSION_COOKIE_NAME}={pages.browser(alice).cookies[settings.SESSION_COOKIE_NAME].value}")


@pytest.mark.sqlite
@pytest.mark.parametrize("names_toolkit", [True, False], ids=["toolkit in the address", "toolkit picked"])
@pytest.mark.slow
def test_every_scenario_is_met(alice, browser, tmp_path, names_toolkit):
    live = start(tmp_path, NEXUS_CLIENT_ID_DOCUMENTS="1")
    try:
        toolkit = cast.make_toolkit(alice.personal_account, "work")
        resource = live.url(toolkit) if names_toolkit else f"{live.base}/hub/mcp"
        scenarios = authorization.run(Issuer(live.base, resource, browser), tmp_path / "results")
    finally:
        live.stop()
    assert [(str(scenario)) for scenario in scenarios] == [
        "ok   authorization-server-metadata-endpoint: 2 passed, 0 failed",
        "ok   authorization-code-grant: 1 passed, 0 failed",
    ]


def test_every_scenario_is_met_by_two_processes_together(alice, browser, tmp_path):
    live = start(tmp_path, WEB_CONCURRENCY="2")
    try:
        wait_for(lambda: HubProcess.objects.count() >= 2, "the other hub process")
        cast.make_toolkit(alice.personal_account, "work")
        scenarios = authorization.run(Issuer(live.base, f"{live.base}/hub/mcp", browser), tmp_path / "results")
    finally:
        live.stop()
    assert not [str(scenario) for scenario in scenarios if not scenario.is_met]
