"""Requests for authorization, as clients send them."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk-and-more"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
HUB = f"{settings.NEXUS_BASE_URL}/hub/mcp"
LOOPBACK = "http://127.0.0.1:43210/callback"


def request_of(application, **changes) -> dict[str, object]:
    """Return what a client sends; a parameter that is changed to None is left out."""
    sent = {
        "response_type": "code", "client_id": application.client_id, "redirect_uri": LOOPBACK, "state": "xyz/1+2",
        "scope": "mcp", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": HUB,
    } | changes  # fmt: skip
    return {name: value for name, value in sent.items() if value is not None}


def address_of(application, path="/oauth/authorize", **changes) -> str:
    return f"{path}?{urlencode(request_of(application, **changes), doseq=True)}"


def resource_of(toolkit) -> str:
    return toolkit.mcp_url


def answer_in(response) -> dict[str, str]:
    """Return what a redirect tells the client, each parameter once."""
    assert response.status_code == 303, (response.status_code, response.content[-2000:])
    found = parse_qs(urlsplit(response["Location"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def allow(browser, address: str, toolkit, days="7", **fields):
    """Press Allow on the page of this address."""
    return browser.post(address, {"decision": "allow", "toolkit": str(toolkit.pk), "days": days} | fields)
