"""Answers as they leave the server, over real sockets."""

import asyncio
import contextlib
import socket

import pytest
import uvicorn

from nexus.bounded_http import BoundedProtocol

BODY = {"type": "http.response.body"}


def start(*headers, status=200):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


class Asking:
    def __init__(self, address):
        self.address = address

    async def __call__(self, method="GET"):
        async with self.open(method) as reader:
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.lower(), body

    @contextlib.asynccontextmanager
    async def open(self, method="GET"):
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(f"{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        try:
            yield reader
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(*messages, before_last=None):
    """Serve an application that answers every request with these messages; yield what asks it, and returns the answer."""

    async def application(scope, receive, send):
        for message in messages[:-1]:
            await send(message)
        if before_last:
            await before_last.wait()
        await send(messages[-1])

    config = uvicorn.Config(application, http=BoundedProtocol, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        yield Asking(listener.getsockname())
    finally:
        await server.shutdown(sockets=[listener])


@pytest.mark.parametrize("size", [0, 5, 300_000], ids=["nothing", "little", "much"])
async def test_an_answer_of_known_length_comes_whole(size):
    async with serving(start((b"Content-Length", b"%d" % size)), {**BODY, "body": b"x" * size}) as asking:
        head, body = await asking()
    assert head.startswith(b"http/1.1 200 ok\r\n")
    assert b"\r\ncontent-length: %d\r\n" % size in head
    assert b"\r\nconnection: close" in head
    assert b"transfer-encoding" not in head
    assert body == b"x" * size


async def test_an_answer_of_unknown_length_comes_in_chunks():
    pieces = [{**BODY, "body": part, "more_body": True} for part in (b"", b"one", b"", b"two")]
    async with serving(start(), *pieces, BODY) as asking:
        head, body = await asking()
    assert b"\r\ntransfer-encoding: chunked" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_the_first_piece_of_a_stream_does_not_wait_for_the_next():
    goes_on = asyncio.Event()
    first = {**BODY, "body": b"first", "more_body": True}
    async with serving(start(), first, BODY, before_last=goes_on) as asking, asking.open() as reader:
        assert (await reader.readuntil(b"first\r\n")).lower().startswith(b"http/1.1 200 ok\r\n")
        goes_on.set()
        assert await reader.read() == b"0\r\n\r\n"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_has_none(status):
    async with serving(start(status=status), BODY) as asking:
        head, body = await asking()
    assert b"transfer-encoding" not in head
    assert body == b""


async def test_head_gets_the_headers_alone():
    async with serving(start((b"content-length", b"5")), {**BODY, "body": b"hello"}) as asking:
        head, body = await asking("HEAD")
    assert b"\r\ncontent-length: 5\r\n" in head
    assert body == b""


@pytest.mark.parametrize("sent", [b"four", b"sixsix"], ids=["short", "long"])
async def test_a_body_that_is_not_as_long_as_it_says_ends_the_connection(sent):
    async with serving(start((b"content-length", b"5")), {**BODY, "body": sent}) as asking:
        head, body = await asking()
    assert len(body) != 5


@pytest.mark.parametrize(
    "header",
    [(b"x", b"1\r\ny: 2"), (b"x\r\ny", b"1"), (b"x:", b"1"), (b"x", b"\0")],
    ids=["value", "name", "colon", "nul"],
)
async def test_a_header_that_would_begin_another_is_never_sent(header):
    async with serving(start(header), {**BODY, "body": b"hello"}) as asking:
        head, body = await asking()
    assert b"\r\ny" not in head
    assert b"\0" not in head
    assert not head.startswith(b"http/1.1 200")
