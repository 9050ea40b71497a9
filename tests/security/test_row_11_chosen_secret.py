"""Row 11: nobody but Nexus chooses a secret, a public id or a digest."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.security.pages import browser, install
from tokens import keys
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
CHOSEN = keys.make(keys.Kind.DELEGATED)
WISHES = {
    "token": CHOSEN.text, "key": CHOSEN.text, "secret": CHOSEN.text, "public_id": CHOSEN.public_id, "digest": CHOSEN.digest,
    "last_four": "aaaa", "family": "00000000-0000-0000-0000-000000000000", "owner": "1",
}  # fmt: skip


def test_the_install_page_takes_no_secret(alice, work):
    answer = install(browser(alice), work, **WISHES)
    token = DelegatedToken.objects.get()
    assert (token.public_id, token.digest, token.owner) != (CHOSEN.public_id, CHOSEN.digest, None)
    assert token.public_id != CHOSEN.public_id
    assert token.digest != CHOSEN.digest
    assert token.last_four != "aaaa"
    assert token.owner == alice
    assert CHOSEN.text not in answer.content.decode()
    shown = keys.ANYWHERE.search(answer.content.decode())
    assert keys.digest(shown[0]) == token.digest


@pytest.mark.parametrize("wish", [{"token": "aaaa"}, {"key": CHOSEN.text}, {"digest": CHOSEN.digest, "name": "x"}])
def test_the_api_takes_no_secret(alice, work, wish):
    for path in ("/api/v1/tokens", f"/api/v1/tokens/{CHOSEN.public_id}"):
        for method in ("post", "put", "patch"):
            answer = getattr(browser(alice), method)(path, json.dumps(wish), content_type="application/json")
            assert answer.status_code in (400, 403, 404, 405), (method, path)
    assert not DelegatedToken.objects.exists()


def test_the_admin_neither_adds_nor_changes_a_token(admin_user, alice, work):
    from tests import cast

    token = cast.make_token(alice, work).token
    staff = browser(admin_user)
    assert staff.post("/admin/tokens/delegatedtoken/add/", WISHES).status_code == 403
    staff.post(f"/admin/tokens/delegatedtoken/{token.pk}/change/", WISHES | {"name": "other"})
    assert DelegatedToken.objects.get().digest == token.digest
    assert DelegatedToken.objects.count() == 1


def test_the_command_has_no_option_for_it(alice, work):
    with pytest.raises((CommandError, TypeError)):
        call_command("issue_token", alice.email, "work", "--name=x", "--days=1", f"--token={CHOSEN.text}")
