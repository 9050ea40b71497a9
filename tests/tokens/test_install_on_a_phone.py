"""Install on a phone: one step at a time, the page for the computer, and the MCP URL as a picture."""

import re

import pytest

from tests import cast
from tests.tokens.conftest import browser_of
from tokens import qr

PHONE = "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/146.0.0.0 Mobile Safari/537.36"
STEP = re.compile(r'<details class="card step" data-step="([a-z-]+)"( name="step")?( open)?>')


def steps(answer):
    """Return, of each step, its name, whether it is one of those of which one is open, and whether it is."""
    return [(name, bool(folds), bool(is_open)) for name, folds, is_open in STEP.findall(answer.content.decode())]


def open_ones(answer):
    assert all(folds for _, folds, _ in steps(answer))
    return [name for name, _, is_open in steps(answer) if is_open]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("", "toolkit"),
        ("?profile=work", "client"),
        ("?profile=work&client=curl", "set-up"),
        ("?client=cursor", "set-up"),
    ],
)
def test_a_phone_gets_one_step_at_a_time_without_a_script(as_alice, work, query, first):
    assert open_ones(as_alice.get(f"/install/{query}", HTTP_USER_AGENT=PHONE)) == [first]


def test_errors_and_what_was_confirmed_open_the_last_step(as_alice, work):
    answer = as_alice.post("/install/", {"toolkit": str(work.pk), "name": "", "client": "curl"}, HTTP_USER_AGENT=PHONE)
    assert answer.status_code == 422
    assert open_ones(answer) == ["set-up"]


@pytest.mark.parametrize(
    ("headers", "is_phone"),
    [
        ({"HTTP_SEC_CH_UA_MOBILE": "?1"}, True),
        ({"HTTP_SEC_CH_UA_MOBILE": "?0", "HTTP_USER_AGENT": PHONE}, False),
        ({}, False),
    ],
)
def test_all_others_get_every_step_open(as_alice, work, headers, is_phone):
    found = steps(as_alice.get("/install/?client=curl", **headers))
    assert [name for name, *_ in found] == ["toolkit", "client", "ways", "set-up"]
    assert all(is_open for _, _, is_open in found) is not is_phone


def test_a_client_of_the_computer_is_offered_to_be_set_up_there(as_alice, work):
    page = as_alice.get("/install/?client=claude-code").content.decode()
    assert "Claude Code runs on a computer." in page
    assert "mailto:alice@example.com?subject=Set%20up%20Claude%20Code%20with%20Work" in page
    assert "profile%3Dwork%26client%3Dclaude-code" in page
    assert "runs on a computer" not in as_alice.get("/install/?client=n8n").content.decode()


def test_the_mail_carries_hostile_names_as_text(as_alice, acme):
    server = cast.make_server("other")
    cast.make_toolkit(acme, "odd", server, ["echo"], name='A&body=evil"\r\n<b>')
    page = as_alice.get("/install/?client=claude-code&profile=odd").content.decode()
    assert "A%26body%3Devil%22%0D%0A%3Cb%3E" in page
    assert "<b>" not in page


def test_the_code_holds_the_url_and_nothing_else(as_alice, as_bob, work):
    answer = as_alice.get(f"/install/{work.pk}/qr.svg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert answer.content == qr.drawn(work.mcp_url)
    assert b"<script" not in answer.content
    assert answer["Cache-Control"] == "no-store"
    assert as_bob.get(f"/install/{work.pk}/qr.svg").content == answer.content


def test_a_stranger_another_method_and_no_toolkit_get_no_code(as_charlie, as_alice, client, work):
    assert as_charlie.get(f"/install/{work.pk}/qr.svg").status_code == 404
    assert as_alice.post(f"/install/{work.pk}/qr.svg").status_code == 405
    assert as_alice.get("/install/1/qr.svg").status_code == 404
    assert client.get(f"/install/{work.pk}/qr.svg").status_code == 302


@pytest.mark.django_db(databases="__all__")
def test_no_page_draws_a_token(alice, acme, work):
    form = {"toolkit": str(work.pk), "name": "n8n", "life": "7", "request_key": "0b6e9a0e-6a2a-4c7e-9f4b-0f4d8f6f1a11"}
    page = browser_of(alice, acme).post("/install/", form).content.decode()
    assert "qr.svg" not in page
    assert "data-can-share hidden" in page
