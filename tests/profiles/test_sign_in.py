import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.utils import timezone

from profiles import confirmation
from profiles.events import Action, Event
from profiles.models import SignInLink, User
from tests.cast import OPERATOR, PASSWORD
from tests.profiles.test_confirm import request_of


@pytest.fixture
def link(alice) -> str:
    return f"/accounts/link/{SignInLink.objects.make(alice, by=OPERATOR, now=timezone.now())}/"


@pytest.fixture
def known(alice) -> User:
    """Alice, whose address is confirmed."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return alice


def test_looking_at_a_link_does_not_use_it(client, link):
    for _ in range(3):
        assert "Sign in as alice@example.com" in client.get(link).content.decode()
    client.head(link)
    assert "_auth_user_id" not in client.session


def test_a_link_signs_in_once_and_confirms(client, alice, link):
    client.get(link)
    client.session["before"] = 1
    answer = client.post(link)
    assert (answer.status_code, answer.url) == (303, "/")
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert confirmation.is_confirmed(request_of(client, alice))
    assert Event.objects.get(action=Action.SIGNED_IN).after == {"method": "link"}
    again = Client().post(link)
    assert again.status_code == 410
    assert "sign_in_link EMAIL" in again.content.decode()


def test_a_link_ends_after_an_hour(client, link):
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1)):
        assert client.get(link).status_code == 410
        assert client.post(link).status_code == 410


def test_a_link_of_a_disabled_person_is_refused(client, alice, link):
    alice.is_active = False
    alice.save()
    assert client.post(link).status_code == 410


def test_a_made_up_link_is_refused(client, db):
    assert client.get("/accounts/link/made-up/").status_code == 410


def test_a_link_replaces_whoever_was_signed_in(client, bob, alice, link):
    client.force_login(bob)
    session = client.session
    session["account"] = "of bob"
    session.save()
    client.post(link)
    assert client.session["_auth_user_id"] == str(alice.pk)
    assert "account" not in client.session


def test_the_session_key_changes_at_sign_in(client, known, link):
    client.get("/accounts/login/")
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.post("/accounts/login/", {"login": known.email, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(known.pk)
    assert client.session.session_key != before
    assert not Client(headers={"cookie": f"nexus_session={before}"}).session.get("_auth_user_id")


def test_a_password_signs_in_and_confirms(client, known):
    answer = client.post("/accounts/login/", {"login": "ALICE@example.com", "password": PASSWORD})
    assert answer.url == "/"
    assert confirmation.is_confirmed(request_of(client, known))


def test_a_mailed_code_signs_in(client, known):
    client.post("/accounts/login/code/", {"email": known.email})
    code = re.search(r"^\s*([A-Z0-9-]{6,9})\s*$", mail.outbox[-1].body, re.MULTILINE)[1]
    client.post("/accounts/login/code/confirm/", {"code": code})
    assert client.session["_auth_user_id"] == str(known.pk)


def test_a_wrong_password_says_no_more_than_an_unknown_address(client, known):
    wrong = client.post("/accounts/login/", {"login": known.email, "password": "wrong wrong wrong"})
    unknown = Client().post("/accounts/login/", {"login": "nobody@example.com", "password": "wrong wrong wrong"})
    alert = re.compile(r'role="alert".*?</div>', re.DOTALL)
    assert alert.search(wrong.content.decode())[0] == alert.search(unknown.content.decode())[0]


def test_signing_out_needs_a_post_and_ends_the_session(as_alice):
    key = as_alice.session.session_key
    as_alice.get("/accounts/logout/")
    assert as_alice.session.get("_auth_user_id")
    as_alice.post("/accounts/logout/")
    assert not as_alice.session.exists(key)


def test_sign_up_makes_a_personal_account_after_the_code(client, db):
    client.post("/accounts/signup/", {"email": "dora@example.com", "password1": PASSWORD, "password2": PASSWORD})
    assert not client.session.get("_auth_user_id")
    assert User.objects.get(email="dora@example.com").personal_account


class CountingHasher(MD5PasswordHasher):
    algorithm = "counting"
    hashed: list[str] = []

    def encode(self, password, salt):
        self.hashed.append(password)
        return super().encode(password, salt)


@pytest.mark.parametrize("email", ["alice@example.com", "dora@example.com"])
def test_sign_up_hashes_once_for_a_known_address_as_for_a_new_one(client, alice, settings, email):
    settings.PASSWORD_HASHERS = ["tests.profiles.test_sign_in.CountingHasher", *settings.PASSWORD_HASHERS]
    CountingHasher.hashed.clear()
    chosen = "another long password 7"
    answer = client.post("/accounts/signup/", {"email": email, "password1": chosen, "password2": chosen})
    assert answer.status_code == 302
    assert CountingHasher.hashed == [chosen]
    assert not client.session.get("_auth_user_id")


def test_sign_up_can_be_closed(client, db, settings):
    settings.NEXUS_SIGN_UP = "closed"
    assert "Sign-up is closed" in client.get("/accounts/signup/").content.decode()
    client.post("/accounts/signup/", {"email": "dora@example.com", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(email="dora@example.com").exists()


PAGES = [
    "login/", "login/code/", "signup/", "logout/", "password/reset/", "password/reset/done/", "inactive/",
    "password/reset/key/1-set-password/", "password/reset/key/done/",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_signing_in_has_our_look(client, db, page):
    answer = client.get(f"/accounts/{page}", follow=True)
    assert answer.status_code == 200
    assert "css/theme.css" in answer.content.decode()


@pytest.mark.parametrize("page", ["confirm/", "confirm/code/"])
def test_every_page_about_oneself_has_our_look(as_alice, page):
    answer = as_alice.get(f"/accounts/{page}")
    assert answer.status_code == 200
    assert "css/theme.css" in answer.content.decode()


def test_a_password_is_changed_only_by_who_has_confirmed(as_alice, alice):
    answer = as_alice.get("/accounts/password/change/")
    assert answer.url == "/accounts/confirm/?next=%2Faccounts%2Fpassword%2Fchange%2F&full=1"
    as_alice.post("/accounts/confirm/", {"password": PASSWORD})
    assert "Change your password" in as_alice.get("/accounts/password/change/").content.decode()
    new = "another long pass phrase"
    as_alice.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_a_forgotten_session_cannot_set_a_first_password(as_alice, alice):
    alice.set_unusable_password()
    alice.save()
    as_alice.force_login(alice)
    new = "another long pass phrase"
    for page in ("set", "change"):
        as_alice.post(f"/accounts/password/{page}/", {"password1": new, "password2": new})
    alice.refresh_from_db()
    assert not alice.has_usable_password()


def test_no_second_address_can_be_added(as_alice):
    assert as_alice.get("/accounts/email/").url == "/settings/"
    assert as_alice.post("/accounts/email/", {"action_add": "", "email": "thief@example.com"}).status_code == 405
    assert not EmailAddress.objects.filter(email="thief@example.com").exists()


def test_a_wrong_password_of_somebody_known_is_noted(client, known):
    client.post("/accounts/login/", {"login": known.email, "password": "wrong wrong wrong"})
    client.post("/accounts/login/", {"login": "nobody@example.com", "password": "wrong wrong wrong"})
    assert Event.objects.filter(action=Action.SIGN_IN_FAILED).count() == 1


def test_wrong_passwords_are_limited(client, known):
    for _ in range(5):
        client.post("/accounts/login/", {"login": known.email, "password": "wrong wrong wrong"})
    client.post("/accounts/login/", {"login": known.email, "password": PASSWORD})
    assert not client.session.get("_auth_user_id")


def test_a_reset_link_names_our_own_address(client, known, settings):
    client.post("/accounts/password/reset/", {"email": known.email}, headers={"host": "127.0.0.1"})
    assert f"{settings.NEXUS_BASE_URL}/accounts/password/reset/key/" in mail.outbox[-1].body
    assert client.post("/accounts/password/reset/", headers={"host": "evil.example"}).status_code == 400


def test_a_password_is_reset_through_the_link(client, known, settings):
    client.post("/accounts/password/reset/", {"email": known.email})
    link = re.search(r"http\S+", mail.outbox[-1].body)[0].removeprefix(settings.NEXUS_BASE_URL)
    form = client.get(link, follow=True)
    assert "Choose a new password" in form.content.decode()
    new = "another long pass phrase"
    client.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    known.refresh_from_db()
    assert known.check_password(new)


def test_our_mails_are_calm(known):
    for page, address in [
        ("login/code", known.email),
        ("login/code", "nobody@example.com"),
        ("password/reset", known.email),
    ]:
        Client().post(f"/accounts/{page}/", {"email": address})
    assert len(mail.outbox) == 3
    assert not any("!" in sent.body + sent.subject for sent in mail.outbox)
