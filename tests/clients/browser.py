"""A browser that a person left signed in: opens the address a client gives it, allows, and goes back to the client.

`python browser.py ADDRESS` is what clients start; NEXUS_COOKIE, NEXUS_TOOLKIT and NEXUS_VISITS say who, what and where to
note it. It needs no package, because clients start it in environments of their own.
"""

import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin, urlsplit

PATIENCE = 20  # seconds that a client may take to listen for its answer
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Page:
    """An answer: its forms by the value of a button, what they would send, and where they may lead."""

    url: str
    status: int
    headers: dict[str, str]
    text: str
    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        reader = FormReader(self)
        reader.feed(self.text)
        reader.close()

    @property
    def location(self) -> str:
        return urljoin(self.url, self.headers["location"]) if self.status in REDIRECTS else ""

    def may_lead_to(self, address: str) -> bool:
        """Check the policy's form-action, as Chromium does also for the redirect that answers a form."""
        directives = [part.split() for part in self.headers.get("content-security-policy", "").split(";")]
        sources = next((words[1:] for words in directives if words[:1] == ["form-action"]), None)
        parts, own = urlsplit(address), urlsplit(self.url)
        if sources is None or ("'self'" in sources and parts[:2] == own[:2]):
            return True
        return f"{parts.scheme}://{parts.netloc}" in sources or f"{parts.scheme}:" in sources


class FormReader(HTMLParser):
    """Collects what each form of a page would send."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.fields: dict[str, str] = {}
        self.selected = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        name, value = named.get("name", ""), named.get("value", "")
        if tag == "form":
            self.fields = {}
        elif tag == "input" and named.get("type") == "radio":
            self.page.choices.append(value)
            self.fields |= {name: value} if "checked" in named else {}
        elif tag == "input" and name:
            self.fields[name] = value
        elif tag == "select":
            self.selected = name
        elif tag == "option" and ("selected" in named or self.selected not in self.fields):
            self.fields[self.selected] = value
        elif tag == "button":
            self.page.forms[value] = self.fields | ({name: value} if name else {})


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


class Browser:
    def __init__(self, cookie: str = "") -> None:
        self.cookie = cookie
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _Stay, urllib.request.HTTPCookieProcessor(self.jar)
        )

    def open(self, url: str, form: dict[str, str] | None = None) -> Page:
        """Ask for one page and follow nothing."""
        parts = urlsplit(url)
        request = urllib.request.Request(url, urlencode(form).encode() if form is not None else None)
        if form is not None:
            request.add_header("Origin", f"{parts.scheme}://{parts.netloc}")
        if self.cookie:
            request.add_unredirected_header("Cookie", self.cookie)
        try:
            answer = self.opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            page = Page(url, answer.status, headers, answer.read().decode("utf-8", "replace"))
        self.remember(headers)
        return page

    def remember(self, headers: dict[str, str]) -> None:
        """Keep all cookies in one header: the jar would not mix them with the one that the person brought."""
        known = dict(pair.split("=", 1) for pair in self.cookie.split("; ") if pair)
        known |= {cookie.name: cookie.value or "" for cookie in self.jar}
        self.jar.clear()
        self.cookie = "; ".join(f"{name}={value}" for name, value in known.items())

    def press(self, page: Page, value: str, **changes: str) -> Page:
        answer = self.open(page.url, page.forms[value] | changes)
        assert not answer.location or page.may_lead_to(answer.location), "the page's policy forbids this redirect"
        return answer

    def sign_in(self, link: str) -> None:
        """Use a one-time link of the operator."""
        answer = self.press(self.open(link), "")
        assert answer.status in REDIRECTS, f"{answer.status}: {answer.text}"

    def allow(self, address: str, toolkit: str = "") -> tuple[dict[str, object], str]:
        """Look at the consent page and press Allow; return what it showed, and where that leads."""
        page = self.open(address)
        assert page.status == 200, f"{page.status} {page.location}: {page.text}"
        assert "allow" in page.forms, page.text
        changes = {"toolkit": toolkit} if toolkit and page.choices else {}
        answer = self.press(page, "allow", **changes)
        assert answer.location, f"{answer.status}: {answer.text}"
        return {"asked": address, "choices": page.choices, "toolkit": (page.forms["allow"] | changes)["toolkit"]}, (
            answer.location
        )

    def arrive(self, address: str) -> Page:
        """Go back to the client, which may still be about to listen, and on to wherever it leads."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                page = Browser().open(address)
                break
            except (ConnectionError, urllib.error.URLError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        return Browser().open(page.location) if page.location else page


def main(address: str) -> None:
    browser = Browser(os.environ["NEXUS_COOKIE"])
    visit, location = browser.allow(address, os.environ.get("NEXUS_TOOLKIT", ""))
    with pathlib.Path(os.environ["NEXUS_VISITS"]).open("a") as visits:  # before the client knows, and may end
        visits.write(json.dumps(visit) + "\n")
    page = browser.arrive(location)
    assert page.status == 200, f"the client said {page.status}: {page.text}"


if __name__ == "__main__":
    main(sys.argv[1])
