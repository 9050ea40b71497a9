"""A passkey in a real browser, with the authenticator that Chromium itself offers for tests (CDP, WebAuthn domain)."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in

pytestmark = [
    pytest.mark.browser, pytest.mark.flow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)
]  # fmt: skip
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def watched(open_page):
    """A page in a browser whose device keeps passkeys; its viewport is a phone's."""
    found = open_page(viewport={"width": 390, "height": 844})
    session = found.page.context.new_cdp_session(found.page)
    session.send("WebAuthn.enable")
    found.device = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    found.tell = session.send
    return found


def test_a_passkey_is_made_signs_in_confirms_and_is_removed(nexus, watched):
    page = sign_in(nexus, watched)
    page.goto("/settings/security/")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Phone")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("Keep these codes now")).to_be_visible()

    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/settings/security/")
    watched.tell("WebAuthn.setUserVerified", {"authenticatorId": watched.device, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was confirmed")
    watched.tell("WebAuthn.setUserVerified", {"authenticatorId": watched.device, "isUserVerified": True})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Phone")).to_be_visible()

    page.goto("/accounts/confirm/?next=/settings/email/&full=1")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Change your address")).to_be_visible()
    page.goto("/settings/security/")
    page.get_by_role("link", name="Remove Phone").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("Do you still trust what was made before?")).to_be_visible()
    assert watched.complaints == []
