"""Markdown of docs/ as sections: headings become anchors, code gets a copy button, tables fold on a phone.

CommonMark with tables and without HTML; what a page adds to it is in the render rules below.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from markdown_it import MarkdownIt
from markdown_it.token import Token

PICTURES = "guide"  # the folder of docs/images among the static files
NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
LANGUAGES = {"sh": "Shell", "json": "JSON", "http": "HTTP", "text": _("Text"), "ini": _("Unit files"), "nginx": "nginx"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, as far as the next heading."""

    anchor: str
    title: str
    level: int
    html: SafeString
    text: str  # for the search


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    lead: str
    sections: list[Section]  # the first has no heading where the text begins without one


def read(source: str, name: str) -> Document:
    """Return the sections of a text that begins with its title and one paragraph about it."""
    tokens = PARSER.parse(source)
    env: dict[str, Any] = {"name": name, "blocks": 0}
    title, lead, rest = plain(tokens[1]), plain(tokens[4]), tokens[6:]
    starts = [place for place, token in enumerate(rest) if token.type == "heading_open"]
    cuts = [0, *starts, len(rest)]
    parts = [rest[start:end] for start, end in pairwise(cuts) if end > start]
    return Document(title, lead, [_section(part, env) for part in parts])


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading too, so that links work there as well."""
    return NOT_IN_ANCHOR.sub("", title.lower()).replace(" ", "-")


def plain(token: Token) -> str:
    """Return the words of a paragraph or a heading."""
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or [])


def _section(tokens: Sequence[Token], env: dict[str, Any]) -> Section:
    title, level = "", 2
    if tokens[0].type == "heading_open":
        title, level, tokens = plain(tokens[1]), int(tokens[0].tag[1]), tokens[3:]
    html = PARSER.renderer.render(tokens, PARSER.options, env)
    words = (plain(token) if token.type == "inline" else token.content for token in tokens)
    return Section(anchor(title), title, level, mark_safe(html), " ".join(filter(None, words)))  # noqa: S308


def _fence(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    env["blocks"] += 1
    language, __, label = tokens[place].info.strip().partition(" ")
    context = {
        "id": f"{env['name']}-{env['blocks']}",
        "label": label or LANGUAGES.get(language, _("Text")),
        "text": tokens[place].content.rstrip("\n"),
    }
    return render_to_string("components/code.html", context)


def _image(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """Show a picture of docs/images, with the one of the dark theme beside it."""
    name = Path(str(tokens[place].attrs["src"])).name
    width, height = size_of(settings.BASE_DIR / "docs" / "images" / name)
    context = {
        "light": f"{PICTURES}/{name}", "dark": f"{PICTURES}/{Path(name).stem}-dark.png",
        "alt": tokens[place].content, "width": width, "height": height,
    }  # fmt: skip
    return render_to_string("guide/_picture.html", context)


def size_of(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG, as its first chunk says (PNG third edition, section 11.2.1)."""
    with picture.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    return width, height


def _table_open(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    end = next(at for at in range(place, len(tokens)) if tokens[at].type == "thead_close")
    env["heads"] = [plain(token) for token in tokens[place:end] if token.type == "inline"]
    return '<div class="table-box"><table class="table folds">'


def _table_close(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return "</table></div>"


def _row_open(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    env["column"] = -1
    return "<tr>"


def _cell_open(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    env["column"] += 1
    if env["column"] == 0:
        return '<th scope="row">'
    label = env["heads"][env["column"]].replace("&", "&amp;").replace('"', "&quot;")
    return f'<td data-label="{label}"><div>'


def _cell_close(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return "</th>" if env["column"] == 0 else "</div></td>"


def _head_open(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return '<th scope="col">'


def _link_open(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    tokens[place].attrs["href"] = address(str(tokens[place].attrs["href"]))
    return str(renderer.renderToken(tokens, place, options, env))


def address(href: str) -> str:
    """Return where a link leads in the portal; in the file it names another file, for whoever reads it elsewhere."""
    path, hash_, name = href.partition("#")
    return f"/guide/{Path(path).stem}/{hash_}{name}" if path.endswith(".md") else href


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules = {
        "fence": _fence, "image": _image, "table_open": _table_open, "table_close": _table_close, "tr_open": _row_open,
        "td_open": _cell_open, "td_close": _cell_close, "th_open": _head_open, "link_open": _link_open,
    }  # fmt: skip
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


PARSER = _parser()
