import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from profiles.events import Actor, ActorKind, Event
from tests import cast
from tokens import keys
from tokens.models import DelegatedToken, ManagementKey

pytestmark = pytest.mark.django_db
LIST = "/settings/keys/"
SECRET = re.compile(r"nxsa_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def filled_in(**changes):
    return {
        "name": "Terraform", "scopes": ["tokens:read", "tokens:write"], "life": "30", "networks": "",
        "request_key": str(uuid.uuid4()), **changes,
    }  # fmt: skip


@pytest.fixture
def key(alice, acme):
    return cast.make_key(alice, acme)[0]


def test_a_key_is_made_and_shown_once(as_alice, alice, acme):
    form = filled_in(networks="203.0.113.0/24\n")
    answer = as_alice.post(f"{LIST}new/", form)
    secret = SECRET.search(answer.content.decode())[0]
    made = ManagementKey.objects.get()
    assert (answer.status_code, answer["Cache-Control"], made.digest) == (200, "no-store", keys.digest(secret))
    assert (made.owner, made.account, made.scopes) == (alice, acme, ["tokens:read", "tokens:write"])
    assert (made.networks, made.expires_at - made.issued_at) == (["203.0.113.0/24"], timedelta(days=30))
    again = as_alice.post(f"{LIST}new/", form)
    assert (again.status_code, secret in again.content.decode(), ManagementKey.objects.count()) == (409, False, 1)
    for page in (LIST, f"{LIST}{made.public_id}/"):
        shown = as_alice.get(page).content.decode()
        assert (made.masked in shown, secret in shown, made.digest in shown) == (True, False, False)
    event = Event.objects.get(action="key.made")
    assert (event.actor_label, secret in str(event.__dict__)) == ("alice@example.com", False)


def test_who_has_not_just_confirmed_who_they_are_makes_none_and_loses_nothing(stale_alice):
    answer = stale_alice.post(f"{LIST}new/", filled_in())
    assert (answer.status_code, ManagementKey.objects.count()) == (303, 0)
    assert answer["Location"].startswith("/accounts/confirm/")
    page = stale_alice.get(f"{LIST}new/").content.decode()
    assert 'value="Terraform"' in page
    assert page.count(" checked") == 3
    assert "Nothing has been made yet" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Name what will use the key"),
        ({"scopes": []}, "Choose at least one thing"),
        ({"scopes": ["tokens:everything"]}, "There is no scope"),
        ({"life": "91"}, "Choose one of the lives offered"),
        ({"networks": "nonsense"}, "is not a range"),
        ({"request_key": "nonsense"}, ""),
    ],
)
def test_a_form_that_cannot_be_is_shown_again_with_the_reason(as_alice, changes, said):
    answer = as_alice.post(f"{LIST}new/", filled_in(**changes))
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    assert not ManagementKey.objects.exists()


def test_a_member_is_not_offered_what_their_role_does_not_reach(as_bob):
    page = as_bob.get(f"{LIST}new/").content.decode()
    assert 'value="tokens:issue"' in page
    assert 'value="servers:write"' not in page
    refused = as_bob.post(f"{LIST}new/", filled_in(scopes=["servers:write"]))
    assert (refused.status_code, "You may not do that yourself" in refused.content.decode()) == (422, True)


def test_a_stranger_finds_nothing_and_a_member_only_their_own(as_charlie, as_bob, bob, acme, key):
    own, _ = cast.make_key(bob, acme, name="nightly")
    for page in ("", "replace/", "revoke/"):
        assert as_charlie.get(f"{LIST}{key.public_id}/{page}").status_code == 404
        assert as_bob.get(f"{LIST}{key.public_id}/{page}").status_code == 404
    assert as_charlie.post(f"{LIST}{key.public_id}/revoke/", {"reason": "leaked"}).status_code == 404
    page = as_bob.get(LIST).content.decode()
    assert ("nightly" in page, key.public_id in page) == (True, False)
    assert ManagementKey.objects.living(timezone.now()).count() == 2
    assert own.public_id in page


