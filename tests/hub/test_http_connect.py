"""How a connection is made: to the addresses that were looked at and no others, in bounded time, with real TLS."""

import asyncio
import socket
from contextlib import contextmanager

import pytest

from profiles.upstream import http
from profiles.upstream.errors import AddressRefused, Unreachable
from profiles.upstream.http import Pool
from tests.hub.certificates import make_certificate, serving_with
from tests.hub.raw_server import HEAD, OK, always, ask, raw_server


class Names:
    """A name server: gives the answers in turn, the last one again and again, and counts the questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, host, port):
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def silent_port(host):
    """Yield a port that takes no connection and refuses none: its queue is full."""
    listener = socket.socket()
    listener.bind((host, 0))
    listener.listen(0)
    address = listener.getsockname()
    clients = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        clients.append(client)
    yield address[1]
    for open_socket in (*clients, listener):
        open_socket.close()


async def test_a_closed_port_is_unreachable(unused_tcp_port):
    with pytest.raises(Unreachable, match="connection refused"):
        await ask(Pool(f"http://127.0.0.1:{unused_tcp_port}/"))


async def test_a_port_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.2)
    with silent_port("127.0.0.1") as port, pytest.raises(Unreachable, match="could not be reached in time"):
        await ask(Pool(f"http://127.0.0.1:{port}/"))


async def test_a_name_that_is_not_known_is_said():
    async def lookup(host, port):
        raise socket.gaierror

    with pytest.raises(Unreachable, match=r"The name nowhere\.example is not known"):
        await ask(Pool("http://nowhere.example/", lookup=lookup))


@pytest.mark.parametrize("first", [["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]])
async def test_the_next_address_of_a_host_is_tried_where_one_refuses(first):
    names = Names([*first, "127.0.0.1"])
    async with raw_server(always(OK), url="http://mcp.example:PORT/", lookup=names) as (pool, raw):
        assert await ask(pool) == b"ok"


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 1.0)
    names = Names(["127.0.0.2", "127.0.0.1"])
    with silent_port("127.0.0.2") as port:
        async with raw_server(always(OK), port=port, url=f"http://mcp.example:{port}/", lookup=names) as (pool, raw):
            assert await ask(pool) == b"ok"


async def test_all_addresses_of_a_host_share_one_deadline(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.3)
    many = [f"127.0.0.{number}" for number in range(2, 200)]
    with silent_port("0.0.0.0") as port:
        pool = Pool(f"http://mcp.example:{port}/", lookup=Names(many))
        async with asyncio.timeout(10):
            with pytest.raises(Unreachable, match="could not be reached in time"):
                await ask(pool)


async def test_concurrent_requests_ask_for_the_addresses_once():
    names = Names(["127.0.0.1"])
    async with raw_server(always(OK), url="http://mcp.example:PORT/", lookup=names) as (pool, raw):
        await asyncio.gather(*(ask(pool) for _ in range(20)))
        assert names.asked == ["mcp.example"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    path = make_certificate(tmp_path, "localhost")
    async with raw_server(always(OK), tls=serving_with(path), url="https://localhost:PORT/") as (pool, raw):
        with pytest.raises(Unreachable, match=r"its TLS certificate cannot be trusted \(self.signed certificate"):
            await ask(pool)
        assert raw.bodies == []


async def test_a_certificate_for_another_host_is_refused(tmp_path, monkeypatch):
    path = make_certificate(tmp_path, "other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with raw_server(always(OK), tls=serving_with(path), url="https://localhost:PORT/") as (pool, raw):
        with pytest.raises(Unreachable, match=r"cannot be trusted \(Hostname mismatch"):
            await ask(pool)
        assert raw.bodies == []


async def test_the_certificate_is_that_of_the_name_though_the_address_is_pinned(tmp_path, monkeypatch):
    path = make_certificate(tmp_path, "mcp.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    named = []
    context = serving_with(path)
    context.sni_callback = lambda connection, name, context: named.append(name)
    lookup = Names(["127.0.0.1"])
    async with raw_server(always(OK), tls=context, url="https://mcp.example:PORT/", lookup=lookup) as (pool, raw):
        assert [await ask(pool) for _ in range(3)] == [b"ok"] * 3
        assert named == ["mcp.example"]
        assert len(raw.writers) == 1


async def test_a_server_without_tls_is_not_spoken_to(unused_tcp_port):
    async with raw_server(always(OK), greet=b"HTTP/1.1 400 Bad\r\n\r\n", url="https://localhost:PORT/") as (pool, raw):
        with pytest.raises(Unreachable, match="TLS handshake failed"):
            await ask(pool)
        assert raw.bodies == []


async def test_a_name_that_moves_to_a_forbidden_address_is_refused_at_the_next_connection():
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    closing = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    async with raw_server(always(closing), url="http://mcp.example:PORT/", lookup=names) as (pool, raw):
        assert await ask(pool, HEAD) == b"ok"
        with pytest.raises(AddressRefused):
            await ask(pool)
        assert len(raw.bodies) == 1
