"""The bounds around uvicorn, over real sockets: what is too large or too slow ends, and others are served."""

import asyncio
import contextlib
import resource
import socket

import pytest
import uvicorn

from nexus import bounded_http
from nexus.bounded_http import BoundedProtocol

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Application:
    """Answers with the length of the body; on /large with 32 MB, on /held when told to."""

    def __init__(self):
        self.hold = asyncio.Event()
        self.arrived = asyncio.Event()
        self.ended = asyncio.Event()  # its last connection has
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.arrived.set()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        if scope["path"] == "/held":
            await self.hold.wait()
        answer = b"x" * 32_000_000 if scope["path"] == "/large" else b"%d" % len(body)
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})


def telling(application):
    class Telling(BoundedProtocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            application.ended.set()

    return Telling


@contextlib.asynccontextmanager
async def serving():
    application = Application()
    config = uvicorn.Config(application, http=telling(application), lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        yield application, listener.getsockname()
    finally:
        application.hold.set()
        await asyncio.sleep(0)  # what the tests have cancelled closes its connections
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await server.shutdown(sockets=[listener])


async def say(address, *pieces):
    """Send the pieces and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection(*address)
    received = b""
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                received += part
    finally:
        writer.close()
    return received


def status(received):
    return int(received.split(b" ", 2)[1]) if received else 0


def closing(request):
    return request.replace(b"Host: localhost", b"Host: localhost\r\nConnection: close")


async def test_requests_are_answered_as_before():
    async with serving() as (application, address):
        received = await say(address, GET + POST + b"Content-Length: 5\r\n\r\nhello", closing(GET))
        assert received.count(b"HTTP/1.1 200 OK") == 3
        assert b"\r\n\r\n5HTTP" in received


@pytest.mark.parametrize(
    "start",
    [
        GET[:-2] + b"X: ", b"GET /" + b"x" * 20, b"X" * 3, POST + b"Transfer-Encoding: chunked\r\n\r\n1;x=",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ",
    ],
)  # fmt: skip
async def test_what_never_ends_is_refused(start):
    async with serving() as (application, address):
        assert status(await say(address, start, *[b"y" * 65536] * 150)) in (400, 413, 431, 0)
        assert status(await say(address, closing(GET))) == 200


@pytest.mark.parametrize("lines", [1, 2000])
async def test_large_headers_are_refused(lines):
    more = b"".join(b"X-%d: %b\r\n" % (number, b"y" * (100_000 // lines)) for number in range(lines))
    async with serving() as (application, address):
        received = await say(address, GET[:-2] + more + b"\r\n")
        assert status(received) == 431
        assert b"The headers are larger than 64 KB." in received
        assert not application.arrived.is_set()


async def test_headers_of_a_usual_size_pass():
    async with serving() as (application, address):
        assert status(await say(address, closing(GET)[:-2] + b"X: " + b"y" * 30_000 + b"\r\n\r\n")) == 200


async def test_a_large_body_is_refused_before_it_comes():
    async with serving() as (application, address):
        received = await say(address, POST + b"Content-Length: 100000000\r\n\r\n")
        assert status(received) == 413
        assert application.bodies == []


async def test_a_body_in_chunks_that_grows_too_large_is_refused():
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    async with serving() as (application, address):
        assert status(await say(address, POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 200)) in (413, 0)
        assert application.bodies == []


async def test_a_connection_that_says_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(bounded_http, "HEAD_TIMEOUT", 0.1)
    async with serving() as (application, address):
        assert await say(address) == b""


@pytest.mark.parametrize("before", [b"", GET])
async def test_headers_that_stop_coming_are_refused(monkeypatch, before):
    monkeypatch.setattr(bounded_http, "HEAD_TIMEOUT", 0.1)
    async with serving() as (application, address):
        received = await say(address, before + GET[:-4])
        assert received.count(b"200 OK") == (1 if before else 0)
        assert b"HTTP/1.1 408 " in received


async def test_a_body_that_stops_coming_is_refused(monkeypatch):
    monkeypatch.setattr(bounded_http, "BODY_TIMEOUT", 0.1)
    async with serving() as (application, address):
        received = await say(address, POST + b"Content-Length: 10\r\n\r\nhalf")
        assert status(received) == 408
        assert application.bodies == []


async def test_an_answer_that_takes_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(bounded_http, "HEAD_TIMEOUT", 0.05)
    monkeypatch.setattr(bounded_http, "BODY_TIMEOUT", 0.05)
    async with serving() as (application, address):
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, application.hold.set)
        received = await say(address, closing(POST.replace(b" / ", b" /held ") + b"Content-Length: 2\r\n\r\n{}"))
        assert status(received) == 200


async def test_a_further_request_that_stops_coming_waits_for_the_answer_to_the_first(monkeypatch):
    monkeypatch.setattr(bounded_http, "HEAD_TIMEOUT", 0.05)
    async with serving() as (application, address):
        asyncio.get_running_loop().call_later(0.3, application.hold.set)
        received = await say(address, GET.replace(b" / ", b" /held ") + GET[:-4])
        assert status(received) == 200
        assert b"HTTP/1.1 408 " in received


async def test_garbage_after_a_request_gives_no_answer_in_its_place():
    async with serving() as (application, address):
        received = await say(address, GET.replace(b" / ", b" /held ") + b"garbage\r\n\r\n")
        assert received == b""


async def test_who_does_not_take_the_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(bounded_http, "READ_TIMEOUT", 0.1)
    async with serving() as (application, address):
        with socket.create_connection(address) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(GET.replace(b" / ", b" /large "))
            await application.ended.wait()


async def test_who_takes_the_answer_slowly_gets_it_whole(monkeypatch):
    monkeypatch.setattr(bounded_http, "READ_TIMEOUT", 0.1)
    monkeypatch.setattr(bounded_http, "MIN_READ", 1000)
    async with serving() as (application, address):
        reader, writer = await asyncio.open_connection(*address, limit=65536)
        writer.write(closing(GET.replace(b" / ", b" /large ")))
        size = 0
        while part := await reader.read(2_000_000):
            size += len(part)
            await asyncio.sleep(0.01)
        assert size > 32_000_000
        writer.close()


async def test_the_connection_that_has_been_silent_for_longest_makes_room(monkeypatch):
    monkeypatch.setattr(bounded_http, "max_connections", lambda: 3)
    async with serving() as (application, address):
        held = asyncio.create_task(say(address, closing(GET.replace(b" / ", b" /held "))))
        await application.arrived.wait()
        silent = [asyncio.create_task(say(address)) for _ in range(5)]
        done, _ = await asyncio.wait(silent, return_when=asyncio.FIRST_COMPLETED)
        assert done
        assert status(await say(address, closing(GET))) == 200
        application.hold.set()
        assert status(await held) == 200
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


def test_as_many_descriptors_are_taken_as_the_system_lets_us_have():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        bounded_http.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, bounded_http.MAX_DESCRIPTORS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
