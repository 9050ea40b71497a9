"""What there is to translate: the texts marked in templates and code, those that nobody marked, and the catalogs."""

import ast
import gettext
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

from tokens import clients
from tokens.clients import wording

ROOT = settings.BASE_DIR
CATALOGS = ROOT / "nexus" / "locale"
CODE = ("nexus", "profiles", "tokens", "activity")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
MARKS_IN_CONTEXT = {"pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"}
BETWEEN = "\4"  # of a context and its text, as in compiled catalogs

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
QUOTED = r"""u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
MARKED = re.compile(rf"\b(?:_|n?gettext|n?pgettext\({QUOTED}, )\(?{QUOTED}")
# What of a template is no text of its own: what is marked, comments and tags, and then markup and code.
MARKED_OR_TAGS = re.compile(
    r"{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}|{%\s*comment\b.*?{%\s*endcomment\s*%}|{#.*?#}"
    r"|{%\s*block (?:bodyclass|sheet_class)\b.*?{%\s*endblock\s*%}|{%.*?%}|{{.*?}}",
    re.DOTALL,
)
MARKUP = re.compile(r"<!--.*?-->|<(pre|code|kbd)\b.*?</\1>|<[^>]*>|&\w+;", re.DOTALL)
SAID_BY_TAGS = re.compile(
    r'(?<=\s)(?:title|text|label|label2|lead|empty|here|save|what|sub)="([^"{]*[A-Za-z]{2}[^"{]*)"'
)
SAID_BY_ATTRIBUTES = re.compile(r'\s(?:aria-label|title|placeholder|alt)="([^"{]*[A-Za-z]{2}[^"{]*)"')
WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass
class Entry:
    """One message of a catalog; one text for each form of the plural."""

    context: str = ""
    msgid: str = ""
    plural: str = ""
    texts: list[str] = field(default_factory=list)
    is_fuzzy: bool = False

    @property
    def key(self) -> str:
        return f"{self.context}{BETWEEN}{self.msgid}" if self.context else self.msgid


def entries(path: Path) -> list[Entry]:
    """Return what a .po file says, without its header."""
    return [entry for block in path.read_text().split("\n\n") if (entry := _entry(block)).msgid]


def _entry(block: str) -> Entry:
    entry, member = Entry(), ""
    for line in block.splitlines():
        if line.startswith("#"):
            entry.is_fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        member = line.split(" ", 1)[0] if not line.startswith('"') else member
        text = ast.literal_eval(STRING.search(line)[0])
        if member == "msgctxt":
            entry.context += text
        elif member == "msgid":
            entry.msgid += text
        elif member == "msgid_plural":
            entry.plural += text
        elif line.startswith("msgstr"):
            entry.texts.append(text)
        else:
            entry.texts[-1] += text
    return entry


def compiled(path: Path) -> dict[str, str]:
    """Return what a .mo file says, by msgid; of a plural, its first form."""
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    return {
        key[0] if isinstance(key, tuple) else key: text
        for key, text in catalog.items()
        if key not in ("",) and (not isinstance(key, tuple) or key[1] == 0)
    }


def marked() -> set[str]:
    """Return every text that templates, code and the files of clients mark."""
    return {*_marked_in_templates(), *_marked_in_code(), *_marked_in_clients()}


def _marked_in_clients() -> Iterator[str]:
    for path in clients.DATA.glob("*.toml"):
        for text in wording.texts(tomllib.loads(path.read_text())):
            yield f"{wording.CONTEXT}{BETWEEN}{text}"


def _marked_in_templates() -> Iterator[str]:
    for path in templates():
        for match in MARKED.finditer(templatize(path.read_text())):
            context, text = (ast.literal_eval(found) if found else "" for found in match.groups())
            yield f"{context}{BETWEEN}{text}" if context else text


def _marked_in_code() -> Iterator[str]:
    for path in (path for app in CODE for path in (ROOT / app).rglob("*.py") if "nexus/hub" not in str(path)):
        source = path.read_text()
        if "gettext" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (number := _texts_in(node.func.id)):
                words = node.args[:number]
                assert not any(isinstance(word, ast.JoinedStr | ast.BinOp) for word in words), f"{path}:{node.lineno}"
                if all(isinstance(word, ast.Constant) for word in words):  # else it is marked by gettext_noop elsewhere
                    yield BETWEEN.join(ast.literal_eval(word) for word in words)


def _texts_in(function: str) -> int:
    """Return how many of the arguments name a text: with a context two, for what marks none 0."""
    return 1 if function in MARKS else 2 if function in MARKS_IN_CONTEXT else 0


def templates() -> list[Path]:
    return sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))


def unmarked(source: str) -> list[str]:
    """Return the words of a template that no translation reaches."""
    html = MARKED_OR_TAGS.sub("", source)
    rest = MARKUP.sub("\n", html)
    bare = [line.strip() for line in rest.splitlines() if WORD.search(line)]
    tags = [text for tag in re.findall(r"{%\s*include.*?%}", source) for text in SAID_BY_TAGS.findall(tag)]
    return bare + tags + SAID_BY_ATTRIBUTES.findall(html)
