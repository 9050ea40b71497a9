import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from tokens import keys

SCANNER = re.compile(r"\bnxs_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b")


def test_a_secret_has_the_form_that_scanners_know():
    key = keys.make(keys.Kind.DELEGATED)
    assert len(key.text) == 66
    assert SCANNER.fullmatch(key.text)
    assert keys.kind_of(key.text) is keys.Kind.DELEGATED


def test_the_checksum_is_the_crc32_of_the_secret_part_in_base62():
    secret = "0" * 43
    value = 0
    for digit in keys.checksum(secret):
        value = value * 62 + keys.ALPHABET.index(digit)
    assert value == zlib.crc32(secret.encode())


@given(st.text(max_size=100))
def test_no_other_text_is_taken_for_a_secret(text):
    assert keys.kind_of(text) is None


@given(st.integers(17, 65), st.sampled_from(keys.ALPHABET))
def test_one_altered_character_breaks_the_checksum(position, character):
    text = keys.make(keys.Kind.DELEGATED).text
    altered = text[:position] + character + text[position + 1 :]
    assert (keys.kind_of(altered) is None) == (altered != text)


@given(st.sampled_from(keys.Kind), st.text(max_size=20), st.text(max_size=20))
def test_redaction_leaves_nothing_but_the_public_id(kind, before, after):
    key = keys.make(kind)
    redacted = keys.redact(f"{before} {key.text} {after}")
    assert key.text[len(kind) + 14 :] not in redacted
    assert key.public_id in redacted


def test_a_key_does_not_print_its_secret():
    key = keys.make(keys.Kind.MANAGEMENT)
    assert key.text not in repr(key)
    assert key.text[20:] not in repr(key)
