"""What holds for every page of the portal: default deny, headers, nothing from elsewhere, nothing inline."""

import re

import pytest
from django.test import Client
from django.urls import get_resolver

pytestmark = pytest.mark.django_db(databases="__all__")

PUBLIC = ("accounts/", "admin/", "api/", "oauth/", "tokens/feed/", ".well-known/", "language/",
          "hub/mcp/.well-known/", "mcp/.well-known/")  # fmt: skip
OAUTH_AT_THE_ROOT = ("authorize", "token", "register")
GUIDE = "guide/"  # tests/nexus/guide: open, but for the pages named below
CLOSED_IN_GUIDE = ("guide/design/", "guide/webhooks/")
PAGES = [
    "/", "/toolkits/", "/toolkits/new/", "/servers/", "/servers/add/", "/authorizations/", "/settings/", "/guide/",
    "/guide/design/", "/guide/webhooks/", "/settings/webhooks/", "/settings/webhooks/new/", "/settings/calendar/",
    "/organizations/", "/organizations/new/",
    "/settings/security/", "/settings/security/everything/",
]  # fmt: skip


def portal_paths() -> list[str]:
    """Return a path for every pattern below the root, arguments filled with something that is not there."""
    patterns = []
    for pattern in get_resolver().url_patterns:
        patterns += (
            [str(each.pattern) for each in getattr(pattern, "url_patterns", [])] if str(pattern.pattern) == "" else []
        )
        patterns += [str(pattern.pattern)] if not hasattr(pattern, "url_patterns") else []
    filled = [re.sub(r"<uuid:\w+>", "00000000-0000-0000-0000-000000000000", text) for text in patterns]
    filled = [re.sub(r"<int:\w+>", "1", text) for text in filled]
    return [
        "/" + re.sub(r"<[^>]+>", "x", text)
        for text in filled
        if not text.startswith(PUBLIC)
        and text not in OAUTH_AT_THE_ROOT
        and (text in CLOSED_IN_GUIDE or not text.startswith(GUIDE))
    ]


@pytest.mark.parametrize("path", portal_paths())
def test_nobody_gets_in_without_signing_in(client, db, path):
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 302, path
        assert answer.url.startswith("/accounts/login/?next=")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_what_it_does_not_need(as_alice, path):
    answer = as_alice.get(path)
    policy = answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [*PAGES, "/accounts/confirm/", "/nothing/"])
def test_no_page_loads_from_elsewhere_or_has_anything_inline(as_alice, path):
    page = as_alice.get(path).content.decode()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


@pytest.mark.parametrize("path", [*PAGES, "/accounts/confirm/", "/admin/"])
def test_forms_may_name_their_origin(staff, path):
    # Under the header's no-referrer alone, browsers send "Origin: null" and every form is refused.
    assert '<meta name="referrer" content="same-origin">' in staff.get(path).content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_lets_another_origin_read_it(as_alice, path):
    answer = as_alice.get(path, headers={"origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize(
    "path", ["/toolkits/new/", "/settings/", "/settings/theme/", "/accounts/logout/", "/accounts/confirm/"]
)
def test_a_form_from_elsewhere_is_refused(alice, path):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    for headers in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = browser.post(path, {"name": "x"}, headers=headers)
        assert answer.status_code == 403, headers
        assert "Nothing was changed" in answer.content.decode()


def test_a_page_that_is_not_there_has_our_look(as_alice):
    answer = as_alice.get("/nothing/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_one_heading_a_title_and_labelled_controls(as_alice, path):
    page = as_alice.get(path).content.decode()
    assert len(re.findall(r"<h1", page)) == 1
    assert re.search(r"<title>[^<]+· Nexus</title>", page)
    targets = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
    controls = re.findall(r"<(?:input|select|textarea)\b[^>]*>", page)
    named = [re.search(r' id="([^"]+)"', control) for control in controls if 'type="hidden"' not in control]
    assert all(match and match[1] in targets for match in named)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) or path == "/guide/design/"
