import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tokens.models import Authority, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__")]


@pytest.fixture
def token(bob, work):
    return cast.make_token(bob, work).token


def post(client, path, body=None, **headers):
    return client.post(path, json.dumps(body or {}), content_type="application/json", headers=headers)


def test_a_person_lists_own_tokens_and_an_owner_all_of_the_account(client, alice, bob, charlie, work, token):
    cast.make_token(alice, work, "ci")
    for person, names in ((alice, ["ci", "n8n"]), (bob, ["n8n"]), (charlie, [])):
        client.force_login(person)
        answer = client.get("/api/v1/tokens")
        assert answer.status_code == 200
        assert sorted(row["name"] for row in answer.json()["results"]) == names


def test_nothing_that_is_shown_is_or_holds_a_secret(client, alice, work):
    issued = cast.make_token(alice, work)
    client.force_login(alice)
    shown = client.get("/api/v1/tokens").content.decode()
    assert issued.key.text[20:40] not in shown
    assert issued.key.digest not in shown
    assert issued.token.masked in json.loads(shown)["results"][0]["masked"]


def test_a_stranger_gets_404_and_changes_nothing(client, charlie, token):
    client.force_login(charlie)
    assert client.get(f"/api/v1/tokens/{token.public_id}").status_code == 404
    assert post(client, f"/api/v1/tokens/{token.public_id}/revoke").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_whoever_is_not_signed_in_gets_401(client, token):
    answer = client.get("/api/v1/tokens")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer.json()["code"] == "not_signed_in"


def test_revoking_is_the_pages_own_act(client, bob, token):
    client.force_login(bob)
    answer = post(client, f"/api/v1/tokens/{token.public_id}/revoke", {"reason": "leaked", "note": "in a log"})
    assert (answer.status_code, answer.json()["state"], answer.json()["revoke_reason"]) == (200, "revoked", "leaked")
    event = Event.objects.get(action="token.revoked")
    assert (event.actor_label, event.reason) == ("bob@example.com", "Leaked: in a log")
    again = post(client, f"/api/v1/tokens/{token.public_id}/revoke", {"reason": "other"})
    assert (again.status_code, again.json()["revoke_reason"]) == (200, "leaked")
    assert Event.objects.filter(action="token.revoked").count() == 1


def test_a_post_without_csrf_token_is_refused(bob, token):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    answer = post(client, f"/api/v1/tokens/{token.public_id}/revoke")
    assert answer.status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("path", ["tokens", "me", "nothing/at/all"])
def test_a_delegated_token_manages_nothing(client, bob, work, path):
    secret = cast.make_token(bob, work, "ci").key.text
    answer = client.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_nobody_chooses_a_secret(client, alice, work):
    client.force_login(alice)
    for body in ({"token": "aaaa"}, {"key": "aaaa"}, {"digest": "0" * 64}):
        answer = post(client, "/api/v1/tokens", {"name": "x", "profile": "work", "expires_in": 3600} | body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, list(body))
    assert not DelegatedToken.objects.exists()


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=zzz", "cursor=cD1ub3QtYS1kYXRl", "state=dead"]
)
def test_a_wish_that_cannot_be_met_is_named_not_altered(client, alice, query):
    client.force_login(alice)
    answer = client.get(f"/api/v1/tokens?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert query.split("=")[0] in answer.json()["errors"]


def test_pages_follow_each_other_without_gap(client, alice, work):
    for number in range(5):
        cast.make_token(alice, work, f"t{number}")
    client.force_login(alice)
    names, url = [], "/api/v1/tokens?limit=2"
    while url:
        page = client.get(url).json()
        names += [row["name"] for row in page["results"]]
        url = page["next"]
    assert sorted(names) == [f"t{number}" for number in range(5)]


def test_tokens_are_found_by_state_and_toolkit(client, alice, work):
    now = timezone.now()
    cast.make_token(alice, work, "long", timedelta(days=20))
    cast.make_token(alice, work, "short", timedelta(hours=3))
    cast.make_token(alice, work, "gone").token.revoke(by=cast.OPERATOR, reason="other", now=now)
    cast.make_token(alice, work, "old", timedelta(hours=1), now=now - timedelta(hours=2))
    client.force_login(alice)
    for state, name in (("active", "long"), ("ending", "short"), ("revoked", "gone"), ("expired", "old")):
        rows = client.get(f"/api/v1/tokens?state={state}&profile=work").json()["results"]
        assert [(row["name"], row["state"]) for row in rows] == [(name, state)]
    assert client.get("/api/v1/tokens?profile=other").json()["results"] == []


def test_the_number_of_queries_does_not_grow_with_rows(client, alice, work, django_assert_max_num_queries):
    for number in range(20):
        cast.make_token(alice, work, f"t{number}")
    client.force_login(alice)
    with django_assert_max_num_queries(5):
        client.get("/api/v1/tokens")


def test_many_end_together_in_as_many_steps_as_few(client, alice, bob, work, django_assert_max_num_queries):
    """One change for the hubs, and one mail for each owner, however many there are."""
    ids = [cast.make_token(bob, work, f"ci {number}").token.public_id for number in range(30)]
    client.force_login(alice)
    epoch = Authority.objects.get().epoch
    with django_assert_max_num_queries(30):
        answer = post(client, "/api/v1/tokens/revoke", {"ids": ids, "reason": "leaked"})
    assert {row["result"] for row in answer.json()["results"]} == {"revoked"}
    assert Authority.objects.get().epoch == epoch + 1


@pytest.mark.parametrize(("method", "path"), [("put", "tokens"), ("delete", "tokens/x"), ("get", "tokens/x/revoke")])
def test_a_wrong_method_is_405(client, alice, method, path):
    client.force_login(alice)
    answer = getattr(client, method)(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (405, "wrong_method")


@pytest.mark.parametrize(
    ("body", "kind"),
    [("{", "application/json"), ("reason=leaked", "text/plain"), ('{"reason":"x"}', "application/json")],
)
def test_bad_input_is_a_problem_and_nothing_is_lost(client, bob, token, body, kind):
    client.force_login(bob)
    answer = client.post(f"/api/v1/tokens/{token.public_id}/revoke", body, content_type=kind)
    assert answer.status_code in (400, 415)
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("path", ["tokens?profile=a%00", "tokens/a%00b", "tokens?state=%00", "tokens?cursor=%00"])
def test_a_nul_character_is_refused(client, alice, path):
    client.force_login(alice)
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
