"""A real client and a real browser: the official Python client opens Chromium, where a person chooses, allows and revokes."""

import pathlib
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OUT, sign_in
from tests.clients.signing_in import Desk
from tests.upstreams import running_sdk_server

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "clients" / "sign_in_mcp.py"
pytestmark = [
    pytest.mark.browser, pytest.mark.flow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)
]  # fmt: skip


@pytest.fixture
def desk(nexus, tmp_path):
    with running_sdk_server() as url:
        nexus.manage("add_server", "echo", url, "--toolkit", "default")
        yield Desk(tmp_path)


def allow(page, desk, name: str) -> None:
    page.goto(desk.address())
    expect(page.get_by_role("heading", name="Let mcp use your tools?")).to_be_visible()
    page.get_by_label("Default").check()
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"{name}.png", full_page=True)
    page.get_by_role("button", name="Allow").click()


def test_a_client_is_allowed_used_revoked_and_allowed_again(nexus, open_page, desk):
    watched = open_page()
    page = sign_in(nexus, watched)
    with desk.starts(sys.executable, "-I", SCRIPT, f"{nexus.base}/hub/mcp") as client:
        allow(page, desk, "sign-in-first")
        used = client.says()
        assert {"echo__echo", "echo__fail", "nexus_status"} <= set(used["tools"])
        assert (used["said"], used["failed"]) == ("hällo", True)
        assert client.told("an hour later") == used  # by refresh: nothing is opened
        assert not desk.address_file.exists()

        page.goto("/tokens/applications/")
        page.get_by_role("link", name="mcp").first.click()
        page.get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke now").click()
        expect(page.get_by_text("can no longer use").first).to_be_visible()
        client.tell("go on")
        allow(page, desk, "sign-in-again")
        assert client.says() == used
    assert [complaint for complaint in watched.complaints if "asked http://127.0.0.1:" not in complaint] == []