def test_an_owner_of_the_account_sees_and_ends_a_members_key_but_replaces_it_never(as_alice, bob, acme):
    key, _ = cast.make_key(bob, acme, name="nightly")
    assert key.masked in as_alice.get(LIST).content.decode()
    assert as_alice.post(f"{LIST}{key.public_id}/replace/").status_code == 404
    as_alice.post(f"{LIST}{key.public_id}/revoke/", {"reason": "policy", "note": "not here"})
    key.refresh_from_db()
    assert (key.revoke_reason, key.revoke_note) == ("policy", "not here")


def test_revoking_says_what_it_hits_and_does_it(as_alice, alice, acme, work):
    key, _ = cast.make_key(alice, acme, ["tokens:issue"])
    now = timezone.now()
    DelegatedToken.objects.issue(
        owner=alice, toolkit=work, name="n8n", expires_at=now + timedelta(days=1), by=cast.OPERATOR, now=now,
        issued_by_key=key,
    )  # fmt: skip
    assert "1 delegated token that it issued ends" in as_alice.get(f"{LIST}{key.public_id}/revoke/").content.decode()
    assert as_alice.post(f"{LIST}{key.public_id}/revoke/", {"reason": "nonsense"}).status_code == 422
    answer = as_alice.post(f"{LIST}{key.public_id}/revoke/", {"reason": "leaked"}, follow=True)
    assert "is revoked" in answer.content.decode()
    assert not DelegatedToken.objects.living(timezone.now()).exists()
    assert "There is nothing left" in as_alice.get(f"{LIST}{key.public_id}/revoke/").content.decode()


def test_a_key_is_replaced_with_an_overlap(as_alice, key):
    path = f"{LIST}{key.public_id}/replace/"
    form = {"life": "same", "overlap": "24", "request_key": str(uuid.uuid4())}
    assert as_alice.post(path, {**form, "overlap": "999"}).status_code == 422
    assert SECRET.search(as_alice.post(path, form).content.decode())
    assert as_alice.post(path, form).status_code == 409
    made = ManagementKey.objects.get(stage="pending")
    assert (made.overlap, made.family) == (timedelta(hours=24), key.family)
    assert "A successor that nobody has used yet" in as_alice.get(path).content.decode()
    assert as_alice.get(LIST).content.decode().count("nxsa_") == 2  # the current key and the header, not the successor


def test_a_stale_browser_replaces_nothing(stale_alice, key):
    form = {"life": "same", "overlap": "24", "request_key": str(uuid.uuid4())}
    assert stale_alice.post(f"{LIST}{key.public_id}/replace/", form).status_code == 303
    assert ManagementKey.objects.count() == 1


def test_the_page_of_a_key_shows_what_was_done_with_it(as_alice, alice, acme, work, key):
    by = Actor(ActorKind.TOKEN, key.public_id, "alice by key")
    cast.make_token(alice, work).token.revoke(by=by, reason="unused", now=timezone.now())
    page = as_alice.get(f"{LIST}{key.public_id}/").content.decode()
    assert "revoked a token" in page
    assert "made a management key" in page


def test_a_list_costs_the_same_whatever_its_length(as_alice, alice, acme, django_assert_max_num_queries):
    for number in range(12):
        cast.make_key(alice, acme, name=f"key {number}")
    as_alice.get(LIST)
    with django_assert_max_num_queries(11):
        page = as_alice.get(LIST).content.decode()
    assert page.count('data-label="Last used"') == 12


@pytest.mark.parametrize("page", ["", "new/", "{key}/", "{key}/replace/", "{key}/revoke/"])
def test_no_page_takes_another_method(as_alice, key, page):
    path = LIST + page.format(key=key.public_id)
    assert as_alice.put(path).status_code == 405
    assert as_alice.delete(path).status_code == 405
