"""REST for applications, policies and webhooks."""

import pytest

from profiles.events import Event
from tests import cast, rest
from tokens.models import Application, Policy, Webhook

pytestmark = [pytest.mark.django_db(databases="__all__")]
HOOK = {"url": "http://127.0.0.1:9/hook", "kinds": ["token.revoked"]}
DESK = {"kind": "people", "name": "Desk", "redirect_uris": ["https://desk.example.com/callback"]}


@pytest.fixture
def ask(alice, acme):
    return rest.person(alice, acme)


@pytest.fixture
def stale(alice, acme):
    return rest.person(alice, acme, confirmed_ago=3600)


def test_a_webhook_is_added_once_changed_in_part_and_removed(ask, stale, acme):
    assert stale("post", "webhooks", HOOK).json()["code"] == "needs_person"
    made = ask("post", "webhooks", HOOK, Idempotency_Key="k")
    assert (made.status_code, made.json()["secret"][:6]) == (201, "whsec_")
    again = ask("post", "webhooks", HOOK, Idempotency_Key="k")
    assert (again.status_code, again.json()["id"]) == (409, made.json()["id"])
    path = f"webhooks/{made.json()['id']}"
    assert ask("patch", path, {"description": "Operations"}).json()["kinds"] == ["token.revoked"]
    assert ask("post", f"{path}/secret", {}).json()["secret"] != made.json()["secret"]
    assert "secret" not in ask("get", path).json()
    assert ask("post", f"{path}/test").status_code == 202
    assert [row["kind"] for row in ask.rows(f"{path}/deliveries")] == ["webhook.test"]
    assert ask("delete", path).status_code == 204
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("change", "member"),
    [({"url": "http://169.254.169.254/"}, "url"), ({"url": "nonsense"}, "url"), ({"kinds": []}, "kinds"),
     ({"kinds": ["x"]}, "kinds"), ({"secret": "whsec_x"}, "secret")],
)  # fmt: skip
def test_a_webhook_that_cannot_be_is_named(ask, change, member):
    answer = ask("post", "webhooks", HOOK | change)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [member])
    assert not Webhook.objects.exists()


def test_an_application_is_registered_widened_by_a_person_only_and_removed(ask, stale, acme):
    made = ask("post", "applications", DESK)
    assert made.status_code == 201
    assert made.json()["client_secret"]
    path = f"applications/{made.json()['client_id']}"
    assert stale("patch", path, {"exchanges": True}).json()["code"] == "needs_person"
    assert stale("patch", path, {"name": "Help desk"}).json()["redirect_uris"] == DESK["redirect_uris"]
    assert ask("patch", path, {"redirect_uris": ["javascript:alert(1)"]}).status_code == 400
    assert ask("patch", path, {"redirect_uris": []}).json()["errors"]["redirect_uris"]
    assert stale("post", f"{path}/disable").json()["disabled_at"]
    assert stale("post", f"{path}/enable").json()["code"] == "needs_person"
    replaced = ask("post", f"{path}/secret", {}).json()
    assert replaced["client_secret"] not in (None, made.json()["client_secret"])
    assert "client_secret" not in ask("get", path).json()
    assert ask("delete", path).status_code == 204
    assert not Application.objects.exists()


def test_a_machine_is_registered_for_its_toolkits(ask, work):
    answer = ask("post", "applications", {"kind": "machine", "name": "Cron", "role": "end_user"})
    assert list(answer.json()["errors"]) == ["profiles"]
    made = ask("post", "applications", {"kind": "machine", "name": "Cron", "profiles": [str(work.pk)]})
    assert (made.status_code, made.json()["kind"]) == (201, "machine")


def test_policies_change_in_part_under_the_id_of_what_they_are_for(ask, acme, work):
    assert ask("patch", f"policies/{acme.pk}", {"max_life_days": 7}).json()["kind"] == "account"
    changed = ask("patch", f"policies/{work.pk}", {"max_tokens": 2, "max_life_days": 3}).json()
    assert (changed["kind"], changed["max_tokens"]) == ("profile", 2)
    assert ask("patch", f"policies/{work.pk}", {"max_life_days": None}).json()["max_tokens"] == 2
    assert {row["id"] for row in ask("get", "policies").json()["results"]} == {str(acme.pk), str(work.pk)}
    assert ask("patch", f"policies/{work.pk}", {"max_life_days": 31}).status_code == 400
    assert Policy.objects.get(toolkit=work).max_life_days is None
    assert Event.objects.filter(action="policy.changed").count() == 3


@pytest.mark.parametrize("noun", ["applications", "webhooks", "keys", "policies"])
def test_no_list_asks_more_often_for_more_rows(ask, acme, alice, noun, django_assert_max_num_queries):
    from django.utils import timezone

    for number in range(6):
        cast.make_application(acme, f"a{number}")
        cast.make_key(alice, acme, name=f"k{number}")
        Policy.objects.change(
            acme, cast.make_toolkit(acme, f"t{number}"), {"max_tokens": 3}, by=cast.OPERATOR, now=timezone.now()
        )
        Webhook.objects.add(
            acme, url=f"http://127.0.0.1:9/{number}", description="", kinds=["token.revoked"], by=cast.OPERATOR,
            now=timezone.now(),
        )  # fmt: skip
    with django_assert_max_num_queries(7):
        ask("get", noun)


def test_connections_are_seen_and_ended_by_whose_they_are_and_by_who_revokes(alice, bob, charlie, acme, work):
    for owner in (alice, bob):
        cast.make_access_token(owner, work, cast.make_application(name=f"Desk of {owner.name}"))
    mine = rest.person(bob, acme).rows("connections?living=yes")
    assert [row["application"] for row in mine] == ["Desk of Bob"]
    assert len(rest.key(alice, acme, "connections:read").rows("connections")) == 2
    assert rest.person(charlie).rows("connections") == []
    path = f"connections/{mine[0]['id']}"
    assert rest.person(charlie)("post", f"{path}/revoke").status_code == 404
    assert rest.key(alice, acme, "connections:read", name="Reader")("post", f"{path}/revoke").status_code == 403
    ended = rest.person(alice, acme)("post", f"{path}/revoke").json()
    assert ended["revoked_at"]
    assert rest.person(alice, acme)("post", f"{path}/revoke").json() == ended
    assert rest.person(bob).rows("connections?living=yes") == []
