"""Search over titles and text of the guide: each word has to be there, and headings count most."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from nexus.guide import chapters
from tokens import clients

LONGEST = 100  # characters of a question
MOST = 20  # hits
AROUND = 90  # characters of the text before the first word that was found, and twice as many behind it


@dataclass(frozen=True, slots=True)
class Place:
    """What can be found: a heading with the text below it."""

    page: str
    title: str
    path: str
    text: str

    def rank(self, words: list[str]) -> int:
        """Return how well it fits; 0 where a word is missing."""
        title, page, text = self.title.casefold(), self.page.casefold(), self.text.casefold()
        if not all(word in title or word in page or word in text for word in words):
            return 0
        return 1 + sum(8 * (word in title) + 3 * (word in page) + min(text.count(word), 4) for word in words)


@dataclass(frozen=True, slots=True)
class Hit:
    page: str
    title: SafeString
    path: str
    excerpt: SafeString


def search(asked: str) -> list[Hit]:
    """Return the best places for what was asked, the best first."""
    words = asked[:LONGEST].casefold().split()
    ranked = [(place.rank(words), place) for place in _places()] if words else []
    found = sorted((pair for pair in ranked if pair[0]), key=lambda pair: -pair[0])[:MOST]
    return [
        Hit(place.page, _marked(place.title, words), place.path, _excerpt(place.text, words)) for __, place in found
    ]


def _places() -> Iterator[Place]:
    for chapter in chapters.every():
        yield Place(_("Guide"), chapter.title, chapter.path, chapter.lead)
        for section in chapter.sections:
            title = section.title or chapter.title
            yield Place(chapter.title, title, f"{chapter.path}#{section.anchor}".rstrip("#"), section.text)
    for client in clients.every().values():
        steps = (step for set_up in client.set_ups for step in set_up.steps)
        text = " ".join(
            filter(None, [client.badge, client.note, client.token_note, client.trial, client.words, *steps])
        )
        yield Place(_("Each client, step by step"), client.label, f"/guide/clients/{client.slug}/", text)


def _excerpt(text: str, words: list[str]) -> SafeString:
    places = [place for word in words if (place := text.casefold().find(word)) >= 0]
    start = max(0, min(places, default=0) - AROUND)
    end = start + 3 * AROUND
    cut = text[start:end].strip()
    return _marked(f"{'… ' if start else ''}{cut}{' …' if end < len(text) else ''}", words)


def _marked(text: str, words: list[str]) -> SafeString:
    """Return the text as HTML, with the words in it marked."""
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    parts = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    marked = (f"<mark>{escape(part)}</mark>" if place % 2 else escape(part) for place, part in enumerate(parts))
    return mark_safe("".join(marked))  # noqa: S308
