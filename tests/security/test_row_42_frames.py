"""Rows 42 and 46: no page can be framed, none tells where it was, none loads anything from elsewhere."""

import re
import uuid

import pytest

from tests import cast
from tests.security.pages import browser, filled_in, install, register, routes

pytestmark = pytest.mark.django_db(databases="__all__")
LOADS = re.compile(
    r"""<(?:script|link|img|iframe|source|object|embed|video|audio)\b[^>]*?(?:src|href|data)=["']([^"']+)"""
)


@pytest.fixture
def pages(alice, work, admin_user):
    token = cast.make_token(alice, work).token
    application = cast.make_application(alice.personal_account, client_type="confidential", client_id="Desk01234567")
    names = {
        "public_id": token.public_id, "pk": work.pk, "server_pk": work.servers.get().pk, "uuid": uuid.uuid4(),
        "client_id": application.client_id,
    }  # fmt: skip
    alice.is_staff = True
    alice.save(update_fields=["is_staff"])
    staff, stranger = browser(admin_user), browser()
    answers = []
    for path, _ in routes():
        address = filled_in(path, names)
        clients = [browser(alice), stranger, staff]
        answers += [(address, client.get(address)) for client in clients]
    answers += [("install", install(browser(alice), work, name="second")), ("404", stranger.get("/nothing/here/"))]
    answers.append(("registered", register(browser(alice))))
    answers.append(("csrf", browser(alice, enforce_csrf_checks=True).post("/tokens/")))
    answers.append(("admin", staff.get("/admin/tokens/delegatedtoken/")))
    return [(path, answer) for path, answer in answers if answer.get("Content-Type", "").startswith("text/html")]


def test_no_page_can_be_framed(pages):
    assert len(pages) > 50
    for path, answer in pages:
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"], path
        assert answer["X-Frame-Options"] == "DENY", path


@pytest.mark.slow
def test_the_policy_allows_no_inline_script_or_style(pages):
    for path, answer in pages:
        policy = answer["Content-Security-Policy"]
        assert "unsafe-inline" not in policy, path
        assert "unsafe-eval" not in policy, path
        assert "default-src 'self'" in policy, path


@pytest.mark.slow
def test_no_page_sends_a_referrer(pages):
    for path, answer in pages:
        assert answer["Referrer-Policy"] == "no-referrer", path
        assert answer["X-Content-Type-Options"] == "nosniff", path


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(pages):
    for path, answer in pages:
        for address in LOADS.findall(answer.content.decode()):
            assert re.match(r"/(?!/)|data:|#", address), (path, address)


@pytest.mark.slow
def test_links_that_lead_away_carry_no_token(pages):
    for path, answer in pages:
        for address in re.findall(r"""href=["'](https?://[^"']+)""", answer.content.decode()):
            if not address.startswith(("http://localhost", "http://testserver")):
                assert "nxs" not in address, path
