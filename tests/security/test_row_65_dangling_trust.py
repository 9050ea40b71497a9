"""Row 65: after a factor is removed, an address changed or a password recovered, old trust is offered for revocation."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from profiles import addresses, confirmation
from profiles.events import Action, Event
from tests import cast
from tests.factors import with_app
from tests.profiles.test_confirm import request_of
from tests.security.pages import browser
from tokens.models import Connection, DelegatedToken, ManagementKey

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
EVERYTHING = "/settings/security/everything/"


@pytest.fixture
def trusted(alice, work):
    """Alice with a token, an application, and two browsers."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    cast.make_token(alice, work)
    cast.make_key(alice, work.account)
    cast.make_access_token(alice, work, cast.make_application())
    other = browser(headers={"user-agent": "Firefox/140"})
    other.post("/accounts/login/", {"login": alice.email, "password": cast.PASSWORD})
    here = browser()
    here.post("/accounts/login/", {"login": alice.email, "password": cast.PASSWORD})
    return here, other


def living(user) -> int:
    tokens = DelegatedToken.objects.filter(owner=user).living(timezone.now()).count()
    keys = ManagementKey.objects.owned_by(user).living(timezone.now()).count()
    return tokens + keys + Connection.objects.filter(owner=user).living().count()


def test_everything_is_shown_and_ended_at_once(alice, bob, work, trusted):
    here, other = trusted
    cast.make_token(bob, work)
    page = here.get(EVERYTHING).content.decode()
    assert "1 token, 1 connected application" in page
    assert "<strong>1 management key</strong>" in page
    assert "1 other browser" in page
    assert here.post(EVERYTHING).url == "/settings/security/"
    assert living(alice) == 0
    assert living(bob) == 1
    assert other.get("/settings/").status_code == 302
    assert here.get("/settings/").status_code == 200
    assert "nothing to revoke" in here.get(EVERYTHING).content.decode()
    here.post(EVERYTHING)  # once more does no harm


def test_who_is_in_a_hurry_is_not_asked_first_who_they_are(alice, trusted, work):
    assert browser(alice, confirmed_ago=3600).post(EVERYTHING).url == "/settings/security/"
    assert living(alice) == 0


def test_removing_the_app_takes_back_the_confirmation_and_offers_it(alice, trusted):
    here, _ = trusted
    _, codes = with_app(alice)
    here.post("/accounts/confirm/factor/", {"code": codes[0]})
    assert here.post("/settings/security/app/remove/").url == EVERYTHING
    assert not confirmation.is_confirmed(request_of(here, alice))
    assert living(alice) == 3, "offered, not done"


@pytest.mark.parametrize("distrusts", [False, True])
def test_a_forgotten_password_ends_sessions_and_if_wanted_everything(alice, trusted, settings, distrusts):
    here, other = trusted
    browser().post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"http\S+", mail.outbox[-1].body)[0].removeprefix(settings.NEXUS_BASE_URL)
    client = browser()
    form = client.get(link, follow=True)
    assert "Revoke all my tokens" in form.content.decode()
    new = {"password1": "another long pass phrase", "password2": "another long pass phrase"}
    client.post(form.redirect_chain[-1][0], new | ({"distrusts": "on"} if distrusts else {}))
    assert living(alice) == (0 if distrusts else 3)
    for each in trusted:
        assert each.get("/settings/").status_code == 302
    assert Event.objects.get(action=Action.PASSWORD_CHANGED).after == {"method": "mailed link"}


def test_a_new_address_takes_the_reset_links_of_the_old_one_away(alice, trusted, settings):
    browser().post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"http\S+", mail.outbox[-1].body)[0].removeprefix(settings.NEXUS_BASE_URL)
    assert addresses.change(alice, "alice@new.example", by=cast.OPERATOR, now=timezone.now())
    assert "no longer works" in browser().get(link, follow=True).content.decode()
