"""Row 10: what a token is was decided when it was issued; no request changes it afterwards."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import cast
from tests.security.pages import browser
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
LATER = (timezone.now() + timedelta(days=300)).isoformat()
FIELDS = {
    "expires_at": LATER, "issued_at": LATER, "created_at": LATER, "root_expires_at": LATER, "retires_at": LATER,
    "profile": "sales", "toolkit": 1, "owner": "charlie@example.com", "owner_id": 1, "account": "x", "digest": "0" * 64,
    "public_id": "aaaaaaaaaaaa", "stage": "current", "revoked_at": None, "is_read_only": False, "call_cap": None,
}  # fmt: skip


@pytest.mark.parametrize("method", ["patch", "put", "post", "delete"])
@pytest.mark.parametrize("address", ["/api/v1/tokens/{id}", "/api/v1/tokens/self"], ids=["by id", "self"])
def test_no_method_changes_a_field(alice, bob, work, method, address):
    issued = cast.make_token(bob, work)
    row = DelegatedToken.objects.filter(pk=issued.token.pk).values().get()
    for client in (browser(bob), browser(alice)):
        path = address.format(id=issued.token.public_id)
        answer = getattr(client, method)(path, json.dumps(FIELDS), content_type="application/json")
        assert answer.status_code in (401, 405)
    assert DelegatedToken.objects.filter(pk=issued.token.pk).values().get() == row


def test_revoking_takes_a_reason_and_nothing_else(bob, work):
    issued = cast.make_token(bob, work)
    path = f"/api/v1/tokens/{issued.token.public_id}/revoke"
    answer = browser(bob).post(path, json.dumps(FIELDS | {"reason": "other"}), content_type="application/json")
    assert (answer.status_code, set(answer.json()["errors"])) == (
        400,
        set(FIELDS) - {"toolkit"},
    )  # which is called profile on the wire
    before = issued.token
    after = DelegatedToken.objects.get(pk=before.pk)
    for name in (
        "expires_at",
        "issued_at",
        "retires_at",
        "toolkit_id",
        "owner_id",
        "account_id",
        "digest",
        "public_id",
    ):
        assert getattr(after, name) == getattr(before, name)
    assert after.stage == "current"
