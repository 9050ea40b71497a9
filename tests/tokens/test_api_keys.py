from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests import cast
from tokens import keys
from tokens.models import ManagementKey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.tokens.api_with_keys")]


def ask(secret, path="/things", method="GET", **headers):
    headers["authorization"] = f"Bearer {secret}"
    return Client().generic(method, path, headers=headers)


def test_a_key_acts_for_its_owner_in_its_account(alice, acme):
    key, secret = cast.make_key(alice, acme)
    assert ask(secret).json() == {
        "user": "alice@example.com", "account": "Acme", "actor": f"alice@example.com by key {key}", "kind": "token",
    }  # fmt: skip


def test_a_key_needs_the_scope_for_what_it_does(alice, acme):
    _, reads = cast.make_key(alice, acme)
    _, issues = cast.make_key(alice, acme, ["tokens:issue"], "CI")
    allowed = [
        [ask(secret, method=method).status_code for method in ("GET", "POST", "DELETE")] for secret in (reads, issues)
    ]
    assert allowed == [[200, 403, 403], [403, 200, 403]]
    refused = ask(reads, method="POST")
    assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="insufficient_scope", scope="tokens:issue"'
    assert "tokens:issue" in refused.json()["detail"]


def test_a_key_can_do_no_more_than_its_owner_now(alice, acme):
    bob = cast.make_user("Ben")
    member = acme.add_member(bob, "admin", by=cast.OPERATOR, now=timezone.now())
    _, secret = cast.make_key(bob, acme, ["tokens:write"])
    assert ask(secret, method="DELETE").status_code == 200
    ManagementKey.objects.update(scopes=["members:write"])
    assert ask(secret, method="DELETE").status_code == 403
    member.remove(by=cast.OPERATOR, now=timezone.now())
    assert ask(secret, "/me").status_code == 401


def test_an_address_that_declares_nothing_is_closed_to_keys(alice, acme):
    _, secret = cast.make_key(alice, acme)
    assert [ask(secret, "/undeclared").status_code, ask(secret, "/me").status_code] == [403, 200]
    assert ask(secret, "/me", method="POST").status_code == 403


def test_what_is_no_living_key_is_refused_and_told_no_more_than_it_may_know(alice, acme):
    key, secret = cast.make_key(alice, acme)
    key.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    ended = ask(secret)
    assert (ended.status_code, key.public_id in ended.json()["detail"]) == (401, True)
    unknown = [ask(text) for text in (keys.make(keys.Kind.MANAGEMENT, key.public_id).text, "nonsense", "")]
    told = {answer.json()["detail"] for answer in unknown}
    assert ([answer.status_code for answer in unknown], len(told)) == ([401, 401, 401], 1)
    assert ended["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_a_delegated_token_is_no_key(alice, work):
    assert ask(cast.make_token(alice, work).key.text).status_code == 403


def test_a_key_is_refused_from_the_moment_it_ends(alice, acme):
    long_ago = timezone.now() - timedelta(days=31)
    _, secret = cast.make_key(alice, acme, now=long_ago, life=timedelta(days=31, seconds=-1))
    assert ask(secret).status_code == 401


def test_a_key_is_refused_from_another_address(alice, acme):
    _, secret = cast.make_key(alice, acme, ranges=["203.0.113.0/24"])
    answer = ask(secret)
    assert (answer.status_code, "203.0.113.0/24" in answer.json()["detail"]) == (403, True)
    assert ManagementKey.objects.get().last_used_at is None


def test_a_disabled_owner_takes_the_key_along_for_good(alice, acme):
    _, secret = cast.make_key(alice, acme)
    now = timezone.now()
    alice.disable(by=cast.OPERATOR, now=now)
    alice.enable(by=cast.OPERATOR, now=now)
    assert ask(secret).status_code == 401
    assert ManagementKey.objects.get().revoke_reason == "left"


def test_a_request_with_a_key_costs_two_queries_and_notes_its_use_once_a_minute(
    alice, acme, django_assert_max_num_queries
):
    key, secret = cast.make_key(alice, acme)
    ask(secret)
    key.refresh_from_db()
    assert (key.last_used_from, key.last_used_at is None) == ("127.0.0.1", False)
    with django_assert_max_num_queries(1):
        assert ask(secret).status_code == 200
