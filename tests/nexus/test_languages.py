"""In which language pages, mails and programs' answers are; that of a person before that of a browser."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from django.core import mail
from django.template.loader import render_to_string
from django.utils import timezone, translation

from nexus.api import schema_json
from profiles.models import User
from tests import cast
from tests.security.pages import browser
from tokens import clients, emails
from tokens.models import DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__")]
GERMAN = {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}
SIGN_IN = "/accounts/login/"


class Texts(HTMLParser):
    """Collects what a page says, without code, data of people and what says itself that it is English."""

    SKIPPED = ("code", "pre", "script", "style", "option", "bdi", "title")
    EMPTY = ("br", "hr", "img", "input", "link", "meta", "wbr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.skipping: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        is_english = ("lang", "en") in attrs and tag != "html"
        if (self.skipping or tag in self.SKIPPED or is_english) and tag not in self.EMPTY:
            self.skipping.append(tag)

    def handle_endtag(self, tag):
        if self.skipping:
            self.skipping.pop()

    def handle_data(self, data):
        if not self.skipping:
            self.found.add(" ".join(data.split()))


def in_german(client, path: str) -> str:
    return client.get(path, headers=GERMAN).content.decode()


def test_signing_in_is_in_the_language_of_the_browser(client):
    answer = client.get(SIGN_IN, headers=GERMAN)
    assert '<html lang="de"' in answer.content.decode()
    assert "Anmelden" in answer.content.decode()
    assert answer["Content-Language"] == "de"
    assert "Accept-Language" in answer["Vary"]
    assert '<html lang="en"' in client.get(SIGN_IN, headers={"accept-language": "fr"}).content.decode()


def test_a_language_can_be_chosen_before_signing_in(client):
    answer = client.post("/language/", {"language": "de", "next": SIGN_IN})
    assert answer.url == SIGN_IN
    assert "Anmelden" in client.get(SIGN_IN).content.decode()
    assert client.get("/language/").status_code == 405
    assert client.post("/language/", {"language": "xx", "next": "https://evil.example/"}).url == "/"
    assert "Anmelden" in client.get(SIGN_IN).content.decode()


def test_the_language_of_a_person_wins_over_that_of_the_browser(alice):
    at = browser(alice)
    assert "Übersicht" in in_german(at, "/")
    at.post("/settings/", {"name": "Alice", "time_zone": "UTC", "language": "en"})
    assert "Dashboard" in in_german(at, "/")
    at.post("/settings/", {"name": "Alice", "time_zone": "UTC", "language": "de"})
    assert '<html lang="de"' in at.get("/").content.decode()


def test_an_unknown_language_is_refused_and_nothing_lost(alice):
    answer = browser(alice).post("/settings/", {"name": "Typed", "time_zone": "UTC", "language": "xx"})
    assert answer.status_code == 422
    assert "Typed" in answer.content.decode()
    alice.refresh_from_db()
    assert alice.language == ""


def test_what_programs_read_is_english_in_any_language(alice):
    alice.language = "de"
    alice.save()
    at = browser(alice)
    problem = at.patch("/api/v1/me", {"time_zone": "Mars"}, content_type="application/json", headers=GERMAN)
    assert "is not a time zone" in problem.content.decode()
    assert at.get("/api/v1/nowhere", headers=GERMAN).json()["title"] == "Not Found"
    asked = at.post("/oauth/token", {}, headers=GERMAN)
    assert asked.json() == at.post("/oauth/token", {}).json()
    refused = at.get("/tokens/?q=%00", headers={**GERMAN, "accept": "application/json"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "Remove it and try again.")


@pytest.mark.slow
def test_the_schema_is_english_whoever_asks_for_its_page_first(alice):
    schema_json.cache_clear()
    at = browser(alice)
    assert at.get("/api/v1/docs", headers=GERMAN).status_code == 200
    german = schema_json()
    schema_json.cache_clear()
    assert german == schema_json()


def test_nothing_of_a_german_page_is_left_in_english(acme, alice, bob, work):
    cast.make_token(alice, work)
    names = {alice.email} | {name for client in clients.every().values() for name in (client.label, client.words)}
    named, left = re.compile("|".join(map(re.escape, names - {""}))), {}
    for path in ("/", "/install/?client=n8n", "/tokens/", "/activity/", "/settings/", "/guide/", SIGN_IN):
        at = browser(None if path == SIGN_IN else alice)
        english, german = Texts(at.get(path).content.decode()), Texts(in_german(at, path))
        same = {named.sub("", text) for text in english.found & german.found - names}
        left[path] = {text for text in same if len(re.findall(r"\w+", text)) >= 3}
    assert not any(left.values()), left


def test_dates_are_as_germans_write_them():
    at = datetime(2026, 11, 5, 14, 30, tzinfo=UTC)
    with translation.override("de"):
        assert "5. Nov. 2026, 14:30<" in render_to_string("components/time.html", {"at": at})
    assert "5 Nov 2026, 14:30<" in render_to_string("components/time.html", {"at": at})


def test_a_mail_is_in_the_language_of_its_reader_whoever_causes_it(alice, work):
    token = cast.make_token(alice, work, "n8n").token
    token.revoke(by=cast.OPERATOR, reason=DelegatedToken.Reason.OTHER, now=timezone.now())
    english = emails.of_revoked([token], "Bob").subject
    token.owner.language = "de"
    german = emails.of_revoked([token], "Bob").subject
    assert "n8n" in german
    assert german != english
    assert translation.get_language() == "en"


def test_mails_are_in_the_language_of_the_browser_that_signed_in_last(client, alice):
    alice.set_password("correct horse battery")
    alice.save()
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    client.post(SIGN_IN, {"login": alice.email, "password": "correct horse battery"}, headers=GERMAN)
    assert User.objects.get(pk=alice.pk).mail_language == "de"


def test_who_has_an_address_that_a_german_asks_for_is_told_in_their_own_language(client, alice, bob):
    for person in (alice, bob):
        person.emailaddress_set.create(email=person.email, verified=True, primary=True)
    User.objects.filter(pk=bob.pk).update(language="en")
    User.objects.filter(pk=alice.pk).update(language="de")
    sign_up = {"email": bob.email, "password1": "correct horse battery", "password2": "correct horse battery"}
    client.post("/accounts/signup/", sign_up, headers=GERMAN)
    client.post("/accounts/password/reset/", {"email": bob.email}, headers=GERMAN)
    browser(alice).post("/settings/email/", {"email": bob.email})
    already, reset, wanted = mail.outbox
    assert "use your address" in wanted.subject
    assert "password" in reset.subject
    assert "account" in already.subject.lower()


def test_who_is_new_is_mailed_in_the_language_of_their_browser(client, db):
    sign_up = {"email": "neu@example.com", "password1": "correct horse battery", "password2": "correct horse battery"}
    client.post("/accounts/signup/", sign_up, headers=GERMAN)
    assert "Code" in mail.outbox[-1].body
    assert "bestätig" in (mail.outbox[-1].subject + mail.outbox[-1].body).lower()
