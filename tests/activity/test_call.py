"""The page of one call: all that is kept of it, and what can be done about its token."""

import re
import uuid

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast
from tests.activity.calls import make_call
from tests.activity.test_activity import HOSTILE

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production").token


def test_it_shows_all_that_is_kept(at_acme, token):
    call = make_call(
        token, client_name="claude-code", client_version="2.1", address="10.0.0.7", server="echo", application="Desk",
        user_agent="Claude/2.1", protocol="2025-11-25", hub_ms=1.25, upstream_ms=40.5, bytes_in=1234, bytes_out=99,
        arguments='{"text": "hi"}', result="sha256:abc", outcome="tool_error", reason="Because of this.",
    )  # fmt: skip
    page = at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    for text in (
        "echo__echo", "n8n production", "claude-code 2.1", "10.0.0.7", "Claude/2.1", "2025-11-25", "(legacy)", "Desk",
        "1,234 in, 99 out", "1.2 ms in the hub, 40.5 ms at the server", call.request_id, "alice@example.com",
        f"nxs_{token.public_id}_…", f'data-copy="request-{call.pk}"', "Because of this.", "Tool error", "sha256:abc",
        "{&quot;text&quot;: &quot;hi&quot;}", str(call.pk),
    ):  # fmt: skip
        assert text in page, text


def test_the_tokens_replacement_and_end_are_at_hand(at_acme, token):
    call = make_call(token)
    path = f"/tokens/{token.public_id}/"
    for link in (path, f"{path}replace/", f"{path}revoke/", f"/activity/?token={token.public_id}"):
        assert f'href="{link}"' in at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    page = at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    assert f'href="{path}revoke/"' not in page
    assert "Revoked" in page


def test_a_call_outlives_its_token(at_acme, token):
    call = make_call(token, token_public_id="goneGoneGone", token_name="gone")
    page = at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    assert "no longer kept" in page
    assert 'href="/tokens/goneGoneGone/' not in page


def test_who_acts_is_said(at_acme, token):
    call = make_call(token, actors="CRM <sync> ← Claude Code")
    page = at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    assert "<dt>Who acts</dt><dd><bdi>CRM &lt;sync&gt; ← Claude Code" in page


def test_strangers_and_other_members_do_not_find_it(as_charlie, as_bob, client, token):
    call = make_call(token)
    for browser in (as_charlie, as_bob):
        assert browser.get(f"/activity/calls/{call.pk}/").status_code == 404
        assert browser.get(f"/activity/calls/{uuid.uuid4()}/").status_code == 404
    assert client.get(f"/activity/calls/{call.pk}/").status_code == 302


def test_it_only_shows(at_acme, token):
    assert at_acme.post(f"/activity/calls/{make_call(token).pk}/").status_code == 405


HELD = [field.name for field in Call._meta.fields if field.get_internal_type() in ("CharField", "TextField")]


def test_hostile_text_is_inert(at_acme, token):
    kept = {name: HOSTILE[: Call._meta.get_field(name).max_length or 5000] for name in HELD}
    call = make_call(token, **kept | {"outcome": "failed", "token_kind": "nxs", "token_public_id": "x" * 12})
    page = at_acme.get(f"/activity/calls/{call.pk}/").content.decode()
    assert "<img src=x" not in page
    assert not re.search("[\u202e\u200b\x07]", page)
    assert page.count("\\u{202e}txt.exe\\u{7}\\u{200b}") >= 8
