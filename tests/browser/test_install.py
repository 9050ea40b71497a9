"""Install in a real browser: from the choice of a client to its first call, and what may go wrong on the way."""

import json
import re
import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OUT, sign_in
from tests.browser.test_first_day import TOKEN, content_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
ANOTHER = "from profiles.models import User; User.objects.create_user('another@example.com')"
REFUSES_TO_COPY = "navigator.clipboard.writeText = () => Promise.reject(new Error('refused'));"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "time__get_current_time", "arguments": {"timezone": "UTC"}}}  # fmt: skip


def ask(url: str, token: str, message: dict, kind: str = "application/json") -> None:
    sent = ["-H", f"Authorization: Bearer {token}", "-H", f"Content-Type: {kind}", "-d", json.dumps(message)]
    subprocess.run(["curl", "-sS", url, *sent], capture_output=True, timeout=20, check=True)


def create(page, client: str, name: str) -> str:
    page.goto(f"/install/?client={client}")
    page.locator("#id_name").fill(name)
    page.get_by_role("button", name=re.compile("^Create token")).click()
    expect(page.get_by_role("heading", name="Copy the token now")).to_be_focused()
    found = TOKEN.search(page.locator("#token").text_content())
    assert found
    return found[0]


def test_from_the_choice_of_a_client_to_its_first_call(nexus, open_page):
    watched = open_page()
    page = sign_in(nexus, watched)
    page.goto("/install/?client=claude-code")
    expect(page.get_by_text("claude mcp login nexus-default")).to_be_visible()
    page.locator("#client-search").fill("n8n")
    page.get_by_label("n8n").check()
    expect(page.get_by_label("With a token")).to_be_checked()  # n8n's own proposal, not Claude Code's
    page.locator("#id_name").fill("robot")
    page.locator("#client-search").fill("codex")
    page.locator("#client-codex").check()
    page.locator("#client-search").fill("")
    expect(page).to_have_url(re.compile("client=codex"))
    page.get_by_label("With a token").check()
    expect(page.locator("#id_name")).to_have_value("robot")  # what was typed stays
    page.get_by_role("button", name=re.compile("^Create token")).click()
    expect(page.get_by_role("heading", name="Copy the token now")).to_be_focused()
    token = TOKEN.search(page.locator("#token").text_content())[0]
    assert token not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, location.href])")
    expect(page.locator("#set-up-1")).to_contain_text("--bearer-token-env-var NEXUS_TOKEN")

    page.get_by_role("button", name="Test this token").click()
    expect(page.locator("[data-verdict]")).to_contain_text("It works.")
    expect(page.locator("[data-verdict]")).to_contain_text("tools in")
    expect(page.locator("[data-arrived]")).to_contain_text("Waiting for a first request")  # a test is no first call

    url = page.locator("[data-try]").get_attribute("data-try")
    ask(url, token, LIST, kind="text/plain")
    expect(page.locator("[data-arrived]")).to_contain_text("did not say that it sends JSON (415)", timeout=3000)
    ask(url, token, LIST)
    expect(page.locator("[data-arrived]")).to_contain_text("Listed the tools", timeout=3000)
    ask(url, token, CALL)
    expect(page.locator("[data-arrived]")).to_contain_text("Called a tool", timeout=3000)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "issued-1440-light.png", full_page=True)
    page.get_by_role("link", name="Done, I have kept it").click()
    page.wait_for_url("**/tokens/**")
    assert token not in content_of(page)
    assert watched.complaints == []


