"""What Activity keeps of arguments and results: what the toolkit says, bounded, and no secret."""

import json

import msgspec
import pytest

from nexus.hub import kept
from profiles.models import Toolkit
from tokens import keys

DIGEST, REDACTED, NOTHING = Toolkit.Kept.DIGEST, Toolkit.Kept.REDACTED, Toolkit.Kept.NOTHING


def arguments(policy, value, method="tools/call"):
    return kept.of_arguments(policy, method, {"arguments": msgspec.Raw(json.dumps(value).encode())})


def test_nothing_is_kept_unless_the_toolkit_says_so():
    assert arguments(NOTHING, {"a": 1}) == kept.of_result(NOTHING, "tools/call", b'{"result":{}}') == ""
    assert arguments(REDACTED, {"a": 1}, method="tools/list") == ""
    assert kept.of_arguments(REDACTED, "tools/call", {}) == ""


def test_a_digest_tells_equal_ones_and_nothing_else(settings):
    first, again, other = (arguments(DIGEST, {"text": text}) for text in ("yes", "yes", "no"))
    assert first == again != other
    assert "yes" not in first
    settings.SECRET_KEY = "another"
    assert arguments(DIGEST, {"text": "yes"}) != first  # nobody without the key finds out by trying


def test_secrets_are_taken_out_wherever_they_stand():
    secret = keys.make(keys.Kind.DELEGATED).text
    told = arguments(REDACTED, {"password": "hunter2", "list": [{"api_key": ["k1"]}, f"use {secret}"], "text": "ok"})
    assert "hunter2" not in told
    assert "k1" not in told
    assert secret not in told
    assert json.loads(told)["text"] == "ok"


def test_the_result_is_kept_without_its_envelope():
    body = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"18 C"}]}}'
    assert json.loads(kept.of_result(REDACTED, "tools/call", body)) == {"content": [{"type": "text", "text": "18 C"}]}
    assert "no such tool" in kept.of_result(REDACTED, "tools/call", b'{"error":{"message":"no such tool"}}')


@pytest.mark.parametrize("value", ["x" * 1_000_000, "\0\u202e<script>\x1b[31m" * 2000, "\ud800", "=cmd|' /C calc'!A0"])
def test_hostile_text_is_bounded_and_every_store_takes_it(value):
    for policy in (DIGEST, REDACTED):
        told = arguments(policy, {"text": value})
        assert told
        assert len(told) <= kept.MAX_KEPT
        assert "\0" not in told
        told.encode()


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b'{"result":' + b"[" * 5000, b"\xff\xfe", b"{}"])
def test_what_cannot_be_read_is_no_error(body):
    assert len(kept.of_result(REDACTED, "tools/call", body)) < 120
    kept.of_arguments(REDACTED, "tools/call", {"arguments": msgspec.Raw(body)})
