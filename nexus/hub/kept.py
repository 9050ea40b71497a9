"""What Activity keeps of a call's arguments and result, as its toolkit has it: bounded, and never a secret."""

import hmac
from hashlib import sha256

import msgspec
from django.conf import settings

from nexus import logs
from profiles.models import Toolkit
from tokens import keys

METHODS = frozenset({"tools/call", "prompts/get"})
MAX_KEPT = 4000  # characters
MAX_READ = 64 * 1024  # bytes that are read to take secrets out; of what is longer, the digest is kept


class Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_answers = msgspec.json.Decoder(Answer)


def of_arguments(policy: str, method: str, params: dict[str, msgspec.Raw]) -> str:
    if policy == Toolkit.Kept.NOTHING or method not in METHODS:
        return ""
    return _kept(policy, bytes(params.get("arguments", b"")))


def of_result(policy: str, method: str, body: bytes) -> str:
    if policy == Toolkit.Kept.NOTHING or method not in METHODS or not body:
        return ""
    try:
        answer = _answers.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _digest(body)
    return _kept(policy, bytes(answer.result) or bytes(answer.error))


def _kept(policy: str, text: bytes) -> str:
    if not text:
        return ""
    if policy == Toolkit.Kept.DIGEST or len(text) > MAX_READ:
        return _digest(text)
    try:
        plain = msgspec.json.encode(logs.redact_value(msgspec.json.decode(text))).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _digest(text)
    return keys.redact(plain).replace("\0", "\ufffd")[:MAX_KEPT]


def _digest(text: bytes) -> str:
    """Return a keyed digest: without the key, nobody finds out by trying whether it was “yes” or “no”."""
    key = b"nexus.kept:" + settings.SECRET_KEY.encode()
    return f"hmac-sha256:{hmac.digest(key, text, sha256).hex()} ({len(text)} bytes)"
