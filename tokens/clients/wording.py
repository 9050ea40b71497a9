"""What in a client's file people read: neither its code and values, nor the names of fields in foreign programs."""

from collections.abc import Callable
from typing import Any

CONTEXT = "client"  # of these texts in the catalogs
WORDS = {"label", "note", "token_note", "trial", "ends_note"}


def reworded(said: dict[str, Any], word: Callable[[str], str]) -> dict[str, Any]:
    """Return what a file says, with each text that people read put through `word`."""
    return {key: _reworded(key, value, word) for key, value in said.items()}


def _reworded(key: str, value: Any, word: Callable[[str], str]) -> Any:
    if key in WORDS:
        return word(value)
    if key == "steps":
        return [word(step) for step in value]
    if key == "setup":
        return [reworded(entry, word) for entry in value]
    return reworded(value, word) if key == "link" else value


def texts(said: dict[str, Any]) -> list[str]:
    """Return what there is to translate."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    reworded(said, collect)
    return found
