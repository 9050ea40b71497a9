"""Row 36: passwords are guessed slowly, whatever address the guesser claims to come from, and at every sign-in page."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from tests import cast

pytestmark = pytest.mark.django_db(databases="__all__")


def sign_in(client, email="alice@example.com", password=cast.PASSWORD, **headers):
    return client.post("/accounts/login/", {"login": email, "password": password}, **headers)


@pytest.fixture(autouse=True)
def _verified(alice):
    EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=True)


def is_in(client) -> bool:
    return client.get("/settings/").status_code == 200


def test_after_five_wrong_guesses_the_right_one_is_refused_too(alice):
    sign_in(first := Client())
    assert is_in(first)
    for _ in range(5):
        sign_in(Client(), password="wrong")
    guesser = Client()
    sign_in(guesser)
    assert not is_in(guesser)


def test_one_address_guesses_ten_times_a_minute_whatever_it_says_of_itself(alice):
    for number in range(10):
        sign_in(Client(), f"person{number}@example.com", "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    guesser = Client()
    sign_in(guesser, HTTP_X_FORWARDED_FOR="203.0.113.99")
    assert not is_in(guesser)
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    sign_in(elsewhere)
    assert is_in(elsewhere)


def test_the_admin_has_no_sign_in_of_its_own(alice):
    answer = Client().get("/admin/login/?next=/admin/")
    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/")
    for _ in range(6):
        answer = Client().post("/admin/login/", {"username": "alice@example.com", "password": cast.PASSWORD})
        assert answer.status_code == 302
        assert "nexus_session" not in answer.cookies


def test_known_and_unknown_addresses_are_limited_alike(alice):
    said = []
    for email in ("alice@example.com", "nobody@example.com"):
        answers = [sign_in(Client(REMOTE_ADDR=f"198.51.100.{len(said)}"), email, "wrong") for _ in range(7)]
        said.append([(answer.status_code, len(answer.content) - len(email)) for answer in answers])
    assert said[0] == said[1]
