"""Rows 31 and 32: what is for who manages an account is refused to others; of many, each has its own result."""

import pytest

from tests import cast, rest
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def test_a_plain_member_revokes_nobody_elses_and_manages_nothing(alice, bob, acme, work):
    token = cast.make_token(alice, work).token
    ask = rest.person(bob, acme)
    assert ask("post", f"tokens/{token.public_id}/revoke", {}).status_code == 404
    wishes = [
        ("patch", f"policies/{acme.pk}", {"max_life_days": 1}), ("get", "policies", None),
        ("patch", f"profiles/{work.pk}", {"name": "Mine"}), ("delete", f"profiles/{work.pk}", None),
        ("post", "profiles", {"alias": "x", "name": "X"}), ("post", f"accounts/{acme.pk}/pause", None),
        ("post", "applications", {"kind": "people", "name": "x", "exchanges": True}),
        ("post", "webhooks", {"url": "http://127.0.0.1:9/", "kinds": ["token.revoked"]}),
        ("post", "invitations", {"email": "x@example.com", "role": "member"}),
    ]  # fmt: skip
    for method, path, body in wishes:
        answer = ask(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), path
    token.refresh_from_db()
    assert token.revoked_at is None


def test_an_admin_reads_no_secret_of_others_and_is_named_where_they_act(alice, bob, acme, work):
    issued = cast.make_token(bob, work)
    ask = rest.person(alice, acme)
    for path in (f"tokens/{issued.token.public_id}", "tokens", "activity/events"):
        text = ask("get", path).content.decode()
        assert issued.key.text[20:40] not in text
        assert issued.key.digest not in text
    assert ask("post", f"tokens/{issued.token.public_id}/rotate", {}).status_code == 404


def test_of_many_tokens_each_has_its_result_and_anothers_is_left_alone(bob, charlie, acme, work):
    own, ended = cast.make_token(bob, work).token, cast.make_token(bob, work, "old").token
    ended.revoke(by=cast.OPERATOR, reason="other", now=ended.issued_at)
    beta = cast.make_account("Beta", owner=charlie)
    foreign = cast.make_token(charlie, cast.make_toolkit(beta, "beta", cast.make_server("b"), allowed=["echo"])).token
    ids = [own.public_id, foreign.public_id, ended.public_id, "aaaaaaaaaaaa", own.public_id]
    answer = rest.person(bob, acme)("post", "tokens/revoke", {"ids": ids, "reason": "leaked"})
    results = {row["id"]: row["result"] for row in answer.json()["results"]}
    assert results == {
        own.public_id: "revoked", foreign.public_id: "not_found", ended.public_id: "ended_before",
        "aaaaaaaaaaaa": "not_found",
    }  # fmt: skip
    assert DelegatedToken.objects.get(pk=foreign.pk).revoked_at is None


@pytest.mark.parametrize("ids", [[], ["x"] * 201, "nxs", [{}], None])
def test_a_list_that_is_none_revokes_nothing(bob, acme, work, ids):
    token = cast.make_token(bob, work).token
    assert rest.person(bob, acme)("post", "tokens/revoke", {"ids": ids}).status_code == 400
    token.refresh_from_db()
    assert token.revoked_at is None
