"""The parser of event streams, against what the standard says and against every way to cut the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.upstream import sse
from profiles.upstream.errors import NoAnswer
from profiles.upstream.sse import Event

LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"data", b"data: ", b": ping", b"", b"", b"event: endpoint", b"event", b"id: 7", b"id", b"id: a\0b",
     b"retry: 1500", b"retry: -1", b"retry: soon", b"datax: 1", b"data : 1", "data: ÄΩ".encode(), b"\xff\xfe", b"\xef\xbb\xbfdata: bom"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda lines: b"".join(line + end for line, end in lines))


def parsed(*pieces):
    parser = sse.Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


async def from_list(pieces):
    for piece in pieces:
        yield piece


def by_the_standard(stream):
    """Return what the standard's own steps give, line by line, for a whole stream."""
    lines = stream.removeprefix(sse.BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    found, data, name, last_id, retry = [], [], "", "", None
    for line in lines:
        if not line:
            if data:
                found.append(Event(b"\n".join(data), name or "message", last_id, retry))
            data, name = [], ""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            last_id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit():
            retry = int(value)
    return found


@given(STREAMS | st.binary(max_size=200))
def test_a_stream_gives_what_the_standard_says(stream):
    assert parsed(stream) == by_the_standard(stream)


@given(STREAMS, st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parsed(*pieces) == parsed(stream)
    assert parsed(*(bytes([byte]) for byte in stream)) == parsed(stream)


def test_an_event_has_its_name_its_id_and_the_wish_to_retry():
    stream = b"retry: 2000\nid: 41\nevent: endpoint\ndata: /messages?id=1\n\ndata: {}\n\n"
    assert parsed(stream) == [Event(b"/messages?id=1", "endpoint", "41", 2000), Event(b"{}", "message", "41", 2000)]


def test_an_event_without_data_is_not_dispatched():
    assert parsed(b": ping\n\nevent: x\n\nid: 3\n\ndata: 1\n\n") == [Event(b"1", "message", "3")]


def test_data_of_several_lines_is_joined():
    assert parsed(b"data: {\ndata:  1\ndata: }\n\n") == [Event(b"{\n 1\n}")]


def test_an_event_that_the_end_of_the_stream_cuts_off_is_not_dispatched():
    assert parsed(b"data: half") == parsed(b"data: half\n") == []


async def test_both_generators_read_the_same_stream():
    pieces = [b"event: a\nda", b"ta: 1\n\ndata: 2\n\n"]
    assert [event async for event in sse.events(from_list(pieces))] == [Event(b"1", "a"), Event(b"2")]
    assert [data async for data in sse.data_of_events(from_list(pieces))] == [b"1", b"2"]


@pytest.mark.parametrize("piece", [b"x", b"data: x\n", b": x\n", b"event: x\n"])
def test_an_endless_event_is_given_up(piece, monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT", 1024)
    with pytest.raises(NoAnswer, match="larger than"):
        parsed(*[piece] * 2000)


def test_a_stream_of_small_events_may_last(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT", 1024)
    assert len(parsed(*[b"data: x\n\n: ping\n\n"] * 2000)) == 2000
