"""Where the machine cannot confine stdio servers, the server page, /readyz and doctor say so."""

import pytest

from nexus import readiness
from profiles.models import Server
from profiles.upstream.stdio_host import UNCONFINED
from tests.hub.stdio import TIME, WITHOUT_LANDLOCK, WITHOUT_NAMESPACES, running_host

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture(scope="module")
def unconfined(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("none") / "var", prefix=WITHOUT_NAMESPACES + WITHOUT_LANDLOCK) as path:
        yield path


@pytest.fixture(scope="module")
def confined(tmp_path_factory):
    with running_host(tmp_path_factory.mktemp("some") / "var") as path:
        yield path


@pytest.fixture
def page(client, alice):
    server = Server.objects.create(slug="time", name="Time", transport=Server.Transport.STDIO, command=TIME)
    client.force_login(alice)
    return f"/servers/{server.pk}/"


def test_the_page_of_a_stdio_server_says_that_it_is_not_confined(client, page, unconfined, settings):
    settings.NEXUS_STDIO_SOCKET = unconfined
    assert UNCONFINED in client.get(page).content.decode()


def test_the_page_of_a_confined_server_says_nothing_of_it(client, page, confined, settings):
    settings.NEXUS_STDIO_SOCKET = confined
    assert "not confined" not in client.get(page).content.decode()


def test_the_page_is_there_without_a_host(client, page, tmp_path, settings):
    settings.NEXUS_STDIO_SOCKET = tmp_path / "none.sock"
    answer = client.get(page)
    assert answer.status_code == 200
    assert "not confined" not in answer.content.decode()


def test_doctor_warns_of_a_host_that_cannot_confine(unconfined, settings):
    settings.NEXUS_STDIO_SOCKET = unconfined
    finding = readiness.stdio_host()
    assert (finding.state, finding.detail) == (readiness.State.WARN, UNCONFINED)


def test_doctor_says_what_confines(confined, settings):
    settings.NEXUS_STDIO_SOCKET = confined
    finding = readiness.stdio_host()
    assert (finding.state, finding.detail) == (readiness.State.OK, "answers, 0 running, confined by landlock")
