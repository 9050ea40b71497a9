"""Row 26: whatever stands in the Authorization header, the answer is one of RFC 6750's, never a 500."""

import pytest

from tests.security.conftest import EVERYTHING
from tokens import keys

pytestmark = EVERYTHING
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def post(scene, *lines: bytes, body=BODY, kind=b"application/json", path=b"/hub/mcp"):
    head = [b"POST %b HTTP/1.1" % path, b"Host: localhost", b"Content-Type: " + kind, b"Connection: close"]
    head += [b"Content-Length: %d" % len(body), *lines]
    status, answer = scene.live.raw(b"\r\n".join(head) + b"\r\n\r\n" + body)
    return status, answer.decode("latin-1").lower()


def test_no_credentials_get_a_challenge_without_an_error(scene):
    for lines in ([], [b"Authorization: Basic YTpi"], [b"Authorization: Digest x"], [b"Authorization: " + b"nxs"]):
        status, answer = post(scene, *lines)
        assert status == 401, lines
        assert "www-authenticate: bearer resource_metadata=" in answer
        assert 'scope="mcp"' in answer
        assert "error=" not in answer.partition("\r\n\r\n")[0]


def test_the_challenge_names_the_metadata_of_the_address_that_was_asked(scene):
    answer = scene.live.call(None, url="/hub/mcp?accountId=a&profile=b")
    assert "/.well-known/oauth-protected-resource/hub/mcp?accountId=a&profile=b" in answer.headers["www-authenticate"]
    injected = scene.live.call(None, url='/hub/mcp?x="%0d%0aSet-Cookie:%20a=b')
    assert "set-cookie" not in injected.headers
    assert '?x="' not in injected.headers["www-authenticate"]


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer", b"Bearer ", b"Bearer  ", b"Bearer\t{s}", b"Bearer {s}\tx", b"Bearer {s} {s}", b"Bearer {s},{s}",
        b"Bearer \xc3\xa4\xc3\xb6", b"Bearer {s}\xff", b"Bearer " + b"a" * 9000, b'Bearer "{s}"', b"Bearer token={s}",
        b"Bearer {s}x", b"Bearer x{s}", b"bearer:{s}", b"Token {s}", b"{s}",
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_header_is_400_or_401_and_gives_nothing(scene, value):
    status, answer = post(scene, b"Authorization: " + value.replace(b"{s}", scene.secret.encode()))
    assert status in (400, 401), answer[:200]
    assert "echo__echo" not in answer
    assert "internal server error" not in answer


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer", "bEaReR"])
def test_the_scheme_is_read_in_any_case(scene, scheme):
    assert scene.live.call(None, headers={"Authorization": f"{scheme} {scene.secret}"}).status_code == 200


def test_two_authorization_headers_are_malformed(scene):
    line = b"Authorization: Bearer " + scene.secret.encode()
    for lines in ([line, line], [line, b"Authorization: Basic YTpi"], [b"authorization: Bearer x", line]):
        status, answer = post(scene, *lines)
        assert status == 400
        assert 'error="invalid_request"' in answer


def test_a_token_in_header_and_form_is_malformed_and_in_a_json_body_is_nobody_s_business(scene):
    form = b"access_token=" + scene.secret.encode()
    status, _ = post(scene, body=form, kind=b"application/x-www-form-urlencoded")
    assert status == 400
    line = b"Authorization: Bearer " + scene.secret.encode()
    status, _ = post(scene, line, body=form, kind=b"application/x-www-form-urlencoded")
    assert status == 400
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"access_token":"x","token":"y","api_key":"z"}}'
    assert post(scene, line, body=body)[0] == 200


def test_line_breaks_and_nulls_in_the_header_do_not_reach_the_hub(scene):
    two_headers = b"Bearer {s}\r\nX-Injected: 1"
    for value, expected in ((two_headers, 200), (b"Bearer {s}\n x", 400), (b"Bearer {s}\x00", 400)):
        status, answer = post(scene, b"Authorization: " + value.replace(b"{s}", scene.secret.encode()))
        assert status == expected, value
        assert "x-injected" not in answer
        assert "traceback" not in answer


def test_every_secret_that_is_not_real_gets_the_same_bytes(scene):
    public_id, wrong = scene.issued.token.public_id, keys.make(keys.Kind.DELEGATED).text
    secret = wrong.rpartition("_")[2]
    guesses = [
        wrong, f"nxs_{public_id}_{secret}", wrong[:-1] + ("0" if wrong[-1] != "0" else "1"), "nxs_", "x",
        keys.make(keys.Kind.MANAGEMENT).text, keys.make(keys.Kind.ACCESS).text, scene.issued.token.digest,
    ]  # fmt: skip
    answers = [scene.live.call(guess) for guess in guesses]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["www-authenticate"] for answer in answers}) == 1
    assert not any("nexus-token-id" in answer.headers for answer in answers)


def test_the_whole_matrix_holds_on_every_hub_address(scene):
    for path in (b"/mcp", b"/hub/mcp", b"/hub/token/verify"):
        for value, expected in ((b"Bearer", 400), (b"Basic YTpi", 401), (b"Bearer nxs_x", 401)):
            assert post(scene, b"Authorization: " + value, path=path)[0] == expected, (path, value)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"", b"application/json", 400), (b"{", b"application/json", 400), (b"null", b"application/json", 400),
        (b'"x"', b"application/json", 400), (b"[]", b"application/json", 400), (b"{}", b"application/json", 400),
        (b"[" + BODY + b"]", b"application/json", 400), (b"\xff\xfe", b"application/json", 400),
        (b"[" * 100_000, b"application/json", 400), (BODY, b"text/plain", 415), (BODY, b"", 415),
        (b'{"jsonrpc":"2.0","id":1,"method":1}', b"application/json", 400),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', b"application/json", 400),
        (b'{"x":"' + b"a" * 5_000_000 + b'"}', b"application/json", 413),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_body_that_cannot_be_read_has_a_status_of_its_own(scene, body, kind, expected):
    answer = scene.live.request(
        "POST",
        "/hub/mcp",
        content=body,
        headers={"Content-Type": kind.decode(), "Authorization": f"Bearer {scene.secret}"},
    )
    assert answer.status_code == expected
    assert "error" in answer.json()
    if expected == 415:
        assert "Content-Type" in answer.json()["error"]["message"]
