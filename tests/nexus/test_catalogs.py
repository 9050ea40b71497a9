"""Nothing that people read is left in English only: `make messages` collects and compiles, these tests compare."""

import re

import pytest
from django.utils.translation import to_locale

from tests.nexus import texts

LANGUAGES = ["de"]
PLACEHOLDER, TAG = re.compile(r"%\(\w+\)\w|%[sd]|{\w*}"), re.compile(r"</?\w+")
# Names, and what is English for everybody: the texts of the guide and of the API, the catalog of components.
ENGLISH = {"guide/design.html", "api/docs.html"}
NAMES = {
    "Nexus", "Nexus · Nexus", "UTC", "curl", "CSV", "NDJSON", "MCP URL", "HTTP", "macOS, Linux", "PowerShell", ".env",
    "webhook-id", "webhook.test", "calls", "events", "type", "whsec_…", "receive_webhook.py", "read -rs NEXUS_TOKEN && export NEXUS_TOKEN",
    "$env:NEXUS_TOKEN = Read-Host -MaskInput",
}  # fmt: skip


def catalog(language: str):
    return texts.CATALOGS / to_locale(language) / "LC_MESSAGES" / "django.po"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_collected_and_translated(language):
    entries = texts.entries(catalog(language))
    known = {entry.key for entry in entries}
    assert texts.marked() - known == set(), "run make messages"
    assert [entry.msgid for entry in entries if entry.is_fuzzy or not all(entry.texts)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalog_says_what_the_source_says(language):
    path = catalog(language)
    said = {entry.key: entry.texts[0] for entry in texts.entries(path)}
    assert texts.compiled(path.with_suffix(".mo")) == said, "run make messages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_placeholders_and_tags_and_breaks_no_attribute(language):
    for entry in texts.entries(catalog(language)):
        allowed = set(PLACEHOLDER.findall(entry.msgid + entry.plural))
        for text in entry.texts:
            assert set(PLACEHOLDER.findall(text)) <= allowed, text
            assert sorted(TAG.findall(text)) in (sorted(TAG.findall(entry.msgid)), sorted(TAG.findall(entry.plural)))
            assert '"' in entry.msgid or '"' not in text, text
        assert entry.plural or set(PLACEHOLDER.findall(entry.texts[0])) == allowed, entry.msgid


def test_every_text_of_a_template_is_marked():
    found = {
        name: left
        for path in texts.templates()
        if (name := str(path.relative_to(texts.ROOT / "templates"))) not in ENGLISH
        and (left := [text for text in texts.unmarked(path.read_text()) if text.strip(" ·(),:–") not in NAMES])
    }
    assert found == {}
