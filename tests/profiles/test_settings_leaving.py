"""Deleting one's own account, with all that goes along and nothing that is others'."""

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Account, Toolkit, User
from profiles.permissions import Role
from tests import cast
from tests.security.pages import browser
from tokens.models import DelegatedToken

PAGE = "/settings/delete/"


def test_the_page_says_what_goes(bob, acme, work):
    cast.make_token(bob, work)
    cast.make_toolkit(bob.personal_account, "own")
    page = browser(bob).get(PAGE).content.decode()
    for words in ("1 token", "2 toolkits", "You leave Acme", "Type bob@example.com"):
        assert words in page


def test_an_account_goes_with_its_tokens_and_leaves_those_of_others(bob, alice, acme, work):
    token = cast.make_token(bob, work).token
    hers = cast.make_token(alice, work).token
    cast.make_toolkit(bob.personal_account, "own")
    here = browser(bob)
    assert here.post(PAGE, {"confirmation": "Bob@example.com"}).url == "/accounts/deleted/"
    assert "Your account is deleted" in here.get("/accounts/deleted/").content.decode()
    assert here.get("/settings/").status_code == 302
    assert not User.objects.filter(pk=bob.pk).exists()
    assert not Toolkit.objects.filter(alias="own").exists()
    assert not DelegatedToken.objects.filter(pk=token.pk).exists()
    assert DelegatedToken.objects.living(timezone.now()).filter(pk=hers.pk).exists()
    assert set(acme.members.values_list("user__email", flat=True)) == {"alice@example.com"}
    acts = set(Event.objects.filter(actor_id=str(bob.pk)).values_list("action", flat=True))
    assert {Action.USER_DELETED, Action.MEMBER_REMOVED, Action.TOKEN_REVOKED} <= acts


def test_the_last_owner_of_an_organization_stays(alice, bob, acme, work):
    here = browser(alice)
    assert "You alone own <strong>Acme</strong>" in here.get(PAGE).content.decode()
    assert here.post(PAGE, {"confirmation": alice.email}).status_code == 422
    assert User.objects.filter(pk=alice.pk).exists()
    acme.members.get(user=bob).change_role(Role.OWNER, by=cast.OPERATOR, now=timezone.now())
    here.post(PAGE, {"confirmation": alice.email})
    assert Account.objects.filter(pk=acme.pk).exists()
    assert not User.objects.filter(pk=alice.pk).exists()


def test_the_last_who_administers_the_instance_stays(db):
    root = cast.make_user("Root", is_staff=True, is_superuser=True)
    assert browser(root).post(PAGE, {"confirmation": root.email}).status_code == 422
    assert User.objects.filter(pk=root.pk).exists()


@pytest.mark.parametrize("typed", ["", "yes", "alice@example.com"])
def test_nothing_goes_before_the_address_is_typed(bob, typed):
    assert browser(bob).post(PAGE, {"confirmation": typed}).status_code == 422
    assert User.objects.filter(pk=bob.pk).exists()


def test_who_has_not_confirmed_deletes_nothing(bob):
    answer = browser(bob, confirmed_ago=3600).post(PAGE, {"confirmation": bob.email})
    assert answer.url == "/accounts/confirm/?next=%2Fsettings%2Fdelete%2F&full=1"
    assert User.objects.filter(pk=bob.pk).exists()
