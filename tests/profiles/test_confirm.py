import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone

from profiles import confirmation
from profiles.events import Action, Event
from tests.cast import PASSWORD


def request_of(browser, user):
    request = RequestFactory().get("/")
    request.session, request.user = browser.session, user
    return request


def mailed_code() -> str:
    return re.search(r"\n    ([A-Z0-9]{8})\n", mail.outbox[-1].body)[1]


def test_a_session_without_a_record_is_not_confirmed(as_alice, alice):
    assert not confirmation.is_confirmed(request_of(as_alice, alice))


def test_a_password_confirms_for_ten_minutes(as_alice, alice):
    answer = as_alice.post("/accounts/confirm/", {"password": PASSWORD, "next": "/toolkits/"})
    assert answer.url == "/toolkits/"
    request = request_of(as_alice, alice)
    assert confirmation.is_confirmed(request)
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert not confirmation.is_confirmed(request)
    with time_machine.travel(timezone.now() - timedelta(minutes=1)):
        assert not confirmation.is_confirmed(request), "a clock that went back confirms nobody"


def test_the_session_key_changes(as_alice):
    before = as_alice.session.session_key
    as_alice.post("/accounts/confirm/", {"password": PASSWORD})
    assert as_alice.session.session_key != before
    assert Event.objects.filter(action=Action.CONFIRMED).count() == 1


def test_another_session_is_not_confirmed_with_it(as_alice, alice):
    other = Client()
    other.force_login(alice)
    as_alice.post("/accounts/confirm/", {"password": PASSWORD})
    assert not confirmation.is_confirmed(request_of(other, alice))


def test_a_record_of_another_person_does_not_count(as_alice, bob):
    as_alice.post("/accounts/confirm/", {"password": PASSWORD})
    assert not confirmation.is_confirmed(request_of(as_alice, bob))


def test_a_wrong_password_is_refused_and_noted(as_alice, alice):
    assert as_alice.post("/accounts/confirm/", {"password": "wrong"}).status_code == 422
    assert not confirmation.is_confirmed(request_of(as_alice, alice))
    assert Event.objects.filter(action=Action.SIGN_IN_FAILED).count() == 1


def test_after_five_wrong_passwords_the_right_one_waits_too(as_alice, alice):
    for _ in range(5):
        as_alice.post("/accounts/confirm/", {"password": "wrong"})
    assert as_alice.post("/accounts/confirm/", {"password": PASSWORD}).status_code == 429
    other = Client()
    other.force_login(alice)
    assert other.post("/accounts/confirm/", {"password": PASSWORD}).status_code == 429


def test_a_mailed_code_confirms_once(as_alice, alice):
    as_alice.post("/accounts/confirm/mail/", {"next": "/toolkits/"})
    assert mail.outbox[-1].to == [alice.email]
    code = mailed_code()
    answer = as_alice.post(
        "/accounts/confirm/code/", {"code": f" {code[:4].lower()}-{code[4:]} ", "next": "/toolkits/"}
    )
    assert answer.url == "/toolkits/"
    assert confirmation.is_confirmed(request_of(as_alice, alice))
    assert as_alice.post("/accounts/confirm/code/", {"code": code}).status_code == 422


def test_the_code_is_not_kept(as_alice):
    as_alice.post("/accounts/confirm/mail/")
    assert mailed_code() not in str(dict(as_alice.session))


def test_a_code_ends_after_ten_minutes(as_alice):
    as_alice.post("/accounts/confirm/mail/")
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert as_alice.post("/accounts/confirm/code/", {"code": mailed_code()}).status_code == 422


def test_a_code_is_good_in_the_session_that_asked_only(as_alice, alice):
    as_alice.post("/accounts/confirm/mail/")
    other = Client()
    other.force_login(alice)
    assert other.post("/accounts/confirm/code/", {"code": mailed_code()}).status_code == 422


def test_wrong_codes_are_limited(as_alice):
    as_alice.post("/accounts/confirm/mail/")
    for _ in range(5):
        assert as_alice.post("/accounts/confirm/code/", {"code": "XXXXXXXX"}).status_code == 422
    assert as_alice.post("/accounts/confirm/code/", {"code": mailed_code()}).status_code == 429


def test_mails_are_limited(as_alice):
    for _ in range(5):
        as_alice.post("/accounts/confirm/mail/")
    assert len(mail.outbox) == 3


def test_who_has_no_password_is_offered_the_code_only(as_alice, alice):
    alice.set_unusable_password()
    alice.save()
    as_alice.force_login(alice)
    page = as_alice.get("/accounts/confirm/").content.decode()
    assert "Mail me a code" in page
    assert 'name="password"' not in page
    as_alice.post("/accounts/confirm/", {"password": ""})
    assert not confirmation.is_confirmed(request_of(as_alice, alice))


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_led_elsewhere(as_alice, elsewhere):
    assert as_alice.post("/accounts/confirm/", {"password": PASSWORD, "next": elsewhere}).url == "/"


def test_get_mails_nothing(as_alice):
    assert as_alice.get("/accounts/confirm/mail/").status_code == 405


def test_allauths_own_page_leads_here(as_alice):
    answer = as_alice.get("/accounts/reauthenticate/?next=/settings/")
    assert (answer.status_code, answer.url) == (303, "/accounts/confirm/?next=%2Fsettings%2F")


def test_what_was_typed_is_kept_without_secrets(as_alice, alice):
    request = request_of(as_alice, alice)
    typed = {"name": "n8n", "toolkit": "1", "csrfmiddlewaretoken": "x", "password": "p", "client_secret": "s"}
    confirmation.keep_form(request, "install", typed)
    assert confirmation.take_form(request, "install").dict() == {"name": "n8n", "toolkit": "1"}
    assert confirmation.take_form(request, "install") is None
