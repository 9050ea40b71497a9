"""REST: issuing, replacing, ending and pausing tokens, with a key or as a person; and management keys as a noun."""

from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast, rest
from tokens import keys
from tokens.models import DelegatedToken, ManagementKey, Policy

pytestmark = [pytest.mark.django_db(databases="__all__")]
WISH = {"profile": "work", "name": "n8n", "expires_in": 3600}


@pytest.fixture
def ask(alice, acme):
    return rest.person(alice, acme)


@pytest.fixture
def issuing(alice, acme):
    return rest.key(alice, acme, "tokens:issue", "tokens:read", "tokens:write")


@pytest.mark.sqlite
def test_a_key_that_may_issues_a_token_that_is_shown_once_and_ends_with_it(issuing, work, alice):
    made = issuing("post", "tokens", WISH)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    token = DelegatedToken.objects.get()
    assert keys.digest(made.json()["token"]) == token.digest
    assert (token.owner, token.issued_by_key, made.json()["mcp_url"]) == (
        alice,
        ManagementKey.objects.get(),
        work.mcp_url,
    )
    assert "by key Terraform" in Event.objects.get(action="token.issued").actor_label
    assert "token" not in issuing("get", f"tokens/{token.public_id}").json()
    ManagementKey.objects.get().revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    token.refresh_from_db()
    assert token.revoked_at


@pytest.mark.sqlite
def test_a_repeated_issue_makes_one_token_and_shows_no_secret_again(issuing, work):
    made = issuing("post", "tokens", WISH, Idempotency_Key="k1")
    again = issuing("post", "tokens", WISH, Idempotency_Key="k1")
    assert (again.status_code, again.json()["code"], again.json()["id"]) == (409, "already_issued", made.json()["id"])
    assert made.json()["token"][20:] not in again.content.decode()
    other = issuing("post", "tokens", WISH | {"name": "other"}, Idempotency_Key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert DelegatedToken.objects.count() == 1


def test_a_person_issues_only_just_after_confirming(ask, alice, acme, work):
    stale = rest.person(alice, acme, confirmed_ago=3600)
    refused = stale("post", "tokens", WISH)
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_person")
    assert refused.json()["href"].endswith("/accounts/confirm/")
    assert ask("post", "tokens", WISH).status_code == 201


def test_a_key_without_the_scope_issues_nothing(alice, acme, work):
    answer = rest.key(alice, acme, "tokens:write", "tokens:read")("post", "tokens", WISH)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert not DelegatedToken.objects.exists()


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"expires_in": 31 * 86400}, "expires_in"), ({"expires_in": None}, "expires_in"),
        ({"expires_at": "2027-01-31T10:00:00"}, "expires_at"), ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"expires_at": "2031-01-31T10:00:00Z"}, "expires_in"), ({"profile": "other"}, "profile"),
        ({"tools": ["nope"]}, "tools"), ({"networks": ["not a range"]}, "networks"), ({"call_cap": 0}, "call_cap"),
        ({"name": "a\nb"}, "name"), ({"pause_unused_days": 1}, "pause_unused_days"), ({"owner": "bob"}, "owner"),
        ({"name": None}, "name"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_is_named_and_issues_nothing(issuing, work, change, member):
    answer = issuing("post", "tokens", WISH | change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [member])
    assert not DelegatedToken.objects.exists()


def test_policies_and_empty_toolkits_hold_here_too(issuing, acme, alice, work):
    Policy.objects.change(acme, None, {"max_life_days": 1}, by=cast.OPERATOR, now=timezone.now())
    answer = issuing("post", "tokens", WISH | {"expires_in": 2 * 86400})
    assert list(answer.json()["errors"]) == ["expires_at"]
    assert list(issuing("post", "tokens", WISH | {"profile": "default"}).json()["errors"]) == ["profile"]


def test_a_token_is_narrowed_as_it_is_issued(issuing, work):
    limits = {"tools": ["echo__echo"], "networks": ["203.0.113.0/24"], "call_cap": 5}
    made = issuing("post", "tokens", WISH | limits).json()
    assert {name: made[name] for name in limits} == limits


def test_an_owner_replaces_the_token_and_nobody_else_does(issuing, ask, bob, acme, work):
    made = issuing("post", "tokens", WISH).json()
    replaced = issuing("post", f"tokens/{made['id']}/rotate", {"overlap_seconds": 60})
    assert (replaced.status_code, replaced.json()["state"], replaced.json()["generation"]) == (201, "pending", 2)
    of_bob = cast.make_token(bob, work).token
    assert ask("get", f"tokens/{of_bob.public_id}").status_code == 200
    assert ask("post", f"tokens/{of_bob.public_id}/rotate", {}).status_code == 404
    assert ask("post", f"tokens/{made['id']}/rotate", {"overlap_seconds": 8 * 86400}).status_code == 400


def test_pausing_is_quick_and_resuming_is_a_persons(issuing, ask, alice, work):
    token = cast.make_token(alice, work).token
    assert issuing("post", f"tokens/{token.public_id}/pause").json()["state"] == "paused"
    assert issuing("post", f"tokens/{token.public_id}/resume").json()["code"] == "needs_person"
    assert ask("post", f"tokens/{token.public_id}/resume").json()["state"] == "active"


def test_keys_are_seen_and_revoked_and_never_made(ask, alice, acme, bob):
    key, _ = cast.make_key(alice, acme, ["keys:read", "keys:write"])
    assert [row["id"] for row in ask.rows("keys?living=yes")] == [key.public_id]
    assert ask("post", "keys", {"name": "x", "scopes": ["tokens:read"]}).status_code == 405
    assert rest.person(bob, acme)("post", f"keys/{key.public_id}/revoke", {}).status_code == 404
    assert ask("post", f"keys/{key.public_id}/revoke", {"reason": "leaked"}).json()["state"] == "revoked"
    assert ask.rows("keys?living=yes") == []


def test_pages_of_tokens_issued_in_one_second_have_no_gap(ask, alice, work):
    at = timezone.now()
    for number in range(5):
        cast.make_token(alice, work, f"t{number}", timedelta(days=20), now=at)
    names, path = [], "tokens?limit=2&ordering=issued_at"
    while path:
        page = ask("get", path).json()
        names += [row["name"] for row in page["results"]]
        path = (page["next"] or "").partition("/api/v1/")[2]
    assert names == [f"t{number}" for number in range(5)]
