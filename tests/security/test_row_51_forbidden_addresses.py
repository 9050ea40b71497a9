"""Row 51: private, metadata and disguised addresses are refused before anything is connected, wherever one is entered."""

import io
import ipaddress

import pytest
from django.core.management import CommandError, call_command

from profiles.models import Server
from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError
from tests import cast
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser
from tests.upstreams import running_recorder

pytestmark = pytest.mark.django_db(databases="__all__")

METADATA = [
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://metadata.google.internal/",
    "http://METADATA.google.internal./", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://0xa9fea9fe/",
    "http://2852039166/", "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:1:1:0:0:5601:5601]/", "http://168.63.129.16/", "http://192.0.0.192/", "http://[fe80::1]/",
    "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "http://１６９。２５４。１６９。２５４/",
]  # fmt: skip
PRIVATE = [
    "http://10.0.0.1/mcp", "http://192.168.1.1/", "http://172.16.0.1/", "http://100.64.0.1/", "http://[fc00::1]/", "http://[fec0::1]/",
    "http://0.0.0.0/", "http://0/", "http://[::]/", "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/",
    "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::1]/", "http://[64:ff9b:1::a00:1]/", "http://0x0a000001/",
    "http://167772161/", "http://012.0.0.1/", "http://10.1/", "http://[3fff::1]/", "http://[2001:db8::1]/", "http://192.0.2.1/",
]  # fmt: skip
LOOPBACK = [
    "http://127.0.0.1:{}/mcp", "http://127.1:{}/mcp", "http://0x7f000001:{}/mcp", "http://2130706433:{}/mcp", "http://017700000001:{}/mcp",
    "http://localhost:{}/mcp", "http://localhost.:{}/mcp", "http://LOCALHOST:{}/mcp", "http://127.0.0.1.:{}/mcp",
    "http://[::ffff:127.0.0.1]:{}/mcp", "http://[::ffff:7f00:1]:{}/mcp", "http://１２７.０.０.１:{}/mcp", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{}/mcp",
    "http://0.0.0.0:{}/mcp", "http://0:{}/mcp",
]  # fmt: skip
NOT_HTTP = [
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "unix:/run/nexus.sock", "ftp://127.0.0.1/", "ws://127.0.0.1/", "data:,x",
    "javascript:alert(1)", "//127.0.0.1/mcp", "http:127.0.0.1", "http:///127.0.0.1", "http://a@127.0.0.1/", "http://a:b@127.0.0.1/",
    "http://@127.0.0.1/", "http://evil.example\\@127.0.0.1/", "http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://127.0.0.1:80x/",
    "http://a..b/", "http://[::1/", "http://[127.0.0.1]/", "http://127.0.0.1\t/", "http://127.0.0.1%00/", "dict://127.0.0.1:11211/",
]  # fmt: skip


@pytest.fixture
def strict(settings):
    settings.NEXUS_ALLOWED_NETWORKS = []


@pytest.fixture
def alices(alice, acme):
    client = browser(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


def refused(client, url):
    """Enter the address on the page, for a look and to be saved; return what the page says."""
    for more in ({}, {"save": "1"}):
        page = client.post("/servers/add/", {"url": url, "name": "Inner", **more})
        assert page.status_code == 422, url
    assert not Server.objects.filter(name="Inner").exists()
    return page.content.decode()


@pytest.mark.parametrize("url", METADATA + PRIVATE + NOT_HTTP)
def test_the_portal_refuses_it(alices, strict, url):
    assert "has tools" not in refused(alices, url)


@pytest.mark.parametrize("url", LOOPBACK)
def test_a_server_on_this_machine_is_not_even_connected_to(alices, strict, url):
    with running_recorder() as inner:
        port = inner.url.rpartition(":")[2].partition("/")[0]
        refused(alices, url.format(port))
        assert inner.connections == 0


@pytest.mark.parametrize("url", METADATA)
def test_no_setting_of_the_operator_opens_a_metadata_service(alices, settings, url):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    page = refused(alices, url)
    assert "metadata service" in page or "not an address" in page or "whole address" in page


@pytest.mark.parametrize("url", [METADATA[0], PRIVATE[0], NOT_HTTP[0]])
def test_the_command_line_refuses_it(strict, url, db):
    with pytest.raises(CommandError):
        call_command("add_server", "inner", url, stdout=io.StringIO(), stderr=io.StringIO())
    assert not Server.objects.exists()


@EVERYTHING
@pytest.mark.parametrize("url", [METADATA[0], PRIVATE[0], PRIVATE[6]])
def test_the_hub_refuses_an_address_that_got_into_the_database(scene, url):
    server = scene.work.servers.get()
    Server.objects.filter(pk=server.pk).update(url=url)
    scene.live.meet()
    answer = scene.live.tool(scene.issued, "echo__echo", {"text": "x"})
    assert answer.status_code == 200
    assert answer.json()["result"]["isError"] is True
    assert "connect" in answer.json()["result"]["content"][0]["text"]


@pytest.mark.parametrize("url", METADATA + PRIVATE)
def test_listing_again_refuses_it(acme, strict, url):
    with pytest.raises(UpstreamError):
        discovery.list_tools(cast.make_server("inner", url=url, account=acme))


def test_the_portal_s_own_port_is_refused_though_its_network_is_allowed(alices, settings):
    for host in ("127.0.0.1", "localhost", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        assert "is Nexus itself" in refused(alices, f"http://{host}:{settings.PORT}/hub/mcp")
