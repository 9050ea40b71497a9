"""Row 15: a delegated token as bearer opens nothing but its own state, whatever its owner may do."""

import pytest

from profiles.events import Event
from tests import cast
from tests.security.pages import browser
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
REST = ["me", "tokens", "tokens/{id}", "tokens/{id}/revoke", "tokens/{other}/revoke", "credentials/revoke", "profiles",
        "servers", "webhooks", "members", "keys", "policies"]  # fmt: skip


@pytest.mark.parametrize("path", REST)
def test_every_address_of_the_api_is_closed_to_it(client, alice, work, path):
    issued, other = cast.make_token(alice, work), cast.make_token(alice, work, "ci").token
    bearer = {"authorization": f"Bearer {issued.key.text}"}
    address = "/api/v1/" + path.format(id=issued.token.public_id, other=other.public_id)
    before = Event.objects.count()
    for method in ("get", "post", "put", "patch", "delete"):
        answer = getattr(client, method)(address, content_type="application/json", headers=bearer)
        assert answer.status_code in (403, 405), (method, answer.status_code)
        assert other.public_id not in answer.content.decode()
    assert Event.objects.count() == before
    assert not DelegatedToken.objects.exclude(revoked_at=None).exists()


def test_beside_a_session_it_takes_away_rather_than_adds(alice, work):
    secret = cast.make_token(alice, work).key.text
    answer = browser(alice).get("/api/v1/tokens", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 403


def test_its_own_state_shows_no_sibling(client, alice, work):
    issued, other = cast.make_token(alice, work), cast.make_token(alice, work, "sibling").token
    shown = client.get("/api/v1/tokens/self", headers={"authorization": f"Bearer {issued.key.text}"}).content.decode()
    assert other.public_id not in shown
    assert "sibling" not in shown
