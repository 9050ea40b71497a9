"""What the pages of applications show, run as it stands: in a shell, with the .env file of the page, against a live Nexus."""

import html
import json
import pathlib
import re
import subprocess
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings

from activity.models import Call
from tests.clients.browser import Browser
from tests.clients.signing_in import TOOLS
from tests.security import pages
from tests.tokens.oauth.authorizing import CHALLENGE, VERIFIER
from tokens.models import DelegatedToken

CIVIC = pathlib.Path(__file__).resolve().parents[2] / "build" / "civic" / "bin"
REDIRECT = "http://127.0.0.1:43210/callback"
pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@dataclass
class Shown:
    """The page that shows a secret once."""

    text: str

    def block(self, name: str) -> str:
        found = re.search(rf'<(pre|code) id="{name}"[^>]*>(.*?)</\1>', self.text, re.DOTALL)
        assert found, self.text
        return html.unescape(re.sub(r"<[^>]+>", "", found[2]))

    def run(self, name: str, folder, **environment: str) -> str:
        """Paste a block into a shell that has read the .env file; return what it printed."""
        (folder / "nexus-client.env").write_text(self.block("env"))
        ended = subprocess.run(
            ["/bin/sh"], input=f"set -a; . ./nexus-client.env; set +a\n{self.block(f'snippet-{name}')}", cwd=folder,
            env={"PATH": f"{CIVIC}:/usr/bin:/bin", "HOME": str(folder), **environment}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout


@pytest.fixture
def browser(ready, alice) -> Browser:
    return Browser(f"{settings.SESSION_COOKIE_NAME}={pages.browser(alice).cookies[settings.SESSION_COOKIE_NAME].value}")


@pytest.fixture
def register(ready, browser):
    """Return a function that registers an application on its page, which then shows the secret."""

    def fill_in(**fields: str) -> Shown:
        address = f"{ready.live.base}/applications/new/"
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.open(address).text)
        assert token
        form = {"csrfmiddlewaretoken": token[1], "request_key": str(uuid.uuid4()), **fields}
        answer = browser.open(address, form)
        assert answer.status == 200, answer.text
        return Shown(answer.text)

    return fill_in


def works(ready, secret: str) -> bool:
    listed = ready.live.call(secret).json()["result"]["tools"]
    said = ready.live.tool(secret, "echo__echo", {"text": "hällo"}).json()["result"]["content"][0]["text"]
    return [tool["name"] for tool in listed] == TOOLS and said == "hällo"


def test_client_credentials(ready, register, tmp_path):
    toolkit = DelegatedToken.objects.get().toolkit
    page = register(name="Night report", kind="machine", role="end_user", toolkits=str(toolkit.pk))
    answer = json.loads(page.run("credentials", tmp_path))
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert works(ready, answer["access_token"])
    [call] = Call.objects.filter(method="tools/call")
    assert (call.outcome, call.token_name) == ("ok", "Night report")


@pytest.fixture
def desk(register) -> Shown:
    return register(
        name="Support desk", kind="people", signs_in="on", redirect_uris=REDIRECT, exchanges="on",
        client_type="confidential",
    )  # fmt: skip


@pytest.fixture
def signed_in(ready, browser, desk) -> str:
    """Return the access token of a person who signed in to the application and chose a toolkit."""
    client_id = desk.block("client-id").strip()
    sent = {
        "response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT, "scope": "mcp", "state": "here",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": f"{ready.live.base}/hub/mcp",
    }  # fmt: skip
    address = f"{ready.live.base}/oauth/authorize?{urlencode(sent)}"
    _, location = browser.allow(address, str(DelegatedToken.objects.get().toolkit_id))
    form = {
        "grant_type": "authorization_code", "code": parse_qs(urlsplit(location).query)["code"][0],
        "redirect_uri": REDIRECT, "code_verifier": VERIFIER,
    }  # fmt: skip
    secret = re.search(r"NEXUS_CLIENT_SECRET='(\w+)'", desk.block("env"))
    assert secret
    answer = ready.live.client.post(f"{ready.live.base}/oauth/token", data=form, auth=(client_id, secret[1]))
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@pytest.mark.parametrize("kind", ["session", "delegated"])
def test_token_exchange(ready, desk, signed_in, tmp_path, kind):
    subject = signed_in if kind == "session" else ready.secret
    answer = json.loads(desk.run("exchange", tmp_path, SUBJECT_TOKEN=subject))
    assert answer["token_type"] == "Bearer"
    assert 0 < answer["expires_in"] <= 3600
    assert works(ready, answer["access_token"])
    [call] = Call.objects.filter(method="tools/call")
    assert call.actors == "Support desk"


@pytest.mark.parametrize("kind", ["session", "delegated"])
def test_token_exchange_by_civic_mcp_client(ready, desk, signed_in, tmp_path, kind):
    assert CIVIC.is_dir(), "The client is not there: run `make clients`."
    subject = signed_in if kind == "session" else ready.secret
    printed = desk.run("civic", tmp_path, SUBJECT_TOKEN=subject)
    assert all(f"'{name}'" in printed for name in TOOLS), printed
    assert DelegatedToken.objects.filter(exchanges=1).count() == 1
