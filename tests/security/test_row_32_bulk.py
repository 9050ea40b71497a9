"""Row 32: an act on many tokens ends one's own, and says of another account's what it says of none."""

import pytest

from tests import cast
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
NOBODYS = "zzzzzzzzzzzz"


def test_of_own_and_foreign_ids_the_own_end_and_the_foreign_are_as_if_not_there(client, alice, bob, charlie, work):
    other = cast.make_account("Elsewhere", owner=charlie)
    own = cast.make_token(bob, work, "own").token
    foreign = cast.make_token(charlie, cast.make_toolkit(other, "theirs"), "foreign").token
    client.force_login(bob)
    ids = [own.public_id, foreign.public_id, NOBODYS]
    answer = client.post(
        "/api/v1/tokens/revoke",
        {"ids": ids, "reason": "leaked"},
        "application/json",
        headers={"origin": "http://testserver"},
    )
    assert answer.status_code == 200, answer.content
    told = {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in answer.json()["results"]}
    assert told[own.public_id]["result"] == "revoked"
    assert told[foreign.public_id] == told[NOBODYS]
    ended = set(DelegatedToken.objects.exclude(revoked_at=None).values_list("public_id", flat=True))
    assert ended == {own.public_id}


def test_nor_does_who_sees_colleagues_tokens_but_may_not_end_them_end_one(client, alice, bob, work):
    theirs = cast.make_token(alice, work, "theirs").token
    client.force_login(bob)
    answer = client.post(
        "/api/v1/tokens/revoke", {"ids": [theirs.public_id, NOBODYS], "reason": "other"}, "application/json"
    )
    first, second = answer.json()["results"]
    assert first["result"] == second["result"] != "revoked"
    assert not DelegatedToken.objects.exclude(revoked_at=None).exists()
