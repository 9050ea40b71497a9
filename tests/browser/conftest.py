import pathlib
import re
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.bench.installation import Installation
from tests.prepared import prepare

OUT = pathlib.Path(__file__).resolve().parents[1] / "screenshots" / "out"
CHROMIUM = {
    "executable_path": "/usr/bin/chromium", "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
}  # fmt: skip
# For `manage.py shell`: every access token has ended.
AN_HOUR_LATER = """
from tokens.models import AccessToken, Authority, Connection
AccessToken.objects.update(expires="2026-01-01T00:00Z")
Authority.objects.advance("connection", Connection.objects.values_list("pk", flat=True))
"""


@dataclass
class Watched:
    """A page, and all that a strict person would complain of: errors, refusals of the policy, foreign requests."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.page.on("console", self.note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self.note_request)

    def note_console(self, message):
        expected = "Failed to load resource" in message.text  # a form with errors is a 422, by design
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def note_request(self, request):
        if not request.url.startswith((self.base, "data:", "blob:", "about:")):
            self.complaints.append(f"{self.page.url} asked {request.url}")


@pytest.fixture(scope="module")
def nexus(tmp_path_factory):
    """The embedded run, for real, on SQLite in a folder of its own."""
    installation = Installation(tmp_path_factory.mktemp("first-day"), {})
    prepare(installation.folder / "var")
    installation.start()
    yield installation
    installation.stop()


@pytest.fixture(scope="module")
def chromium():
    """Playwright keeps an event loop running in this thread; the tests after these must not find it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, nexus):
    """Return a function that opens a browser of its own, watched."""
    opened = []

    def open_one(**options) -> Watched:
        context = chromium.new_context(
            **{"viewport": {"width": 1440, "height": 900}, "base_url": nexus.base, **options}
        )
        opened.append(context)
        return Watched(context.new_page(), nexus.base)

    yield open_one
    for context in opened:
        context.close()


def sign_in(nexus, watched: Watched, email: str = "admin@example.com") -> Page:
    link = nexus.manage("sign_in_link", email)
    watched.page.goto(link)
    watched.page.get_by_role("button", name=re.compile("Sign in")).click()
    watched.page.wait_for_url(nexus.base + "/")
    return watched.page
