"""Row 53: no redirect is followed, no proxy asked; what a server sends is bounded in size and in time."""

import pytest

from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError
from tests import cast
from tests.hub.raw_server import raw_server
from tests.security.pages import browser
from tests.upstreams import running_recorder

pytestmark = pytest.mark.django_db(databases="__all__")
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
INSIDE = [
    "http://169.254.169.254/latest/",
    "http://127.0.0.1:22/",
    "//127.0.0.1:22/",
    "file:///etc/passwd",
    "/elsewhere",
]
CREDENTIAL = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer of-ours\r\nCookie: a=b\r\n"


@pytest.fixture
def alices(alice, acme):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


@pytest.fixture
def recorder():
    with running_recorder() as running:
        yield running


def page_for(client, url):
    return client.post("/servers/add/", {"url": url, "name": "Inner", "save": "1"})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_and_no_credential_travels(status):
    async def unreachable(number, request, writer):
        raise AssertionError("followed")

    async with raw_server(unreachable) as (_, other):

        async def redirect(number, request, writer):
            writer.write(b"HTTP/1.1 %d Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, other.url.encode()))

        async with raw_server(redirect) as (pool, raw):
            response = await pool.request(CREDENTIAL, b"{}", timeout=5)
            assert (response.status, await response.read()) == (status, b"")
            assert len(raw.bodies) == 1
        assert other.writers == []


@pytest.mark.parametrize("elsewhere", INSIDE)
def test_the_page_says_that_the_server_sends_elsewhere(alices, recorder, elsewhere):
    recorder.mode, recorder.elsewhere = "redirect", elsewhere
    page = page_for(alices, recorder.url)
    assert page.status_code == 422
    assert "it sends elsewhere (HTTP 307); give the final address instead" in page.content.decode()
    assert len(recorder.received) == 1


def test_a_redirect_to_another_server_reaches_nobody(alices, recorder):
    with running_recorder() as other:
        recorder.mode, recorder.elsewhere = "redirect", other.url
        assert page_for(alices, recorder.url).status_code == 422
        assert other.connections == 0


def test_proxies_of_the_environment_are_not_asked(alices, recorder, monkeypatch):
    with running_recorder() as proxy:
        for name in PROXIES:
            monkeypatch.setenv(name, proxy.url)
        assert page_for(alices, recorder.url).status_code == 302
        assert proxy.connections == 0


@pytest.mark.parametrize("mode", ["endless", "endless headers", "endless stream", "half", "garbage"])
def test_what_does_not_end_well_is_an_error_on_the_page(alices, recorder, mode):
    recorder.mode = mode
    page = page_for(alices, recorder.url)
    assert page.status_code == 422
    assert "cannot be used" in page.content.decode()
    assert len(page.content) < 20_000


@pytest.mark.parametrize("mode", ["hang", "drip", "drip stream"])
def test_what_does_not_end_in_time_is_given_up(acme, recorder, mode, monkeypatch):
    monkeypatch.setattr(discovery, "LIST_TIMEOUT", 0.5)
    recorder.mode = mode
    with pytest.raises(UpstreamError, match=r"did not answer within"):
        discovery.list_tools(cast.make_server("slow", url=recorder.url, account=acme))