def test_copying_that_is_refused_and_a_line_that_is_down_lose_nothing(nexus, open_page):
    watched = open_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    watched.page.add_init_script(REFUSES_TO_COPY)
    page = sign_in(nexus, watched)
    token = create(page, "lm-studio", "phone")
    page.get_by_role("button", name=re.compile("^Copy token")).click()
    expect(page.get_by_role("button", name=re.compile("^Copy token"))).to_contain_text("Press Ctrl+C")
    assert page.evaluate("getSelection().toString()") == token
    page.get_by_label(re.compile("Put the token into the set-up")).check()
    expect(page.locator("#set-up-1")).to_contain_text(f"Bearer {token}")
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline. Nothing is lost")).to_be_visible()
    page.get_by_role("button", name="Test this token").click()
    expect(page.locator("[data-verdict]")).to_contain_text("Nothing answers at")
    assert page.locator("#token").text_content() == token
    page.context.set_offline(False)
    page.get_by_role("button", name="Test this token").click()
    expect(page.locator("[data-verdict]")).to_contain_text("It works.")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_label(re.compile("Put the token into the set-up")).uncheck()
    assert token not in page.locator("#set-up-1").text_content()


def test_a_session_that_ends_while_somebody_types_loses_nothing_but_the_session(nexus, open_page):
    page = sign_in(nexus, watched := open_page())
    page.goto("/install/?client=curl")
    page.locator("#id_name").fill("half typed")
    page.get_by_label("14 days").check()
    page.context.clear_cookies(name="nexus_session")
    page.get_by_role("button", name=re.compile("^Create token")).click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    sign_in(nexus, watched)
    page.goto("/install/?client=curl")
    expect(page.locator("#id_name")).to_have_value("half typed")
    expect(page.get_by_label("14 days")).to_be_checked()


def type_a_toolkit_and_be_signed_out(page, name, description):
    page.goto("/toolkits/new/")
    page.locator("#id_name").fill(name)
    page.locator("#id_description").fill(description)
    page.context.clear_cookies(name="nexus_session")
    page.get_by_role("button", name="Create the toolkit").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_what_was_typed_is_not_shown_to_whoever_signs_in_next_in_the_same_tab(nexus, open_page):
    page = sign_in(nexus, watched := open_page())
    type_a_toolkit_and_be_signed_out(page, "Mine", "Only for me")
    nexus.manage("shell", "--no-imports", "-c", ANOTHER)
    sign_in(nexus, watched, "another@example.com")
    page.goto("/toolkits/new/")
    expect(page.get_by_text("You were signed out before it was saved")).not_to_be_visible()
    assert page.locator("#id_description").input_value() == ""
    assert page.evaluate("sessionStorage.length") == 0


def test_what_was_typed_elsewhere_is_back_after_signing_in_and_a_second_press_sends_nothing(nexus, open_page):
    page = sign_in(nexus, watched := open_page())
    type_a_toolkit_and_be_signed_out(page, "Half typed", "Kept")
    sign_in(nexus, watched)
    page.goto("/toolkits/new/")
    expect(page.get_by_text("You were signed out before it was saved")).to_be_visible()
    assert [page.locator(field).input_value() for field in ("#id_name", "#id_alias", "#id_description")] == [
        "Half typed", "half-typed", "Kept",
    ]  # fmt: skip
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    page.evaluate(
        "() => { const form = document.querySelector('main form.form'); form.requestSubmit(); form.requestSubmit(); }"
    )
    expect(page.get_by_role("heading", name="Half typed", level=1)).to_be_visible()
    assert len(sent) == 1
    page.go_back()
    page.get_by_role("button", name="Create the toolkit").click()
    expect(page.get_by_text("Another toolkit of this account has this alias.")).to_be_visible()
    page.goto("/toolkits/new/")
    expect(page.locator("#id_name")).to_have_value("")


def test_a_clock_that_is_off_changes_no_moment(nexus, open_page):
    page = sign_in(nexus, open_page())
    page.clock.install(time="2031-05-05T00:00:00Z")
    page.goto("/install/?client=curl")
    page.get_by_label("14 days").check()
    expect(page.locator("[data-moment]")).to_contain_text("in 14 days")
    assert "2031" not in page.locator("[data-moment]").text_content()
    assert "2031" not in page.locator("#live").text_content()


