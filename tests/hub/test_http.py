"""The HTTP client against servers that do what servers do, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from profiles.upstream.errors import NoAnswer, Unreachable
from profiles.upstream.http import Pool

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def server(answer):
    """Serve on a free port; `answer(number, request, writer)` is called for each request of each connection."""
    seen = []

    async def serve(reader, writer):
        seen.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await answer(len(seen), await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp")
    try:
        yield pool, seen
    finally:
        pool.close()
        listener.close()
        for writer in seen:
            writer.close()
        await asyncio.sleep(0)


def always(data):
    async def answer(number, request, writer):
        writer.write(data)

    return answer


async def test_connections_are_used_again():
    async with server(always(OK)) as (pool, seen):
        for _ in range(5):
            response = await pool.request(HEAD, b"{}", timeout=5)
            assert (response.status, await response.read()) == (200, b"ok")
        assert len(seen) == 1


async def test_concurrent_requests_have_a_connection_each():
    async def echo(number, request, writer):
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request), request))

    async def ask(pool, number):
        response = await pool.request(HEAD, b"%d" % number, timeout=5)
        assert await response.read() == b"%d" % number

    async with server(echo) as (pool, seen):
        await asyncio.gather(*(ask(pool, number) for number in range(50)))
        assert len(seen) == 50


async def test_more_requests_than_connections_wait_for_one():
    async with server(always(OK)) as (pool, seen):
        pool._limit = 3

        async def ask():
            response = await pool.request(HEAD, b"{}", timeout=5)
            return await response.read()

        assert set(await asyncio.gather(*(ask() for _ in range(30)))) == {b"ok"}
        assert len(seen) <= 3


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_chunked_and_interim_answers_are_understood(data):
    async with server(always(data)) as (pool, seen):
        for _ in range(2):
            response = await pool.request(HEAD, b"{}", timeout=5)
            assert await response.read() == b"ok"


async def test_a_body_without_length_ends_with_the_connection():
    async def answer(number, request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        writer.close()

    async with server(answer) as (pool, seen):
        response = await pool.request(HEAD, b"{}", timeout=5)
        assert await response.read() == b"ok"


@pytest.mark.parametrize(
    "data", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"]
)
async def test_what_is_not_http_is_an_error_and_the_next_request_works(data):
    async def answer(number, request, writer):
        writer.write(data if number == 1 else OK)

    async with server(answer) as (pool, seen):
        with pytest.raises(NoAnswer):
            await pool.request(HEAD, b"{}", timeout=5)
        response = await pool.request(HEAD, b"{}", timeout=5)
        assert await response.read() == b"ok"


async def test_half_an_answer_is_an_error():
    async def answer(number, request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    async with server(answer) as (pool, seen):
        response = await pool.request(HEAD, b"{}", timeout=5)
        with pytest.raises(NoAnswer):
            await response.read()


async def test_a_request_is_never_sent_twice():
    received = []

    async def answer(number, request, writer):
        received.append(request)
        writer.close()

    async with server(answer) as (pool, seen):
        with pytest.raises(NoAnswer):
            await pool.request(HEAD, b"{}", timeout=5)
        assert len(received) == 1


async def test_a_server_that_hangs_is_given_up():
    async def answer(number, request, writer):
        await asyncio.sleep(30)

    async with server(answer) as (pool, seen):
        with pytest.raises(NoAnswer, match="did not answer"):
            await pool.request(HEAD, b"{}", timeout=0.1)


async def test_a_body_that_is_too_large_is_given_up():
    async with server(always(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)) as (pool, seen):
        response = await pool.request(HEAD, b"{}", timeout=5)
        with pytest.raises(NoAnswer, match="larger"):
            await response.read(limit=1_000_000)


async def test_bytes_that_nobody_asked_for_close_the_connection():
    async with server(always(OK + OK)) as (pool, seen):
        for _ in range(2):
            response = await pool.request(HEAD, b"{}", timeout=5)
            assert await response.read() == b"ok"
        assert len(seen) == 2


async def test_a_closed_port_is_unreachable(unused_tcp_port):
    with pytest.raises(Unreachable, match="refused"):
        await Pool(f"http://127.0.0.1:{unused_tcp_port}/").request(HEAD, b"{}", timeout=5)


async def test_the_last_look_keeps_the_request_from_being_sent():
    received = []

    async def answer(number, request, writer):
        received.append(request)
        writer.write(OK)

    def look():
        raise PermissionError

    async with server(answer) as (pool, seen):
        with pytest.raises(PermissionError):
            await pool.request(HEAD, b"{}", timeout=5, last_look=look)
        response = await pool.request(HEAD, b"2", timeout=5)
        await response.read()
        assert received == [b"2"]
