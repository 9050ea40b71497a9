"""Whether everybody can use the portal: WCAG 2.2 AA on every page, by keyboard, without scripts, on any screen."""

import re

import pytest
from playwright.sync_api import expect

from tests.bench.pages import signed_in
from tests.browser.conftest import sign_in
from tests.browser.walk import PAGES, SIGNED_OUT, WIDE, Walk, populate, prepare_folder
from tests.lighthouse import ACCESSIBILITY, BEST_PRACTICES, look_at

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
STYLES, SCRIPTS, SHIFT = 40 * 1024, 35 * 1024, 0.05  # compressed bytes; cumulative layout shift
SPACED = "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"
HERE = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), look = getComputedStyle(at);
  const met = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 10));
  const marked = [at, at.closest('.stat, .card, .choice, .client, label')].some(each => each && getComputedStyle(each).outlineStyle !== 'none');
  return {name: (at.innerText || at.ariaLabel || at.id || at.name || at.tagName).trim(), marked,
          covered: !met || !(at.contains(met) || met.contains(at) || met.closest('label')), body: at === document.body,
          order: [...document.querySelectorAll('*')].indexOf(at)};
}"""


@pytest.fixture(scope="module")
def addresses(nexus):
    return populate(nexus)


@pytest.fixture(scope="module")
def at_acme(nexus, chromium, addresses):
    """The cookies of the first person, who looks at Acme."""
    context = chromium.new_context(base_url=nexus.base)
    page = sign_in(nexus, type("Opened", (), {"page": context.new_page()}))
    page.locator(".rail .switcher > summary").click()
    page.locator(".rail .switcher-list button", has_text="Acme Research").click()
    expect(page.locator(".rail .switcher > summary")).to_contain_text("Acme Research")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="module")
def walk(nexus, chromium, at_acme, addresses):
    """Every page was looked at; axe is put in past the policy, which has tests of its own."""
    prepare_folder()
    found = Walk()
    for state, pages in ((at_acme, PAGES | in_states(addresses)), (None, SIGNED_OUT)):
        context = chromium.new_context(
            base_url=nexus.base, storage_state=state, bypass_csp=True, reduced_motion="reduce", viewport=WIDE
        )
        page = context.new_page()
        for name, path in pages.items():
            found.take(page, name, path)
        if state:
            found.take_states(page)
        context.close()
    return found


@pytest.fixture
def page_at_acme(open_page, at_acme):
    return lambda **options: open_page(storage_state=at_acme, **options)


def in_states(addresses: dict) -> dict:
    """Leave out what differs in nothing but its words."""
    same = ("token-nightly", "token-github", "token-last-week", "server-sign-in", "organization", "toolkit-edit")
    return {name: path for name, path in addresses.items() if not name.startswith(same)}


def of_portal(found: dict) -> dict:
    """Leave out the admin, where Django's own scripts run, and open its sidebar."""
    return {name: value for name, value in found.items() if not name.startswith("admin")}


def bad(found: dict) -> dict:
    return {name: value for name, value in found.items() if value}


def test_lighthouse_gives_install_all_points_for_accessibility_and_best_practices(nexus, addresses):
    """`make bench` asks it of other pages too, and how fast they are on a slow phone."""
    with signed_in(nexus) as client:
        (found,) = look_at([f"{nexus.base}/install/?client=n8n"], client, [ACCESSIBILITY, BEST_PRACTICES])
    assert found["scores"] == {ACCESSIBILITY: 100, BEST_PRACTICES: 100}, found


def test_axe_finds_no_fault_on_any_page(walk):
    assert bad(walk.faults) == {}


def test_colours_stand_out_in_the_dark_too(walk):
    assert bad(walk.dim) == {}


def test_no_page_scrolls_sideways_on_320_pixels(walk):
    assert {name: width for name, width in walk.wide.items() if width > 320} == {}


