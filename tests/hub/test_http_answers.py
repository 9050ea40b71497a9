"""What servers answer, well and badly, over real sockets: nothing of it hangs, and the next request works."""

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.upstream import connection
from profiles.upstream.errors import NoAnswer
from tests.hub.raw_server import HEAD, OK, always, ask, first, raw_server

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def with_header(line, body=b"ok"):
    return b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (line, len(body), body)


GOOD = {
    "chunks": CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"2;x=1\r\nok\r\n0\r\nX-Trailer: 1\r\nMcp-Session-Id: no\r\n\r\n",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "early hints": b"HTTP/1.1 103 Hints\r\nLink: </x>\r\nX-Y: 1\r\n\r\n" + OK,
    "identity": with_header(b"Content-Encoding: identity"),
    "an empty line after it": OK + b"\r\n",
}
# What each is refused with; the connection is not used again.
BAD = {
    "garbage": (b"garbage\r\n\r\n", "not HTTP"),
    "SSH": (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
    "HTTP/2 settings": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "not HTTP"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not HTTP"),
    "HTTP/2 in words": (b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/2.0"),
    "HTTP/0.9": (b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/0.9"),
    "status 000": (b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok", "status 0"),
    "another protocol": (b"HTTP/1.1 101 Sw\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nx", "another protocol"),
    "two lengths": (with_header(b"Content-Length: 3"), "not HTTP"),
    "two equal lengths": (with_header(b"Content-Length: 2"), "not HTTP"),
    "length and chunks": (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"2\r\nok\r\n0\r\n\r\n", "HTTP"),
    "chunks and length": (with_header(b"Transfer-Encoding: chunked"), "not HTTP"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP"),
    "a length beyond numbers": (b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 30), "not HTTP"),
    "gzip": (with_header(b"Content-Encoding: gzip"), r"compresses its answer \(gzip\)"),
    "brotli in pieces": (CHUNKED.replace(b"200 OK", b"200 OK\r\nContent-Encoding: br") + b"0\r\n\r\n", "compresses"),
    "gzip twice": (with_header(b"Content-Encoding: identity\r\nContent-Encoding: gzip"), "compresses"),
    "gzip for the way": (CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n", "encodes"),
    "chunked twice": (CHUNKED.replace(b"chunked", b"chunked, chunked") + b"0\r\n\r\n", "encodes"),
    "chunked in disguise": (CHUNKED.replace(b"chunked", b"xchunked") + b"2\r\nok\r\n0\r\n\r\n", "encodes"),
    "chunks of HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"2\r\nok\r\n0\r\n\r\n", "encodes"),
    "a folded header": (with_header(b"X: a\r\n b"), "not HTTP"),
    "a bare line feed": (OK.replace(b"\r\n", b"\n"), "not HTTP"),
    "a header with NUL": (with_header(b"X: a\0b"), "not HTTP"),
    "a space before the colon": (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "not HTTP"),
    "one huge header": (with_header(b"X: " + b"y" * 100_000), "headers are larger"),
    "many headers": (with_header(b"\r\n".join(b"X-%d: %b" % (i, b"y" * 90) for i in range(1000))), "headers are larger"),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5_000_000, "headers are larger"),
    "a status line without end": (b"HTTP/1.1 200 " + b"y" * 5_000_000, "headers are larger"),
    "interim answers without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, "headers are larger"),
}  # fmt: skip
# What breaks off after the headers: the answer begins, and reading it fails.
BROKEN = {
    "a huge chunk": (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\nok", "not HTTP"),
    "a chunk of no size": (CHUNKED + b"zz\r\nok", "not HTTP"),
    "a negative chunk": (CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", "not HTTP"),
    "a chunk that is longer than it says": (CHUNKED + b"2\r\nokXX0\r\n\r\n", "not HTTP"),
    "a length among the trailers": (CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n", "not HTTP"),
    "trailers without end": (CHUNKED + b"2\r\nok\r\n0\r\nX: " + b"y" * 5_000_000, "headers are larger"),
    "a chunk extension without end": (CHUNKED + b"2;x=" + b"y" * 5_000_000, "headers are larger"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD.keys())
async def test_a_right_answer_is_understood_whole_and_in_pieces_of_one_byte(data):
    async def byte_by_byte(number, request, writer):
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()

    for answer in (always(data), byte_by_byte):
        async with raw_server(answer) as (pool, raw):
            for _ in range(3):
                response = await pool.request(HEAD, b"{}", timeout=5)
                assert (response.status, await response.read()) == (200, b"ok")
                assert "mcp-session-id" not in response.headers
            assert len(raw.writers) == 1


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_wrong_answer_is_an_error_and_the_next_request_works(bad):
    data, reason = bad
    async with raw_server(first(data)) as (pool, raw):
        with pytest.raises(NoAnswer, match=reason):
            await pool.request(HEAD, b"{}", timeout=5)
        assert await ask(pool) == b"ok"
        assert len(raw.writers) == 2


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_goes_wrong_is_an_error_and_the_next_request_works(broken):
    data, reason = broken
    async with raw_server(first(data)) as (pool, raw):
        with pytest.raises(NoAnswer, match=reason):
            await ask(pool)
        assert await ask(pool) == b"ok"
        assert len(raw.writers) == 2


@given(st.binary(max_size=300))
async def test_no_bytes_break_the_client(data):
    class Transport(asyncio.Transport):
        def write(self, data):
            pass

        def abort(self):
            pass

    async def take(bytes_in_pieces):
        one = connection.Connection(lambda free: None, lambda gone: None)
        one._transport = Transport()
        head = one.send(b"")
        for piece in bytes_in_pieces:
            one.data_received(piece)
        one.connection_lost(None)
        try:
            response = await head
            return response.status, await response.read()
        except NoAnswer:
            return None

    for start in (b"", b"HTTP/1.1 200 OK\r\n", CHUNKED):
        stream = start + data
        assert await take([stream]) == await take([bytes([byte]) for byte in stream])


@pytest.mark.parametrize(
    "surplus", [b"H", b"x", OK, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"\r\n" + OK, b"garbage\r\n\r\n"]
)
async def test_what_follows_an_answer_is_nobody_s_answer(surplus):
    async with raw_server(first(OK.replace(b"ok", b"me") + surplus)) as (pool, raw):
        assert await ask(pool) == b"me"
        assert await ask(pool) == b"ok"
        assert len(raw.writers) == 2


async def test_a_surplus_answer_does_not_reach_who_waits_for_the_connection():
    async with raw_server(first(OK.replace(b"ok", b"me") + OK.replace(b"ok", b"no")), limit=1) as (pool, raw):
        answers = await asyncio.gather(*(ask(pool) for _ in range(4)))
        assert answers == [b"me", b"ok", b"ok", b"ok"]


async def test_an_answer_before_the_request_is_not_taken():
    async with raw_server(always(b""), greet=OK) as (pool, raw):
        connection = await pool._open(5)
        await raw.ended.acquire()
        assert not connection.is_open()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"202 Accepted", b"205 Reset"])
@pytest.mark.parametrize("method", [b"POST", b"GET", b"DELETE"])
async def test_an_answer_without_body_or_length_is_complete(status, method):
    async with raw_server(always(b"HTTP/1.1 " + status + b"\r\n\r\n")) as (pool, raw):
        for _ in range(2):
            response = await pool.request(method + b" /mcp HTTP/1.1\r\nHost: localhost\r\n", timeout=5)
            assert (response.status, await response.read()) == (int(status[:3]), b"")
        assert raw.heads[0].startswith(method + b" /mcp HTTP/1.1\r\n")
        assert len(raw.writers) == (1 if status[:3] in (b"204", b"304") else 2)


async def test_an_accepted_answer_with_a_length_keeps_the_connection():
    async with raw_server(always(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")) as (pool, raw):
        assert [await ask(pool) for _ in range(3)] == [b"", b"", b""]
        assert len(raw.writers) == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_without_length_ends_with_the_connection(version):
    async def answer(number, request, writer):
        writer.write(b"HTTP/%b 200 OK\r\n\r\nok" % version)
        writer.close()

    async with raw_server(answer) as (pool, raw):
        assert await ask(pool) == b"ok"
        assert await ask(pool) == b"ok"


async def test_a_body_without_length_that_a_reset_cuts_off_is_an_error():
    async def answer(number, request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await proceed.wait()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    proceed = asyncio.Event()
    async with raw_server(answer) as (pool, raw):
        response = await pool.request(HEAD, b"{}", timeout=5)
        proceed.set()
        with pytest.raises(NoAnswer, match="closed the connection"):
            await response.read()


async def test_a_body_without_length_that_we_cut_off_ourselves_is_not_taken_for_whole():
    async with raw_server(always(b"HTTP/1.1 200 OK\r\n\r\nhalf")) as (pool, raw):
        response = await pool.request(HEAD, b"{}", timeout=5)
        pool.close()
        with pytest.raises(NoAnswer, match="closed the connection"):
            await response.read()


async def test_connection_close_is_obeyed():
    async with raw_server(always(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))) as (pool, raw):
        assert [await ask(pool) for _ in range(3)] == [b"ok"] * 3
        assert len(raw.writers) == 3


async def test_half_an_answer_is_an_error():
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    async with raw_server(first(half, and_closes=True)) as (pool, raw):
        with pytest.raises(NoAnswer, match="closed the connection before its answer was complete"):
            await ask(pool)
        assert await ask(pool) == b"ok"


async def test_an_answer_that_stops_in_the_middle_is_given_up():
    async with raw_server(first(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as (pool, raw):
        response = await pool.request(HEAD, b"{}", timeout=5)
        with pytest.raises(NoAnswer, match="fell silent"):
            await response.read(silence=0.05)
        await raw.ended.acquire()
        assert await ask(pool) == b"ok"


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_an_endless_body_is_given_up(start):
    async def answer(number, request, writer):
        writer.write(start)
        for _ in range(1600):
            writer.write(b"x" * 65536)
            await writer.drain()

    async with raw_server(answer) as (pool, raw):
        response = await pool.request(HEAD, b"{}", timeout=5)
        with pytest.raises(NoAnswer, match="larger than 1 MB"):
            await response.read(limit=1024 * 1024)
        await raw.ended.acquire()


async def test_a_sender_waits_for_a_slow_reader():
    sent = 0
    stuck = asyncio.Event()

    async def answer(number, request, writer):
        nonlocal sent
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 64000)
            sent += 64000
            try:
                await asyncio.wait_for(writer.drain(), 0.5)
            except TimeoutError:
                stuck.set()
                await writer.drain()

    async with raw_server(answer) as (pool, raw):
        response = await pool.request(HEAD, b"{}", timeout=5)
        await stuck.wait()
        assert response._size < 3 * connection.HIGH_WATER
        assert sent < 32_000_000
        assert len(await response.read(limit=100_000_000)) == 64_000_000
