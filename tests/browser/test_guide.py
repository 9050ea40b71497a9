"""The guide in a real browser; the commands that it shows, as they stand; and the pictures in it and in the README.

`make pictures` writes the pictures anew. Otherwise they are compared by the words of the page, not by their pixels:
what a page is made of has changed if its headings, labels and buttons have.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest
from playwright.sync_api import expect

from nexus.guide import chapters, markdown
from tests.browser.conftest import OUT, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
SAID = IMAGES / "pictures.json"
COMMAND = re.compile(r"^```sh.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
PREPARE = """
from datetime import timedelta
from django.utils import timezone
from profiles.events import Actor
from profiles.models import Server, Toolkit, User
from tokens.models import ManagementKey
now, owner = timezone.now().replace(microsecond=0), User.objects.get(email="admin@example.com")
time = Server.objects.get(slug="time")
Toolkit.objects.get(alias="work").add_server(time, allowed=["get_current_time"], by=Actor.operator("test"), now=now)
scopes = ["tokens:issue", "tokens:read", "activity:read"]
_, key = ManagementKey.objects.make(owner=owner, account=owner.personal_account, name="guide", scopes=scopes,
                                    expires_at=now + timedelta(days=30), by=Actor.operator("test"), now=now)
print(key.text)
"""
LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
CALL = ('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":'
        '{"name":"get_current_time","arguments":{"timezone":"UTC"}}}')  # fmt: skip
BONES = """() => [...new Set([...document.querySelectorAll("main :is(h1, h2, h3, label, legend, thead th, button)")]
    .map(each => each.innerText.replace(/[0-9]+/g, "0").trim()).filter(text => text && text.length < 60))].sort()"""


@pytest.fixture(scope="module")
def token(nexus) -> str:
    nexus.manage("add_toolkit", "work")
    return nexus.manage("issue_token", "admin@example.com", "work", "--name", "n8n", "--days", "7").strip()


def shell(script: str, **variables: str) -> str:
    ran = subprocess.run(
        ["/bin/sh", "-eu"], input=script, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, ""), script
    return ran.stdout


def test_the_commands_of_the_guide_run_as_they_stand(nexus, token):
    key = nexus.manage("shell", "--no-imports", "-c", PREPARE).strip().splitlines()[-1]
    variables = {"NEXUS_TOKEN": token, "NEXUS_KEY": key, "TOKEN_ID": token[4:16]}
    ran = 0
    for file in sorted((ROOT / "docs" / "guide").glob("*.md")):
        for command in COMMAND.findall(file.read_text().replace(chapters.EXAMPLE, nexus.base)):
            said = shell(command, **variables)
            assert "error" not in said.replace('"errors_', ""), (file.name, command, said)
            assert said == "ok" or json.loads(said), (file.name, command)
            ran += 1
    assert ran >= 10


def test_everybody_finds_the_way_from_an_error_to_its_section(nexus, open_page):
    watched = open_page(viewport={"width": 390, "height": 844})
    page = watched.page
    page.goto("/guide/")
    page.get_by_role("searchbox").fill("not assigned")
    page.keyboard.press("Enter")
    page.locator(".guide-hits a").first.click()
    expect(page).to_have_url(re.compile(r"/guide/troubleshooting/#not-assigned$"))
    expect(page.locator("#not-assigned")).to_be_in_viewport()
    page.goto("/guide/check/")
    page.locator("#text").fill("HTTP/1.1 415 Unsupported Media Type")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="Content type")).to_be_visible()
    assert watched.complaints == []


def test_every_chapter_fits_a_phone_and_works_without_scripts(nexus, open_page):
    watched = open_page(viewport={"width": 320, "height": 700}, java_script_enabled=True)
    for chapter in chapters.every():
        if chapter.slug != "webhooks":
            assert watched.page.goto(chapter.path).status == 200
            assert watched.page.evaluate("document.documentElement.scrollWidth") <= 320, chapter.slug
    assert watched.complaints == []
    plain = open_page(java_script_enabled=False).page
    plain.goto("/guide/clients/claude-code/")
    expect(plain.locator("#set-up-token-1")).to_be_visible()
    expect(plain.locator("[data-copy]").first).to_be_hidden()


def ask(url: str, token: str, body: str) -> None:
    sent = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json", "-d", body]
    subprocess.run(["curl", "-sS", url, *sent], capture_output=True, timeout=20, check=True)


def use(nexus) -> None:
    """Let three services call, one of them something that is not there."""
    for name in ("n8n, production", "GitHub Actions", "Night shift"):
        secret = nexus.manage("issue_token", "admin@example.com", "default", "--name", name, "--days", "14").strip()
        for body in (LIST, CALL, CALL.replace("get_current_time", "time__get_current_time")):
            ask(f"{nexus.base}/hub/mcp", secret, body)


def settle_install(page) -> None:
    page.goto("/install/?client=n8n")
    page.locator("#id_name").fill("n8n, production")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def settle_activity(page) -> None:
    page.goto("/activity/?range=1h")
    expect(page.locator("[data-rows] tr.call").first).to_be_visible()
    page.evaluate("scrollTo(0, 340)")


def settle_check(page) -> None:
    page.goto("/guide/check/")
    page.locator("#text").fill(
        "401 Unauthorized: The token “n8n” (nxs_4fT0aBcD9xYz_…k2Lm) expired on 24 Dec 2026, 12:00 UTC."
    )
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name="Expired")).to_be_visible()


PICTURES = {"install": settle_install, "activity": settle_activity, "check": settle_check}


@pytest.mark.slow
def test_the_pictures_show_what_there_is(nexus, open_page):
    use(nexus)
    is_kept = os.environ.get("NEXUS_PICTURES") == "1"
    folder = IMAGES if is_kept else OUT
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    for scheme in ("light", "dark"):
        page = sign_in(nexus, open_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme))
        for name, settle in PICTURES.items():
            settle(page)
            page.screenshot(path=folder / f"{name}{'-dark' if scheme == 'dark' else ''}.png")
            said[name] = page.evaluate(BONES)
    if is_kept:
        SAID.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    assert said == json.loads(SAID.read_text()), "A page has changed since its picture was made: make pictures"
    assert all(
        markdown.size_of(IMAGES / f"{name}{end}.png") == (1280, 800) for name in PICTURES for end in ("", "-dark")
    )


def test_every_picture_that_is_shown_is_made_here():
    texts = [ROOT / "README.md", *(ROOT / "docs" / "guide").glob("*.md")]
    shown = {name for text in texts for name in re.findall(r"images/([a-z-]+)\.png", text.read_text())}
    assert {name.removesuffix("-dark") for name in shown} <= set(PICTURES)
    assert {path.stem for path in IMAGES.glob("*.png")} == {name + end for name in PICTURES for end in ("", "-dark")}
