"""Row 75: compressed bombs, doubtful framing and pipelining are refused or bounded, and nothing is smuggled."""

import gzip
import json
import os

import pytest

from tests.security.conftest import EVERYTHING

pytestmark = EVERYTHING
CLOSE = b"Connection: close\r\n"
PATHS = (b"/hub/mcp", b"/accounts/login/", b"/api/v1/tokens")


def message(tool="echo__echo", **arguments):
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def head(scene, *lines, path=b"/hub/mcp", secret=None):
    bearer = b"Authorization: Bearer " + (secret or scene.secret).encode()
    return (
        b"\r\n".join(
            [b"POST %b HTTP/1.1" % path, b"Host: localhost", b"Content-Type: application/json", bearer, *lines]
        )
        + b"\r\n"
    )


def call(scene, body, *lines, **options):
    return head(scene, b"Content-Length: %d" % len(body), *lines, **options) + b"\r\n" + body


def resident(scene):
    """Return how many MB the live process holds."""
    with open(f"/proc/{scene.live.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"gzip, gzip", b"identity, gzip"])
def test_a_compressed_body_is_not_unpacked(scene, coding):
    bomb = gzip.compress(b" " * 200_000_000 + message(text="boom"), compresslevel=1)
    before = resident(scene)
    for path in PATHS:
        status, _ = scene.live.raw(call(scene, bomb, b"Content-Encoding: " + coding, CLOSE.strip(), path=path))
        assert 400 <= status < 500, path
    assert resident(scene) - before < 50
    assert scene.upstream.calls == []
    assert scene.live.tool(scene.issued, "echo__echo", {"text": "x"}).status_code == 200


DOUBTFUL = {
    "length and chunks": [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
    "chunks and length": [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
    "two lengths": [b"Content-Length: 4", b"Content-Length: 5"],
    "a list of lengths": [b"Content-Length: 4, 4"],
    "a length with a sign": [b"Content-Length: +4"],
    "a length in hexadecimal": [b"Content-Length: 0x4"],
    "a length that is none": [b"Content-Length: four"],
    "a length beyond numbers": [b"Content-Length: " + b"9" * 40],
    "chunks in disguise": [b"Transfer-Encoding: xchunked"],
    "chunks that are not last": [b"Transfer-Encoding: chunked, identity"],
    "an encoding of its own": [b"Transfer-Encoding: gzip"],
    "a tab before chunked": [b"Transfer-Encoding:\tchunked", b"Content-Length: 4"],
    "a space before the colon": [b"Transfer-Encoding : chunked", b"Content-Length: 4"],
    "a folded header": [b"X: a", b" Transfer-Encoding: chunked"],
    "a bare line feed": [b"X: a\nTransfer-Encoding: chunked", b"Content-Length: 4"],
    "a bare carriage return": [b"X: a\rTransfer-Encoding: chunked", b"Content-Length: 4"],
    "a header with NUL": [b"X: a\0b", b"Content-Length: 4"],
}


@pytest.mark.parametrize("lines", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_doubtful_framing_is_refused_and_smuggles_nothing(scene, lines):
    smuggled = call(scene, message(text="smuggled"), CLOSE.strip())
    for path in PATHS:
        status, received = scene.live.raw(head(scene, *lines, path=path) + b"\r\n0\r\n\r\n" + smuggled)
        assert status == 400, path
        assert received.count(b"HTTP/1.1 ") == 1, path
    assert scene.upstream.calls == []


CHUNKS = {
    "a size beyond numbers": b"FFFFFFFFFFFFFFFFFF\r\nx",
    "a size below zero": b"-1\r\nx\r\n0\r\n\r\n",
    "a size with a prefix": b"0x1\r\nx\r\n0\r\n\r\n",
    "a size that is none": b"zz\r\nx\r\n0\r\n\r\n",
    "more than the size says": b"1\r\nxyz\r\n0\r\n\r\n",
    "a bare line feed": b"1\nx\n0\n\n",
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_wrong_chunks_are_refused(scene, chunks):
    status, received = scene.live.raw(head(scene, b"Transfer-Encoding: chunked", CLOSE.strip()) + b"\r\n" + chunks)
    assert status in (0, 400)
    assert received.count(b"HTTP/1.1 ") <= 1
    assert scene.upstream.calls == []


def test_right_chunks_of_one_byte_are_understood(scene):
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in message(text="in pieces")) + b"0\r\nX-Trailer: 1\r\n\r\n"
    status, received = scene.live.raw(head(scene, b"Transfer-Encoding: chunked", CLOSE.strip()) + b"\r\n" + body)
    assert status == 200
    assert b"in pieces" in received


def test_a_body_that_grows_without_end_is_cut_off(scene):
    before = resident(scene)
    for path in PATHS:
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        status, _ = scene.live.raw(head(scene, b"Transfer-Encoding: chunked", path=path) + b"\r\n" + chunk * 60)
        assert status in (0, 413), path
    assert resident(scene) - before < 50
    assert scene.upstream.calls == []


@pytest.mark.parametrize("size", [1_000_000_000, 5_000_000])
def test_a_body_that_says_it_is_too_large_is_refused(scene, size):
    status, received = scene.live.raw(head(scene, b"Content-Length: %d" % size, CLOSE.strip()) + b"\r\n{")
    assert status == 413
    assert scene.upstream.calls == []


def test_headers_that_never_end_are_cut_off(scene):
    before = resident(scene)
    for start in (b"GET /" + b"x", head(scene) + b"X: "):
        status, _ = scene.live.raw(start + b"y" * 50_000_000)
        assert status in (0, 400, 431)
    assert resident(scene) - before < 50


def test_pipelined_requests_are_each_answered_as_their_own_token_allows(scene):
    secret = "nxs_" + "a" * 62
    requests = [
        call(scene, message(text="first")),
        call(scene, message(text="second"), secret=secret),
        call(scene, message("echo__add"), b"Connection: keep-alive"),
        call(scene, message(text="last"), CLOSE.strip()),
    ]
    _, received = scene.live.raw(b"".join(requests))
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"401", b"200", b"200"]
    assert b'"first"' in answers[0]
    assert b"not in toolkit" in answers[2]
    assert b'"last"' in answers[3]
    assert [made["arguments"]["text"] for made in scene.upstream.calls] == ["first", "last"]


def test_http_2_is_not_spoken_here(scene):
    assert scene.live.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" * 1000)[0] in (0, 400)
    upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"
    status, _ = scene.live.raw(call(scene, message(text="x"), upgrade))
    assert status != 101
