"""Row 54: of an address that is not allowed nobody learns which ports are open; of an allowed one, what is wrong."""

import ipaddress
import re

import pytest

from tests.hub.test_http_connect import silent_port
from tests.live import free_port
from tests.security.pages import browser
from tests.upstreams import running_recorder

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def alices(alice, acme):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


@pytest.fixture
def ports(monkeypatch):
    """An open port, one that refuses and one that does not answer, by what they are."""
    monkeypatch.setattr("profiles.upstream.http.CONNECT_TIMEOUT", 0.2)
    with running_recorder() as recorder, silent_port("127.0.0.1") as filtered:
        recorder.mode = "garbage"
        yield {
            "open": int(recorder.url.rpartition(":")[2].partition("/")[0]),
            "closed": free_port(),
            "filtered": filtered,
        }


def said(client, host, port):
    """Return status and page, without what the person typed and what differs from one page to the next."""
    answer = client.post("/servers/add/", {"url": f"http://{host}:{port}/mcp", "name": "Inner"})
    page = answer.content.decode().replace(str(port), "PORT")
    return answer.status_code, re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
def test_open_closed_and_filtered_ports_look_the_same(alices, ports, settings, host):
    settings.NEXUS_ALLOWED_NETWORKS = []
    seen = {said(alices, host, port) for port in ports.values()}
    assert len(seen) == 1
    status, page = seen.pop()
    assert status == 422
    assert "is not a public address" in page
    assert "NEXUS_ALLOWED_NETWORKS" in page


def test_the_address_behind_a_name_is_not_shown(alices, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    _, page = said(alices, "localhost", 8080)
    assert "127.0.0.1" not in page
    assert "::1" not in page


def test_of_a_network_that_the_operator_allows_the_reason_is_told(alices, ports, settings):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    reasons = {
        "open": "something that is not MCP",
        "closed": "connection refused",
        "filtered": "could not be reached in time",
    }
    for state, port in ports.items():
        status, page = said(alices, "127.0.0.1", port)
        assert status == 422
        assert reasons[state] in page, state


def test_a_named_range_opens_nothing_beside_it(alices, ports, settings):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("10.1.2.0/24")]
    assert {said(alices, "127.0.0.1", port)[0] for port in ports.values()} == {422}
    assert "is not a public address" in said(alices, "10.1.3.1", 80)[1]
