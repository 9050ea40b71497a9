"""Every link to the guide leads somewhere: those of errors, of pages, and of the guide itself."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import Resolver404, resolve

from nexus.guide import chapters, checking
from nexus.hub import refusals, replies
from profiles.rest import problems
from tests.security.pages import browser
from tokens.lookup import Refusal
from tokens.oauth.endpoint import guide_to

ROOT = Path(settings.BASE_DIR)
FOLDERS = ("nexus", "profiles", "tokens", "activity", "templates")
LINK = re.compile(r"/guide/[a-z0-9/-]*(?:#[a-z0-9_-]+)?")
MARKDOWN = re.compile(r"\]\(([^)]+)\)")
TOPIC = re.compile(
    r"topic(?:: str)? ?= ?\"([a-z0-9-]+)\"|RECORDING = \"([a-z-]+)\"|else \"(server-away)\"|return \"(sign-in-[a-z-]+)\""
)
ERROR = re.compile(
    r"(?:_?error|Refusal|Refused|InvalidMetadata)\((?:HTTPStatus\.\w+, |status, )?(?:f?\"[^\"]*\", )?\"([a-z]+_[a-z_]+)\""
)
OF_OTHERS = {"design", "webhooks"}  # pages of the guide that are no chapter of Markdown


def sources():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".html", ".toml", ".txt", ".md") and "migrations" not in path.parts:
                yield path, path.read_text()


def is_there(link: str) -> bool:
    path, _, anchor = link.partition("#")
    try:
        resolve(path)
    except Resolver404:
        return False
    slug = path.removeprefix("/guide/").strip("/")
    chapter = chapters.named(slug) if slug and "/" not in slug and slug not in OF_OTHERS else None
    if "/" not in slug and slug not in OF_OTHERS and slug and chapter is None:
        return False
    return not anchor or (chapter is not None and chapter.section(anchor) is not None)


def has_section(topic: str, slug: str = "troubleshooting") -> bool:
    return chapters.chapter(slug).section(topic) is not None


def test_every_link_in_code_and_pages_leads_to_a_section():
    links = {(path.name, link) for path, said in sources() for link in LINK.findall(said)}
    assert len(links) > 20
    whole = {(name, link) for name, link in links if link.endswith("/") or "#" in link}
    assert [pair for pair in whole if not is_there(pair[1]) and not pair[1].endswith(("/clients/",))] == []


def test_every_link_in_the_files_leads_to_a_page_and_a_section():
    for file in sorted((ROOT / "docs" / "guide").glob("*.md")):
        for href in MARKDOWN.findall(file.read_text()):
            path, _, anchor = href.partition("#")
            if path.endswith((".md", ".png")):
                place = {"operating.md": file.parent.parent / path}.get(path, file.parent / path)
                assert place.exists(), (file.name, href)
            if path.endswith(".md") or not path:
                assert is_there(f"/guide/{Path(path).stem or file.stem}/#{anchor}".rstrip("#")), (file.name, href)
            elif path.startswith("/"):
                resolve(path)
                assert not anchor or path.startswith("/guide/"), (file.name, href)


def test_every_file_is_a_chapter():
    files = {file.stem for file in (ROOT / "docs" / "guide").glob("*.md")}
    assert files | set(chapters.PAGES) | {"operating"} == {slug for _, slugs in chapters.GROUPS for slug in slugs}


def test_every_refusal_of_the_hub_has_its_section():
    topics = {
        word for path, said in sources() if "hub" in path.parts for found in TOPIC.findall(said) for word in found
    }
    assert topics - {""} >= {"content-type", "origin", "session", "not-in-the-toolkit", "server-away", "not-recorded"}
    reasons = {refusal.value.replace("_", "-") for refusal in Refusal} | {"other-toolkit", "address", "cap-reached"}
    assert [topic for topic in (topics | reasons) - {""} if not has_section(topic)] == []


def test_every_answer_that_refuses_leads_to_its_section():
    for reply in (replies.no_credentials(b"/mcp"), replies.invalid_token(b"/mcp"), replies.too_many_guesses(),
                  replies.bad_credentials("x"), refusals.nothing_is_known(), refusals.not_recorded(may_have_run=True)):  # fmt: skip
        link = json.loads(reply.body)["error"]["data"]["help"]
        assert (b"link", f'<{link}>; rel="help"'.encode()) in reply.headers
        assert has_section(link.partition("#")[2])


def test_every_code_of_the_rest_api_has_its_section():
    codes = {*problems.CODES.values(), *(each.code for each in problems.Problem.__subclasses__()), "insufficient_scope"}
    assert [code for code in codes if not has_section(code, "api")] == []


def test_every_error_of_oauth_has_its_section():
    codes = {code for path, said in sources() if "oauth" in path.parts for code in ERROR.findall(said)}
    assert codes >= {"invalid_request", "invalid_grant", "invalid_redirect_uri", "login_required"}
    assert [code for code in codes if not has_section(code)] == []
    assert guide_to("invalid_grant").endswith("/guide/troubleshooting/#invalid_grant")


def test_every_sign_of_the_checker_has_its_section():
    assert [anchor for anchor, _ in [*checking.SIGNS, *checking.PARTS] if not has_section(anchor)] == []


@pytest.mark.django_db(databases="__all__")
def test_errors_of_each_kind_carry_their_link(client, alice):
    rest = client.get("/api/v1/me").json()
    assert rest["type"].endswith("/guide/api/#not_signed_in")
    oauth = client.post("/oauth/token", {"grant_type": "refresh_token", "client_id": "nobody"}).json()
    assert oauth["error_uri"].endswith(f"/guide/troubleshooting/#{oauth['error']}")
    assert "/guide/troubleshooting/#not-allowed-or-not-there" in browser(alice).get("/nothing/").content.decode()
    refused = browser(alice, enforce_csrf_checks=True).post("/settings/theme/", {})
    assert "/guide/troubleshooting/#a-form-that-could-not-be-checked" in refused.content.decode()
