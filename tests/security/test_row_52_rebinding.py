"""Row 52: a name is resolved once, what was looked at is what is connected to, and one forbidden record refuses all."""

import ipaddress

import pytest

from profiles.upstream import addresses
from profiles.upstream.errors import AddressRefused
from profiles.upstream.http import Pool
from tests.hub.certificates import make_certificate, serving_with
from tests.hub.raw_server import OK, always, ask, raw_server
from tests.hub.test_http_connect import Names

HEAD = b"POST /mcp HTTP/1.1\r\nHost: mcp.example\r\n"
CLOSING = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")


@pytest.fixture(autouse=True)
def _one_address_allowed(settings):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1/32")]


@pytest.mark.parametrize("second", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_the_first_answer_is_pinned_and_the_second_never_asked_for(second):
    names = Names(["127.0.0.1"], [second])
    async with raw_server(always(OK), url="http://mcp.example:PORT/mcp", lookup=names) as (pool, raw):
        for _ in range(5):
            assert await ask(pool, head=HEAD) == b"ok"
        assert names.asked == ["mcp.example"]
        assert all(b"\r\nHost: mcp.example\r\n" in head for head in raw.heads)


@pytest.mark.parametrize("second", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_every_new_connection_is_looked_at_anew(second):
    names = Names(["127.0.0.1"], [second])
    async with raw_server(always(CLOSING), url="http://mcp.example:PORT/mcp", lookup=names) as (pool, raw):
        assert await ask(pool, head=HEAD) == b"ok"
        with pytest.raises(AddressRefused):
            await ask(pool, head=HEAD)
        assert len(raw.writers) == 1


@pytest.mark.parametrize("records", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "fe80::1%lo"]])
async def test_one_forbidden_record_refuses_all(records):
    async with raw_server(always(OK), url="http://mcp.example:PORT/mcp", lookup=Names(records)) as (pool, raw):
        with pytest.raises(AddressRefused):
            await ask(pool, head=HEAD)
        assert raw.writers == []


async def test_the_name_is_kept_for_tls_and_the_host_header(tmp_path, monkeypatch):
    path = make_certificate(tmp_path, "mcp.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    named = []
    context = serving_with(path)
    context.sni_callback = lambda connection, name, context: named.append(name)
    lookup = Names(["127.0.0.1"], ["10.0.0.1"])
    async with raw_server(always(OK), tls=context, url="https://mcp.example:PORT/", lookup=lookup) as (pool, raw):
        assert await ask(pool, head=HEAD) == b"ok"
        assert named == ["mcp.example"]
        assert b"\r\nHost: mcp.example\r\n" in raw.heads[0]


async def test_the_system_s_own_answer_is_looked_at_in_the_same_way(settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    assert await addresses.look_up("localhost", 80)
    with pytest.raises(AddressRefused):
        await ask(Pool("http://localhost:9/"))
