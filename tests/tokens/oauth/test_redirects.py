"""Redirect addresses: what is taken, what is refused, and that nothing which looks like one slips through."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from tokens.forms_applications import RedirectsField
from tokens.oauth.redirects import refuse_bad_redirect_uri

DANGEROUS = [
    "about", "blob", "chrome", "chrome-extension", "content", "data", "feed", "file", "filesystem", "ftp", "intent", "jar",
    "javascript", "mailto", "moz-extension", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss",
]  # fmt: skip
GOOD = [
    "https://app.example.com/callback", "https://app.example.com", "https://app.example.com:8443/a?b=c",
    "https://192.0.2.1/callback", "https://[2001:db8::1]/callback", "http://localhost/callback",
    "http://localhost:33418", "http://127.0.0.1:1/", "http://[::1]:5000/callback",
    "cursor://anysphere.cursor-retrieval/oauth/callback", "com.example.app:/callback", "vscode://x.y/did-authenticate",
]  # fmt: skip
BAD = [
    "", "callback", "/callback", "//app.example.com/callback", "https:", "https://", "https:///x", "https:app.example.com",
    "https:/app.example.com/", "https://app.example.com/#", "https://app.example.com/#/callback",
    "https://user@app.example.com/", "https://user:pw@app.example.com/", "https://app.example.com@evil.example/",
    "https://*.example.com/", "https://app.example.com/*", "http://app.example.com/", "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/", "http://127.0.0.2/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/",
    "http://127.0.0.1@evil.example/", "https://app.example.com:99999/", "https://app.example.com:port/",
    "https://app.example.com:/", "https://app.example.com:0443/", "https://-app.example.com/", "https://app_1%2e.example/",
    "https://\\evil.example/", "https://app.example.com\\@evil.example/", "https://app.example.com/a b", " https://a.example/",
    "https://a.example/\n", "https://a.example/\t", "https://a.example/\0", "HTTPS://a.example/", "JavaScript:alert(1)",
    "javascript://a.example/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://a.example/1",
    "view-source:https://a.example/", "intent://x#Intent;end", "cursor:", "cursor://", "cursor://user@x/y", "1a://b", "myapp://callback",
    "https://münchen.example/", "https://a.example/é", "https://a.example/" + "a" * 2000,
]  # fmt: skip


def is_taken(uri: str) -> bool:
    try:
        refuse_bad_redirect_uri(uri)
    except ValidationError as error:
        assert error.messages[0].endswith(".")
        return False
    return True


@pytest.mark.parametrize("uri", GOOD)
def test_it_is_taken(uri):
    assert is_taken(uri)


@pytest.mark.parametrize("uri", BAD, ids=[f"{index}-{uri[:24]!a}" for index, uri in enumerate(BAD)])
def test_it_is_refused(uri):
    assert not is_taken(uri)


@given(st.text(max_size=80))
def test_any_text_is_taken_or_refused_and_nothing_else(text):
    is_taken(text)


@given(st.sampled_from(DANGEROUS), st.text(max_size=40))
def test_a_dangerous_scheme_is_never_taken_whatever_follows(scheme, rest):
    assert not is_taken(f"{scheme}:{rest}")
    assert not is_taken(f"{scheme}://{rest}")


PIECES = st.sampled_from(
    ["http", "https", ":", "/", "//", "@", "#", "?", "*", "\\", "localhost", "127.0.0.1", "[::1]", "evil.example", ":80", ".", "%2f", "\t", "a"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=10).map("".join))
def test_what_is_taken_leads_where_it_seems_to(uri):
    if not is_taken(uri):
        return
    parts = urlsplit(uri)
    assert not {"@", "\\", "#", "*"} & set(parts.netloc)
    if parts.scheme == "http":
        assert parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme in ("http", "https"):
        assert uri.startswith(f"{parts.scheme}://{parts.netloc}")
        assert parts.hostname


@given(st.sampled_from(GOOD), st.characters(max_codepoint=0x20))
def test_a_control_character_anywhere_is_refused(uri, character):
    for place in (0, len(uri) // 2, len(uri)):
        with suppress(ValidationError):
            refuse_bad_redirect_uri(uri[:place] + character + uri[place:])
            pytest.fail("taken")


def test_the_addresses_that_the_form_of_an_application_names_are_taken():
    field = RedirectsField()
    examples = [field.widget.attrs["placeholder"], field.help_text.rpartition("as in ")[2].removesuffix(".")]
    assert field.clean("\n".join(examples)) == examples
