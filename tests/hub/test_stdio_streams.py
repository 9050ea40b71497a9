"""What waits for a client is bounded, and what a server writes is cut into lines of bounded length."""

import asyncio

import pytest

from nexus.hub.stdio.program import LINE_LIMIT, Flood, Lines, on_one_line
from nexus.hub.stdio.streams import MOST_BYTES, Stream


async def drained(stream):
    messages = []
    while (message := await stream.next()) is not None:
        messages.append(message)
    return messages


async def test_messages_come_in_order_and_then_the_end():
    stream = Stream()
    assert stream.put(b"1")
    assert stream.put(b"2")
    stream.finish(b"answer")
    assert await drained(stream) == [b"1", b"2", b"answer"]
    assert stream.answer == b"answer"


async def test_who_waits_is_told_of_the_end():
    stream = Stream()
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    stream.break_off("it ended")
    assert await waiting is None
    assert stream.reason == "it ended"


async def test_too_many_messages_are_not_taken():
    stream = Stream(most=3)
    assert [stream.put(b"x") for _ in range(5)] == [True, True, True, False, False]
    await stream.next()
    assert stream.put(b"x")


async def test_too_many_bytes_are_not_taken_but_one_large_message_is():
    stream = Stream()
    assert stream.put(b"x" * (MOST_BYTES + 1))
    assert not stream.put(b"x")
    await stream.next()
    assert stream.put(b"x")


async def test_the_answer_is_taken_however_much_waits():
    stream = Stream(most=1)
    stream.put(b"x")
    stream.finish(b"answer")
    assert await drained(stream) == [b"x", b"answer"]


async def test_what_is_over_takes_nothing_more():
    stream = Stream()
    stream.break_off("first")
    stream.finish(b"answer")
    stream.break_off("second")
    assert not stream.put(b"x")
    assert (await stream.next(), stream.answer, stream.reason) == (None, None, "first")


async def test_the_same_news_waits_once():
    stream = Stream()
    for message in (b"a", b"b", b"a", b"b"):
        stream.put_once(message)
    stream.break_off()
    assert await drained(stream) == [b"a", b"b"]


@pytest.mark.parametrize(
    "chunks", [[b"one\ntwo\r\n\n  \nthree\nf"], [b"o", b"ne\nt", b"wo\r", b"\n\n  \nthr", b"ee\nf"]]
)
def test_lines_are_cut_wherever_the_chunks_end(chunks):
    lines = Lines()
    assert [line for chunk in chunks for line in lines.feed(chunk)] == [b"one", b"two\r", b"three"]


def test_a_line_that_does_not_end_is_a_flood():
    lines = Lines()
    half = b"x" * (LINE_LIMIT // 2 + 1)
    assert list(lines.feed(half)) == []
    with pytest.raises(Flood, match="more than 32 MB"):
        list(lines.feed(half))


def test_a_message_is_written_on_one_line():
    assert on_one_line(b'{\r\n"a":\n"\\n"}') == b'{  "a": "\\n"}'
