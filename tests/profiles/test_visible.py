import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus import logs
from profiles.visible import has_piled_marks, visible, visible_lines


@given(st.text())
def test_nothing_that_cannot_be_seen_is_left(text):
    shown = visible(text)
    assert not any(unicodedata.category(character) == "Cc" for character in shown)
    assert not any(
        unicodedata.bidirectional(character) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI") for character in shown
    )
    assert set(visible_lines(text)) - {"\n", "\t"} <= set(visible(text)) | set("\\u{}0123456789abcdef")


@pytest.mark.parametrize("text", ["", "plain", "Grüße", "日本語", "שלום", "🙂", "a b\u00a0c"])
def test_ordinary_text_of_any_language_stays(text):
    assert visible(text) == visible_lines(text) == text


def test_codes_are_written_out():
    assert visible("a\x1b[31m\u202eb\n") == "a\\u{1b}[31m\\u{202e}b\\u{a}"
    assert visible_lines("a\r\n\tb\x1b") == "a\n\tb\\u{1b}"


def test_a_terminal_that_shows_the_log_is_told_nothing():
    assert logs.redact("a\x1b]0;title\x07b\nc") == "a\\u{1b}]0;title\\u{7}b\nc"


@pytest.mark.parametrize("text", ["Tiếng Việt", "e\u0301", "हिन्दी", "ไม่ใช่", "שָׁלוֹם", "日本語", "🏳️‍🌈"])
def test_marks_that_languages_put_on_a_letter_are_no_pile(text):
    assert not has_piled_marks(text)
    assert not has_piled_marks(unicodedata.normalize("NFD", text))
    assert has_piled_marks(text + "\u0323" * 4)
