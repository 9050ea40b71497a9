"""Row 36: guessing at sign-in ends soon, at every door, and no header of the client's own begins it anew."""

import pytest
from allauth.account.models import EmailAddress

from tests import cast
from tests.factors import with_app
from tests.security.pages import browser

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
LOGIN = "/accounts/login/"


@pytest.fixture
def known(alice):
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return alice


def guess(client, login, password="wrong wrong wrong", **headers):
    return client.post(LOGIN, {"login": login, "password": password}, headers=headers)


def is_in(client) -> bool:
    return "_auth_user_id" in client.session


def test_after_five_wrong_passwords_the_account_waits_from_anywhere(known):
    for number in range(5):
        guess(browser(REMOTE_ADDR=f"192.0.2.{number}"), known.email)
    elsewhere = browser(REMOTE_ADDR="198.51.100.7")
    guess(elsewhere, known.email, cast.PASSWORD)
    assert not is_in(elsewhere)


def test_after_ten_wrong_passwords_an_address_waits_for_every_account(known):
    client = browser()
    for number in range(10):
        guess(client, f"person-{number}@example.com")
    guess(client, known.email, cast.PASSWORD)
    assert not is_in(client)
    elsewhere = browser(REMOTE_ADDR="198.51.100.7")
    guess(elsewhere, known.email, cast.PASSWORD)
    assert is_in(elsewhere), "others go on"


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"])
@pytest.mark.parametrize("proxies", [0, 1])
def test_a_header_that_changes_each_time_resets_nothing(known, settings, header, proxies):
    settings.NEXUS_TRUSTED_PROXIES = settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    behind = {"x-forwarded-for": "203.0.113.9"} if proxies else {}
    client = browser()
    for number in range(10):
        claimed = f"198.51.100.{number}"
        said = {header: f"for={claimed}" if header == "forwarded" else claimed}
        if proxies:
            said = said | behind if header != "x-forwarded-for" else {header: f"{claimed}, 203.0.113.9"}
        guess(client, f"person-{number}@example.com", **said)
    guess(client, known.email, cast.PASSWORD, **behind)
    assert not is_in(client)


def test_the_admin_has_no_door_of_its_own(known):
    staff = cast.make_user("Sam", is_staff=True)
    client = browser()
    for path in ("/admin/login/", "/admin/login/?next=/admin/", "/admin/", "/admin/profiles/user/"):
        answer = client.post(path, {"username": staff.email, "password": cast.PASSWORD}, follow=True)
        assert answer.redirect_chain[-1][0].startswith(LOGIN), path
    assert not is_in(client)


def test_second_factors_are_limited_across_sessions(known):
    _, codes = with_app(known)
    for number in range(5):
        client = browser(REMOTE_ADDR=f"192.0.2.{number}")
        guess(client, known.email, cast.PASSWORD)
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    last = browser(REMOTE_ADDR="192.0.2.77")
    guess(last, known.email, cast.PASSWORD)
    page = last.post("/accounts/2fa/authenticate/", {"code": codes[0]}).content.decode()
    assert "wrong too often" in page
    assert not is_in(last)


def test_known_and_unknown_addresses_are_limited_alike(known):
    said = []
    for email in (known.email, "nobody@example.com"):
        answers = [guess(browser(REMOTE_ADDR=f"198.51.100.{len(said)}"), email) for _ in range(7)]
        said.append([(answer.status_code, len(answer.content) - len(email)) for answer in answers])
    assert said[0] == said[1]
