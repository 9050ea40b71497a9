"""REST by the token itself: it sees itself, ends itself, and nothing else."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tokens import keys
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
SELF = "/api/v1/tokens/self"


def bearer(text):
    return {"authorization": f"Bearer {text}"}


def test_it_reads_its_own_state(client, bob, work):
    issued = cast.make_token(bob, work)
    answer = client.get(SELF, headers=bearer(issued.key.text))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["state"], shown["profile"]) == (issued.token.public_id, "active", "work")
    assert issued.key.text[20:40] not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_it_ends_itself_with_its_generations_and_leaves_its_siblings(client, bob, work):
    issued, sibling = cast.make_token(bob, work), cast.make_token(bob, work, "ci")
    successor = issued.token.replace(by=cast.OPERATOR, now=timezone.now())
    assert client.delete(SELF, headers=bearer(issued.key.text)).status_code == 204
    assert client.delete(SELF, headers=bearer(issued.key.text)).status_code == 401
    assert client.get(SELF, headers=bearer(successor.key.text)).status_code == 401
    assert client.get(SELF, headers=bearer(sibling.key.text)).status_code == 200
    event = Event.objects.filter(action="token.revoked").latest("at")
    assert (event.actor_kind, event.actor_id) == ("token", issued.token.public_id)
    assert event.reason == "No longer needed: by the token itself"


def test_a_paused_token_sees_that_and_can_still_end_itself(client, bob, work):
    issued = cast.make_token(bob, work)
    issued.token.pause(by=cast.OPERATOR, now=timezone.now())
    assert client.get(SELF, headers=bearer(issued.key.text)).json()["state"] == "paused"
    assert client.delete(SELF, headers=bearer(issued.key.text)).status_code == 204


def refused(bob, work):
    ended = cast.make_token(bob, work, "over", timedelta(hours=1), now=timezone.now() - timedelta(hours=2)).key.text
    return ["", "Bearer", "Bearer ", f"Bearer {ended}", "Bearer nonsense", f"Bearer {keys.make(keys.Kind.DELEGATED).text}",
            f"Bearer {keys.make(keys.Kind.ACCESS).text}", f"Basic {ended}", "Bearer a b"]  # fmt: skip


def test_everybody_else_gets_the_same_401(client, alice, bob, work):
    client.force_login(alice)
    bodies = set()
    for header in refused(bob, work):
        for method in (client.get, client.delete):
            answer = method(SELF, headers={"authorization": header} if header else {})
            assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer"), header
            bodies.add(answer.json()["detail"])
    assert len(bodies) == 2  # without a bearer, and with one that is not valid
    assert DelegatedToken.objects.exclude(revoked_at=None).count() == 0


@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_it_changes_nothing_of_itself(client, bob, work, method):
    issued = cast.make_token(bob, work)
    later = (issued.token.expires_at + timedelta(days=3)).isoformat()
    answer = getattr(client, method)(
        SELF, json.dumps({"expires_at": later}), content_type="application/json", headers=bearer(issued.key.text)
    )
    assert answer.status_code == 405
    before = issued.token.expires_at
    issued.token.refresh_from_db()
    assert issued.token.expires_at == before
