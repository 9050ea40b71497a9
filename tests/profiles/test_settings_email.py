"""Another address: shown to be one's own by a code, and the old one is warned."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from profiles.events import Action, Event
from tests.cast import PASSWORD
from tests.security.pages import browser

PAGE, CODE = "/settings/email/", "/settings/email/code/"


@pytest.fixture
def at_home(alice):
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return browser(alice)


def code_in(sent) -> str:
    return re.search(r"\n    ([A-Z0-9]{8})\n", sent.body)[1]


def test_an_address_is_changed_by_the_code_that_it_got_and_the_old_one_is_warned(
    at_home, alice, client, django_capture_on_commit_callbacks
):
    assert at_home.post(PAGE, {"email": "Alice@New.example"}).url == CODE
    assert mail.outbox[-1].to == ["alice@new.example"]
    alice.refresh_from_db()
    assert alice.email == "alice@example.com", "nothing has changed yet"
    with django_capture_on_commit_callbacks(execute=True):
        assert at_home.post(CODE, {"code": code_in(mail.outbox[-1])}).url == "/settings/security/everything/"
    alice.refresh_from_db()
    assert alice.email == "alice@new.example"
    assert mail.outbox[-1].to == ["alice@example.com"]
    assert "alice@new.example" in mail.outbox[-1].subject
    event = Event.objects.get(action=Action.EMAIL_CHANGED)
    assert (event.before, event.after) == ({"email": "alice@example.com"}, {"email": "alice@new.example"})
    assert at_home.get(PAGE).status_code == 303, "what was shown before counts no more"
    client.post("/accounts/login/", {"login": "alice@new.example", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_the_personal_account_that_was_named_after_the_old_address_takes_the_new_one(at_home, alice):
    alice.personal_account.name = alice.email
    alice.personal_account.save()
    at_home.post(PAGE, {"email": "alice@new.example"})
    at_home.post(CODE, {"code": code_in(mail.outbox[-1])})
    alice.personal_account.refresh_from_db()
    assert alice.personal_account.name == "alice@new.example"


def test_nobody_learns_here_who_has_an_account(at_home, alice, bob):
    known = at_home.post(PAGE, {"email": "BOB@example.com"})
    said = at_home.get(known.url).content.decode()
    assert mail.outbox[-1].to == ["bob@example.com"]
    assert not re.search(r"\n    [A-Z0-9]{8}\n", mail.outbox[-1].body)
    new = at_home.post(PAGE, {"email": "nobody@example.com"})
    token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    other = at_home.get(new.url).content.decode().replace("nobody@", "bob@")
    assert token.sub("", said) == token.sub("", other)


def test_an_address_that_somebody_takes_meanwhile_stays_theirs(at_home, alice, bob):
    at_home.post(PAGE, {"email": "carol@example.com"})
    bob.email = "carol@example.com"
    bob.save()
    assert at_home.post(CODE, {"code": code_in(mail.outbox[-1])}).status_code == 422
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    assert EmailAddress.objects.get(user=alice).email == "alice@example.com"


def test_a_code_is_good_once_for_ten_minutes_in_its_own_session(at_home, alice):
    at_home.post(PAGE, {"email": "a@new.example"})
    code = code_in(mail.outbox[-1])
    other = browser(alice)
    assert other.post(CODE, {"code": code}).url == PAGE
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        late = browser(alice)
        late.cookies = at_home.cookies
        assert late.post(CODE, {"code": code}).status_code == 303
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_wrong_codes_and_mails_are_limited(at_home, alice):
    for _ in range(5):
        at_home.post(PAGE, {"email": "a@new.example"})
    assert at_home.post(PAGE, {"email": "b@new.example"}).status_code == 429
    assert len(mail.outbox) == 5
    for _ in range(5):
        assert at_home.post(CODE, {"code": "XXXXXXXX"}).status_code == 422
    assert at_home.post(CODE, {"code": code_in(mail.outbox[-1])}).status_code == 429


@pytest.mark.parametrize(
    "email", ["", "x", "alice@example.com", "a@machine.invalid", "a@b\nBcc: c@example.com", "a" * 250 + "@x.example"]
)
def test_no_odd_address_is_taken(at_home, email):
    assert at_home.post(PAGE, {"email": email}).status_code == 422
    assert mail.outbox == []
