"""The checker: what a pasted error means, what a request id leads to, and what it does with a secret."""

import json
import logging
import re
import time
from dataclasses import replace
from html import unescape

import pytest
from django.utils import timezone

from activity import lost
from nexus.guide import checking
from nexus.hub import refusals, replies
from tests import cast
from tests.activity.calls import make_call
from tests.security.pages import browser
from tokens import keys, lookup

pytestmark = [pytest.mark.django_db(databases="__all__")]
CHECK = "/guide/check/"


def check(client, text: str):
    return client.post(CHECK, {"text": text})


def sections(answer) -> list[str]:
    return re.findall(r'id="said-([\w-]+)"', answer.content.decode())


def as_seen(reply) -> str:
    """Return an answer of the hub as a program's log has it."""
    headers = "\n".join(f"{name.decode()}: {value.decode()}" for name, value in reply.headers)
    return f"HTTP/1.1 {reply.status}\n{headers}\n\n{reply.body.decode()}"


PASTED = {
    "no-token": as_seen(replies.no_credentials(b"/hub/mcp?profile=work")),
    "unknown-token": as_seen(replies.invalid_token(b"/hub/mcp")),
    "wrong-place": as_seen(replies.bad_credentials("Send the token in the Authorization header, not in the body.")),
    "content-type": "415: Send the header Content-Type: application/json.",
    "too-many-guesses": as_seen(replies.too_many_guesses()),
    "unavailable": as_seen(refusals.nothing_is_known()),
    "not-recorded": as_seen(refusals.not_recorded(may_have_run=False)),
    "too-many": "HTTP 429 Too Many Requests",
    "session": '{"error":{"code":-32001,"message":"This session is not known; initialize again."}}',
    "not-in-the-toolkit": "MCP error -32602: `time__now` is not in toolkit `work`; see tools/list",
    "hub-ended": lost.REASON,
    "server-away": "“Time” cannot be used: it does not answer. It has failed since 12:00; the other servers of the toolkit are not affected.",
    "sign-in-to-the-server": "“Git” is not connected for you. Open https://n.example/x in a browser, sign in there, and try again.",
    "cannot-connect": "TypeError: fetch failed\n  cause: Error: connect ECONNREFUSED 127.0.0.1:8800",
    "certificate": "unable to verify the first certificate",
    "html-instead-of-json": "SyntaxError: Unexpected token '<', \"<!doctype \"... is not valid JSON",
    "empty-variable": "Authorization: Bearer undefined",
    "invalid_grant": '{"error": "invalid_grant", "error_description": "The code was used before."}',
    "origin": "Access to fetch has been blocked by CORS policy",
    "401": "Request failed with status code 401",
    "403": "403 Forbidden",
    "cap-reached": "403 Cap reached: the token “n8n” (nxs_AAAAAAAAAAAA_…abcd) was made for 10 calls of tools",
    "other-toolkit": "The token “n8n” is for the toolkit “work” of the account x; the request names the toolkit “sales”.",
    "address": "The token “x” (nxs_AAAAAAAAAAAA_…abcd) is kept to certain addresses, and 10.0.0.1 is not one of them.",
    "wrong-path": "HTTP/1.1 405 Method Not Allowed",
}


@pytest.mark.parametrize(("anchor", "pasted"), PASTED.items(), ids=PASTED)
def test_a_pasted_error_leads_to_its_section(anchor, pasted, client):
    answer = check(client, pasted)
    assert answer.status_code == 200
    assert sections(answer)[0] == anchor
    assert f"/guide/troubleshooting/#{anchor}" in answer.content.decode()


@pytest.mark.parametrize("refusal", lookup.Refusal)
def test_what_the_hub_says_to_the_holder_of_an_ended_token_is_understood(refusal, alice, work, client):
    issued = cast.make_token(alice, work)
    _, authority = lookup.token_with(issued.key.digest, keys.Kind.DELEGATED)
    now = timezone.now()
    authority = replace(authority, revoked_at=now, toolkit_deleted_at=now)
    reply = refusals.refused(authority, refusal, b"/hub/mcp")
    message = json.loads(reply.body)["error"]["message"]
    challenge = dict(reply.headers)[b"www-authenticate"].decode()
    wanted = refusal.value.replace("_", "-")
    for pasted in (message, f"WWW-Authenticate: {challenge}", as_seen(reply), reply.reason):
        assert checking.sections_for(pasted)[0] == wanted, pasted


@pytest.mark.parametrize("pasted", ["", "   ", "\n"])
def test_nothing_is_not_checked(pasted, client):
    answer = check(client, pasted)
    assert answer.status_code == 422
    assert "Paste something first." in answer.content.decode()


def test_what_is_unknown_is_said_to_be(client):
    assert "Nothing here is known to the guide" in check(client, "it is broken").content.decode()


@pytest.mark.parametrize(
    "pasted", ["<script>alert(1)</script> 401", "\0\0 403", "é" * 30_000, "%s %d {} 415", "token " * 5000]
)
def test_anything_can_be_pasted(pasted, client):
    began = time.perf_counter()
    answer = check(client, pasted)
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content
    assert time.perf_counter() - began < 2


