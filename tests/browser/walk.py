"""One walk over every page of a portal in which much has happened: what it meets, tests then judge."""

import gzip
import json
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from playwright.sync_api import Page, Response

from tests.bench.installation import ROOT, Installation
from tests.browser.conftest import OUT

AXE = ROOT / "build/clients/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is the same on every page is looked at once.
FRAME = [".rail", ".top"]
WIDE = {"width": 1440, "height": 900}
FAULTS = """async ([rules, except]) => {
  const found = await axe.run({exclude: except.filter(each => document.querySelector(each)).map(each => [each])},
                              {resultTypes: ['violations'], runOnly: rules});
  return found.violations.flatMap(({id, nodes}) => nodes.map(({target, html}) => `${id} ${target} ${html}`));
}"""
SHIFT = """() => new Promise(done => {
  const seen = [];
  new PerformanceObserver(list => seen.push(...list.getEntries())).observe({type: 'layout-shift', buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => done(seen.reduce((sum, each) => sum + each.value, 0))));
})"""
CONSENT = "/oauth/authorize?" + urlencode(
    {"response_type": "code", "client_id": "Desk01234567", "redirect_uri": "http://127.0.0.1/callback", "state": "s",
     "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
)  # fmt: skip
PAGES = {
    "dashboard": "/", "install": "/install/?client=n8n", "toolkits": "/toolkits/", "toolkit-new": "/toolkits/new/",
    "servers": "/servers/", "server-add": "/servers/add/", "tokens": "/tokens/", "tokens-none": "/tokens/?text=zzzz",
    "tokens-wrong": "/tokens/?state=wrong", "connections": "/tokens/applications/", "authorizations": "/authorizations/",
    "activity": "/activity/", "events": "/activity/events/", "applications": "/applications/",
    "application-new": "/applications/new/", "members": "/members/",
    "settings": "/settings/", "security": "/settings/security/",
    "notifications": "/settings/notifications/", "keys": "/settings/keys/",
    "key-new": "/settings/keys/new/", "policies": "/settings/policies/", "webhooks": "/settings/webhooks/",
    "mail": "/settings/mail/", "guide": "/guide/", "design": "/guide/design/",
    "api": "/api/v1/docs", "consent": CONSENT, "confirm": "/accounts/confirm/", "missing": "/nothing/", "admin": "/admin/",
    "admin-tokens": "/admin/tokens/delegatedtoken/", "admin-server-add": "/admin/profiles/server/add/",
}  # fmt: skip
# To be looked at by whoever changed how a page looks.
PICTURED = (
    "dashboard-",
    "install-",
    "toolkit-",
    "servers-",
    "tokens-1",
    "tokens-3",
    "token-n8n",
    "activity-",
    "members-",
    "settings-",
    "admin-tokens",
    "design-",
    "login-",
)
SIGNED_OUT = {"login": "/accounts/login/", "reset": "/accounts/password/reset/"}


@dataclass
class Walk:
    """What was met, by the name of the page."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    dim: dict[str, list[str]] = field(default_factory=dict)
    wide: dict[str, int] = field(default_factory=dict)
    shifts: dict[str, float] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, int] = field(default_factory=dict)
    headings: dict[str, int] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    def take(self, page: Page, name: str, path: str) -> None:
        """Open one page, and look at it."""
        with self.weighed(page, name):
            answer = page.goto(path)
        assert answer
        assert answer.status < 500, path
        self.shifts[name] = page.evaluate(SHIFT)
        self.look(page, name, FRAME if name != "dashboard" else [])

    def look(self, page: Page, name: str, except_: list[str]) -> None:
        """Look at what is open: wide and light, wide and dark, and on 320 pixels, which is 400 % of 1280."""
        self.headings[name] = page.locator("h1").count()
        self.regions[name] = page.locator("[data-announcements][aria-live=polite]").count()
        self.picture(page, f"{name}-1440-light")
        page.evaluate(AXE.read_text())
        page.evaluate("scrollTo(0, 0)")
        self.faults[name] = page.evaluate(FAULTS, [RULES, except_])
        page.emulate_media(color_scheme="dark")
        self.dim[name] = page.evaluate(FAULTS, [["color-contrast"], except_])
        page.set_viewport_size({"width": 320, "height": 640})
        self.wide[name] = page.evaluate("document.documentElement.scrollWidth")
        self.picture(page, f"{name}-320-dark")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(WIDE)

    def take_states(self, page: Page) -> None:
        """Look at what no address shows: a form with errors, a token that was just made, menus that are open."""
        page.goto("/toolkits/new/")
        page.locator("#id_name").fill("Wrong")
        page.locator("#id_alias").fill("Not an alias")
        page.get_by_role("button", name="Create the toolkit").click()
        self.look(page, "toolkit-wrong", FRAME)
        page.goto("/install/?client=curl")
        page.locator("#id_name").fill("walk")
        page.locator("[data-create]").click()
        page.locator("#token").wait_for()
        self.look(page, "issued", FRAME)
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto("/settings/webhooks/")
        page.locator(".settings-menu > summary").click()
        page.evaluate("document.querySelectorAll('.top details').forEach(each => { each.open = true; })")
        page.evaluate(AXE.read_text())
        self.faults["menus"] = page.evaluate(FAULTS, [RULES, []])
        self.wide["menus"] = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size(WIDE)

    def picture(self, page: Page, name: str) -> None:
        if name.startswith(PICTURED):
            page.screenshot(path=OUT / f"{name}.png", full_page=True)

    @contextmanager
    def weighed(self, page: Page, name: str) -> Iterator[None]:
        """Add up what the page loads of styles and scripts, compressed."""
        answers: list[Response] = []

        def note(answer: Response) -> None:
            answers.append(answer)

        page.on("response", note)
        yield
        page.remove_listener("response", note)
        self.foreign += [each.url for each in answers if not each.url.startswith(("http://localhost:", "data:"))]
        for kind, sums in (("stylesheet", self.styles), ("script", self.scripts)):
            sums[name] = sum(compressed(each) for each in answers if each.request.resource_type == kind)


def compressed(answer: Response) -> int:
    return len(gzip.compress(answer.body()))


def populate(nexus: Installation) -> dict[str, str]:
    """Fill the installation, and return the addresses of what is in it now."""
    said = nexus.manage("shell", "-v0", "-c", "from tests.browser.populated import main; main()")
    made: dict[str, str] = json.loads(said.partition("POPULATED ")[2])
    return {name.lower().replace(" ", "-"): path for name, path in made.items()}


def prepare_folder() -> pathlib.Path:
    OUT.mkdir(parents=True, exist_ok=True)
    return OUT
