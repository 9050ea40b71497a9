"""The chapters of the guide, in the order in which they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from nexus.guide import markdown
from nexus.guide.markdown import Section

EXAMPLE = "https://nexus.example.com"  # in the files; a page shows the address of this Nexus instead
OPERATING = "operating"  # the operator's own document: addresses in it are to be filled in, and stay
GROUPS = [
    (_("Begin"), ("tokens", "browser-or-token", "first-call", "clients")),
    (_("Keep it safe"), ("secrets", "one-token-per-service", "rotating", "security")),
    (_("When it fails"), ("troubleshooting", "check")),
    (_("Run it together"), ("organizations", "applications", "webhooks", "api", OPERATING)),
]
# Pages that are no file of their own, each made from what it describes.
PAGES = {
    "clients": (
        _("Each client, step by step"),
        _("The set-up of every client that Nexus knows, as Install shows it."),
    ),
    "check": (_("Check an error"), _("Paste what a program said, or a request id, and read what happened.")),
    "webhooks": (_("Receiving webhooks"), _("What Nexus posts to your address, and a receiver that checks it.")),
}


@dataclass(frozen=True, slots=True)
class Chapter:
    slug: str
    title: str
    lead: str
    sections: list[Section]
    language: str = "en"  # of the texts in docs/

    @property
    def path(self) -> str:
        return f"/guide/{self.slug}/"

    @property
    def contents(self) -> list[Section]:
        """Return the headings that stand beside the text."""
        return [section for section in self.sections if section.anchor and section.level == 2]

    def section(self, anchor: str) -> Section | None:
        return next((section for section in self.sections if section.anchor == anchor), None)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    chapters: list[Chapter]


def groups() -> list[Group]:
    return [Group(str(title), [chapter(slug) for slug in slugs]) for title, slugs in GROUPS]


def every() -> Iterator[Chapter]:
    for group in groups():
        yield from group.chapters


def named(slug: str) -> Chapter | None:
    return chapter(slug) if any(slug in slugs for __, slugs in GROUPS) else None


def chapter(slug: str) -> Chapter:
    return _page(slug) if slug in PAGES else _read(slug, settings.NEXUS_BASE_URL, get_language())


def neighbours(slug: str) -> tuple[Chapter | None, Chapter | None]:
    """Return the chapters before and after this one."""
    order = [None, *every(), None]
    pairs = zip(pairwise(order), order[2:], strict=False)
    return next((before, after) for (before, here), after in pairs if here and here.slug == slug)


def _page(slug: str) -> Chapter:
    title, lead = PAGES[slug]
    return Chapter(slug, str(title), str(lead), [], get_language() or "")


@cache
def _read(slug: str, base_url: str, language: str | None) -> Chapter:
    """Return a chapter; the texts are English, the buttons in them in the language of the page."""
    folder = settings.BASE_DIR / "docs"
    if slug == OPERATING:
        source = (folder / "operating.md").read_text()
    else:
        source = (folder / "guide" / f"{slug}.md").read_text().replace(EXAMPLE, base_url)
    document = markdown.read(source, slug)
    return Chapter(slug, document.title, document.lead, document.sections)