def test_a_token_is_refused_kindly_and_neither_shown_nor_kept(alice, acme, work, caplog):
    issued = cast.make_token(alice, work, "night shift")
    alices = browser(alice)
    with caplog.at_level(logging.DEBUG):
        answer = check(alices, f"401 for Authorization: Bearer {issued.key.text}")
    said = unescape(answer.content.decode())
    assert answer.status_code == 422
    assert issued.key.text not in said + caplog.text
    assert issued.key.text[17:40] not in said + caplog.text
    assert f"/tokens/{issued.token.public_id}/revoke/" in said
    assert "Revoke night shift" in said
    assert f"Bearer nxs_{issued.token.public_id}_…" in said  # what is left can be sent
    assert sections(answer) == []
    assert issued.key.text not in json.dumps(dict(alices.session))


def test_who_may_not_revoke_a_token_is_shown_no_name_of_it(charlie, alice, work, client):
    issued = cast.make_token(alice, work, "night shift")
    for stranger in (client, browser(charlie)):
        answer = check(stranger, issued.key.text)
        assert answer.status_code == 422
        assert "night shift" not in answer.content.decode()
        assert f"/tokens/{issued.token.public_id}/" not in answer.content.decode()


@pytest.mark.parametrize(
    "secret",
    ["nxs_AAAAAAAAAAAA_" + "B" * 20, "nxsa_AAAAAAAAAAAA_" + "B" * 49, "nxso_AAAAAAAAAAAA_" + "B" * 49, "whsec_" + "C3" * 16,
     "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x", "authorization: bearer 0123456789abcdef0123"],
)  # fmt: skip
def test_every_kind_of_secret_is_taken_out(secret, client):
    answer = check(client, f"failed 403 with {secret} in it")
    assert answer.status_code == 422
    assert secret[-16:] not in answer.content.decode()


def test_what_only_looks_like_a_secret_is_checked(client):
    for pasted in (
        "The token “x” (nxs_AAAAAAAAAAAA_…wxyz) was revoked on 1 Jan",
        PASTED["no-token"],
        "Bearer $NEXUS_TOKEN 401",
    ):
        assert check(client, pasted).status_code == 200


def test_a_request_id_leads_to_the_call_and_its_section(alice, acme, work):
    token = cast.make_token(alice, work, "night shift").token
    refused = make_call(token, outcome="refused", reason="paused")
    answer = check(browser(alice), f"x-request-id: {refused.request_id}")
    assert sections(answer) == ["paused"]
    assert f"/activity/calls/{refused.pk}/" in answer.content.decode()
    assert "night shift" in answer.content.decode()


@pytest.mark.parametrize(
    ("outcome", "reason", "anchor"),
    [("tool_error", "the tool reported an error", "tool-failed"), ("upstream_error", "it hangs", "server-away"),
     ("upstream_error", "the server answered with an error", "server-away"),
     ("refused", "not in the toolkit", "not-in-the-toolkit"), ("refused", "names the toolkit “x”", "other-toolkit"),
     ("refused", "from 10.0.0.1", "address"), ("failed", "The body is not valid JSON.", "unreadable")],
)  # fmt: skip
def test_each_outcome_of_a_call_is_explained(outcome, reason, anchor, alice, work):
    call = make_call(cast.make_token(alice, work).token, outcome=outcome, reason=reason)
    assert sections(check(browser(alice), str(call.pk))) == [anchor]


def test_the_page_of_a_refused_call_asks_the_checker(alice, work):
    alices, token = browser(alice), cast.make_token(alice, work).token
    refused = make_call(token, outcome="refused", reason="expired")
    page = alices.get(f"/activity/calls/{refused.pk}/").content.decode()
    assert 'action="/guide/check/"' in page
    assert sections(check(alices, re.search(r'name="text" value="([^"]+)"', page)[1])) == ["expired"]
    fine = make_call(token)
    assert 'action="/guide/check/"' not in alices.get(f"/activity/calls/{fine.pk}/").content.decode()


def test_a_call_that_went_well_is_said_to_have(alice, work):
    call = make_call(cast.make_token(alice, work).token)
    assert "This call was answered" in check(browser(alice), str(call.pk)).content.decode()


def test_the_id_that_a_proxy_gave_is_found_too(alice, acme, work):
    alices = browser(alice)
    alices.post("/settings/account/", {"account": str(acme.pk)})
    make_call(cast.make_token(alice, work).token, outcome="refused", reason="expired", request_id="edge-4711-abc")
    assert sections(check(alices, "edge-4711-abc")) == ["expired"]


def test_a_request_of_others_reads_like_one_that_never_was(charlie, bob, alice, acme, work, client):
    call = make_call(cast.make_token(alice, work, "night shift").token, outcome="refused", reason="expired")
    for person in (browser(charlie), browser(bob)):
        there, nowhere = check(person, str(call.pk)), check(person, "0197f0c0-0000-7000-8000-000000000000")
        assert "night shift" not in there.content.decode()
        assert sections(there) == sections(nowhere) == []
        assert "No call with this id" in there.content.decode()
    assert "Signed in, you see the call" in check(client, str(call.pk)).content.decode()


def test_the_form_holds_to_its_origin_and_its_methods(alice):
    forged = browser(alice, enforce_csrf_checks=True).post(
        CHECK, {"text": "401"}, headers={"origin": "https://evil.example"}
    )
    assert forged.status_code == 403
    for method in ("put", "patch", "delete"):
        assert getattr(browser(alice), method)(CHECK).status_code == 405
