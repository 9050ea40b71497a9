"""The pool of connections to a server: used again, bounded, ended when idle; no request is sent twice."""

import asyncio

import pytest

from profiles.upstream import connection, http
from profiles.upstream.errors import Busy, NoAnswer, Unreachable
from profiles.upstream.http import Pool, refuse_line_breaks
from tests.hub.raw_server import HEAD, OK, always, ask, first, raw_server


async def test_connections_are_used_again():
    async with raw_server(always(OK)) as (pool, raw):
        assert [await ask(pool) for _ in range(5)] == [b"ok"] * 5
        assert len(raw.writers) == 1


async def test_concurrent_requests_have_a_connection_each():
    everybody = asyncio.Barrier(50)

    async def echo(number, request, writer):
        await everybody.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request), request))

    async with raw_server(echo) as (pool, raw):
        answers = await asyncio.gather(*(ask(pool, b"%d" % number) for number in range(50)))
        assert answers == [b"%d" % number for number in range(50)]
        assert len(raw.writers) == 50


async def test_more_requests_than_connections_wait_for_one():
    async with raw_server(always(OK), limit=3) as (pool, raw):
        assert set(await asyncio.gather(*(ask(pool) for _ in range(30)))) == {b"ok"}
        assert len(raw.writers) <= 3


async def test_who_waits_too_long_is_told_that_the_server_is_busy(monkeypatch):
    monkeypatch.setattr(http, "QUEUE_TIMEOUT", 0.05)
    hold = asyncio.Event()

    async def answer(number, request, writer):
        await hold.wait()
        writer.write(OK)

    async with raw_server(answer, limit=2) as (pool, raw):
        busy = [asyncio.create_task(ask(pool)) for _ in range(2)]
        await raw.arrived.acquire()
        await raw.arrived.acquire()
        with pytest.raises(Busy, match="it is busy: 2 requests are under way"):
            await ask(pool)
        assert len(raw.bodies) == 2
        hold.set()
        assert await asyncio.gather(*busy) == [b"ok", b"ok"]
        assert await ask(pool) == b"ok"


async def test_who_waits_gets_the_place_of_a_connection_that_breaks():
    async with raw_server(first(b"garbage\r\n\r\n"), limit=1) as (pool, raw):
        answers = await asyncio.gather(*(ask(pool) for _ in range(3)), return_exceptions=True)
        assert isinstance(answers[0], NoAnswer)
        assert answers[1:] == [b"ok", b"ok"]


async def test_who_waits_for_a_server_that_is_down_is_told_so_at_once(unused_tcp_port):
    pool = Pool(f"http://127.0.0.1:{unused_tcp_port}/", limit=1)
    answers = await asyncio.gather(*(ask(pool) for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unreachable}


async def test_who_gives_up_waiting_leaves_the_connection_to_the_next():
    hold = asyncio.Event()

    async def answer(number, request, writer):
        await hold.wait()
        writer.write(OK)

    async with raw_server(answer, limit=1) as (pool, raw):
        tasks = [asyncio.create_task(ask(pool)) for _ in range(3)]
        await raw.arrived.acquire()
        tasks[1].cancel()
        hold.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answers[0], answers[2]] == [b"ok", b"ok"]


async def test_closing_tells_everybody():
    async with raw_server(always(b""), limit=1) as (pool, raw):
        tasks = [asyncio.create_task(ask(pool)) for _ in range(4)]
        await raw.arrived.acquire()
        pool.close()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [NoAnswer, Unreachable, Unreachable, Unreachable]


async def test_idle_connections_are_ended(monkeypatch):
    monkeypatch.setattr(http, "IDLE_LIMIT", 0.05)
    async with raw_server(always(OK)) as (pool, raw):
        await asyncio.gather(*(ask(pool) for _ in range(5)))
        opened = len(raw.writers)
        for _ in range(opened):
            await raw.ended.acquire()
        assert not pool._held
        assert not pool._idle
        assert await ask(pool) == b"ok"
        assert len(raw.writers) == opened + 1


async def test_an_idle_connection_that_the_server_ends_is_not_used_again():
    async with raw_server(always(OK)) as (pool, raw):
        for _ in range(20):
            assert await ask(pool) == b"ok"
            raw.writers[-1].close()
            await raw.writers[-1].wait_closed()  # the end of it lies in the socket; no event loop has told the pool
        assert len(raw.bodies) == 20


async def test_a_server_that_closes_after_each_answer_without_saying_so_is_understood():
    async def answer(number, request, writer):
        writer.write(OK)
        writer.close()

    async with raw_server(answer) as (pool, raw):
        for _ in range(20):
            assert await ask(pool) == b"ok"
            await raw.writers[-1].wait_closed()


async def test_a_request_is_never_sent_twice():
    async def answer(number, request, writer):
        writer.close()

    async with raw_server(answer) as (pool, raw):
        with pytest.raises(NoAnswer):
            await ask(pool)
        assert len(raw.bodies) == 1


async def test_a_server_that_hangs_is_given_up():
    async with raw_server(always(b"")) as (pool, raw):
        with pytest.raises(NoAnswer, match="did not answer"):
            await pool.request(HEAD, b"{}", timeout=0.1)
        await raw.ended.acquire()


async def test_a_server_that_sends_its_headers_too_slowly_is_given_up():
    async def answer(number, request, writer):
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.01)

    async with raw_server(answer) as (pool, raw):
        with pytest.raises(NoAnswer, match="did not answer"):
            await pool.request(HEAD, b"{}", timeout=0.2)


async def test_a_request_that_its_caller_ends_frees_the_connection():
    async with raw_server(always(b""), limit=1) as (pool, raw):
        task = asyncio.create_task(ask(pool))
        await raw.arrived.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await raw.ended.acquire()


async def test_compression_is_declined_in_the_request():
    async with raw_server(always(OK)) as (pool, raw):
        await ask(pool)
        assert b"\r\nAccept-Encoding: identity\r\n" in raw.heads[0]


async def test_the_last_look_keeps_the_request_from_being_sent():
    def look():
        raise PermissionError

    async with raw_server(always(OK)) as (pool, raw):
        with pytest.raises(PermissionError):
            await ask(pool, last_look=look)
        assert await ask(pool, b"2") == b"ok"
        assert raw.bodies == [b"2"]
        assert len(raw.writers) == 1


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nX: 1", "a\rX: 1", "a\0"])
def test_a_header_value_cannot_begin_another_line(value):
    with pytest.raises(ValueError, match="one line"):
        refuse_line_breaks(value)


def test_connections_end_before_common_servers_end_them():
    assert connection.IDLE_LIMIT < 5