def test_styles_and_scripts_of_every_page_keep_to_their_budget(walk):
    assert {name: size for name, size in walk.styles.items() if size > STYLES} == {}
    assert {name: size for name, size in of_portal(walk.scripts).items() if size > SCRIPTS} == {}


def test_nothing_moves_while_a_page_loads(walk):
    assert {name: shift for name, shift in of_portal(walk.shifts).items() if shift > SHIFT} == {}


def test_no_page_asks_anybody_else(walk):
    assert walk.foreign == []


def test_every_page_has_one_heading_and_one_polite_region(walk):
    assert {name: number for name, number in walk.headings.items() if number != 1} == {}
    assert {name: number for name, number in of_portal(walk.regions).items() if number != 1} == {}


@pytest.mark.parametrize(("width", "path"), [(1440, "/"), (390, "/tokens/"), (1440, "/settings/")])
def test_the_keyboard_goes_through_a_page_in_its_order_and_is_always_seen(page_at_acme, width, path):
    watched = page_at_acme(viewport={"width": width, "height": 800})
    page = watched.page
    page.goto(path)
    page.keyboard.press("Tab")
    assert page.evaluate(HERE)["name"] == "Skip to content"
    last, steps = -1, 0
    while not (here := page.evaluate(HERE))["body"] and steps < 120:
        assert here["order"] > last, here
        assert here["marked"], here
        assert not here["covered"], here
        last, steps = here["order"], steps + 1
        page.keyboard.press("Tab")
    assert steps > 20
    assert watched.complaints == []


def test_skipping_leads_past_the_navigation(page_at_acme):
    page = page_at_acme().page
    page.goto("/toolkits/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_what_happens_without_a_new_page_is_said(page_at_acme, addresses):
    page = page_at_acme().page
    page.goto(addresses["toolkit"])
    said = page.locator("[data-announcements]")
    page.locator("#tool-filter").fill("get_")
    expect(said).to_have_text(re.compile(r"\d+ shown"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy MCP URL").click()
    expect(said).to_contain_text("Copied")
    page.locator(".rail [data-theme-switch]").click()
    expect(said).to_contain_text("theme")


def test_nothing_moves_for_who_asked_for_less_motion(page_at_acme):
    page = page_at_acme(reduced_motion="reduce").page
    for path in ("/", "/install/?client=curl"):
        page.goto(path)
        page.locator(".button").first.hover()
        assert page.evaluate("document.getAnimations().length") == 0


def test_forced_colours_keep_every_border_and_mark(page_at_acme):
    page = page_at_acme(forced_colors="active").page
    page.goto("/tokens/")
    borders = page.evaluate(
        "[...document.querySelectorAll('.badge, .page-head .button, .card')].map(each => getComputedStyle(each).borderTopWidth)"
    )
    assert borders
    assert set(borders) == {"1px"}
    assert page.locator(".rail .nav a[aria-current]").evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_wider_text_is_neither_cut_nor_pushed_out(page_at_acme, addresses):
    page = page_at_acme(viewport={"width": 320, "height": 640}, bypass_csp=True).page
    for path in ("/", "/tokens/", "/install/?client=curl", addresses["toolkit"]):
        page.goto(path)
        page.add_style_tag(content=SPACED)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path


def test_the_portal_is_used_on_a_phone_without_scripts(page_at_acme):
    watched = page_at_acme(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = watched.page
    page.goto("/")
    page.locator(".top summary").first.click()
    page.locator(".top").get_by_role("link", name="Tokens", exact=True).click()
    expect(page.get_by_role("heading", name="Tokens", level=1)).to_be_visible()
    page.get_by_role("searchbox").fill("nightly")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/servers/")
    page.get_by_role("searchbox").fill("issues")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.goto("/settings/webhooks/")
    page.locator(".settings-menu summary").click()
    page.locator(".settings-menu").get_by_role("link", name="Policies").click()
    expect(page.get_by_role("heading", name="Policies", level=1)).to_be_visible()
    assert page.locator("[data-needs-script]:visible").count() == 0
