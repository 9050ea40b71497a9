"""Row 41: a link that fills in the Install form fills it in, and no more: a person reads, presses, and confirms."""

import html

import pytest

from tests.security.pages import browser, install
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
LINK = "/install/?profile=work&name=n8n&days=30&submit=1&install=1&confirm=1&request_key=11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("confirmed_ago", [0.0, 3600.0])
def test_the_link_makes_no_token_however_it_is_asked_for(alice, work, confirmed_ago):
    person = browser(alice, confirmed_ago=confirmed_ago)
    for ask in (person.get, person.head, person.options):
        answer = ask(LINK)
        assert answer.status_code in (200, 302, 303, 405)
    assert not DelegatedToken.objects.exists()


def test_what_it_is_for_stands_in_the_form_before_the_press(alice, work):
    page = html.unescape(browser(alice).get(LINK).content.decode())
    assert 'value="n8n"' in page
    assert "Work" in page
    assert str(work.pk) in page


def test_a_post_with_everything_in_the_address_and_nothing_in_the_body_makes_nothing(alice, work):
    answer = browser(alice).post(LINK)
    assert answer.status_code == 422
    assert not DelegatedToken.objects.exists()


def test_the_press_alone_is_not_enough_for_who_signed_in_long_ago(alice, work):
    answer = install(browser(alice, confirmed_ago=3600), work)
    assert (answer.status_code, "/accounts/confirm/" in answer["Location"]) == (303, True)
    assert not DelegatedToken.objects.exists()


def test_a_form_of_another_site_is_not_a_press(alice, work):
    person = browser(alice, enforce_csrf_checks=True)
    assert install(person, work).status_code == 403
    assert not DelegatedToken.objects.exists()


def test_a_toolkit_of_others_is_not_filled_in(charlie, work):
    page = browser(charlie).get(LINK).content.decode()
    assert str(work.pk) not in page


def test_markup_in_the_link_is_text(alice, work):
    page = browser(alice).get('/install/?profile=work&name="><img src=x onerror=alert(1)>').content.decode()
    assert "<img src=x" not in page