def test_a_token_that_is_pasted_is_judged_in_plain_words(nexus, open_page):
    page = sign_in(nexus, open_page())
    page.goto("/install/?client=curl")
    page.get_by_text("Test a token that you have").click()
    for pasted, says in (
        ("nxs_half", "This is not a whole token"),
        ("Bearer nxs_AAAAAAAAAAAA_" + "A" * 49, "This token is not known here"),
    ):
        page.get_by_label("Token", exact=True).fill(pasted)
        page.get_by_role("button", name="Test this token").click()
        expect(page.locator("[data-verdict]")).to_contain_text(says)


def test_the_page_is_done_in_fifteen_tabs_from_the_keyboard(nexus, open_page):
    page = sign_in(nexus, open_page())
    page.goto("/install/?client=curl")
    page.locator("#id_toolkit").focus()
    pressed = 0
    while page.evaluate("document.activeElement.id") != "id_name":
        page.keyboard.press("Tab")
        pressed += 1
        assert pressed < 15
    page.keyboard.type("keyboard")
    while not page.evaluate("document.activeElement.matches('[data-create]')"):
        page.keyboard.press("Tab")
        pressed += 1
        assert pressed <= 15
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy the token now")).to_be_focused()


def test_without_scripts_a_get_shows_the_set_up_and_a_link_what_has_arrived(nexus, open_page):
    page = sign_in(nexus, open_page(java_script_enabled=False))
    page.goto("/install/?client=cursor")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_role("button", name=re.compile("^Next:"))).to_have_count(0)  # they would do nothing
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("With a token").check()
    page.get_by_role("button", name="Show the set-up for these choices").click()
    expect(page.get_by_role("button", name=re.compile("^Create token"))).to_be_visible()
    assert "csrf" not in page.url
    page.get_by_role("link", name="See what has arrived").click()
    expect(page.get_by_role("heading", name="Has it arrived?")).to_be_visible()


PHONE = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/146.0.0.0 Mobile Safari/537.36",
}  # fmt: skip
SHARES = "navigator.canShare = () => true; navigator.share = ({files}) => (window.shared = files[0].text());"


def open_steps(page):
    return page.evaluate("[...document.querySelectorAll('[data-step][open]')].map(each => each.dataset.step)")


def test_on_a_phone_one_step_follows_the_other_and_a_file_is_shared_after_a_warning(nexus, open_page):
    watched = open_page(**PHONE)
    watched.page.add_init_script(SHARES)
    page = sign_in(nexus, watched)
    page.goto("/install/")
    assert open_steps(page) == ["toolkit"]
    page.get_by_text("Show the MCP URL to a phone").tap()
    expect(page.get_by_role("img", name="QR code of the MCP URL")).to_have_js_property("complete", True)
    assert page.evaluate("document.querySelector('.qr img').naturalWidth") > 0
    page.get_by_role("button", name="Next: the client").tap()
    assert open_steps(page) == ["client"]
    page.locator("#client-search").fill("n8n")
    page.locator("label[for=client-n8n]").tap()
    expect(page.locator("#said-client")).to_have_text("n8n")
    page.get_by_role("button", name="Next: how it signs in").tap()
    page.get_by_role("button", name="Next: set it up").tap()
    assert open_steps(page) == ["set-up"]
    page.get_by_label("14 days").check()
    page.locator("#id_name").fill("shared")
    page.set_viewport_size({"width": 844, "height": 390})  # turned: all are open; and back: the same one
    expect(page.locator("[data-step][open]")).to_have_count(4)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("[data-step][open]")).to_have_count(1)
    assert open_steps(page) == ["set-up"]
    page.locator("[data-create]").tap()
    page.get_by_text("Share the .env file…").tap()
    expect(page.get_by_text("Whoever gets it can call as you")).to_be_visible()
    page.get_by_role("button", name="Share it all the same").tap()
    assert "NEXUS_TOKEN='nxs_" in page.evaluate("window.shared")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert watched.complaints == []
