"""Row 45: the secret is in the answer to the press on Install, and nowhere else."""

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache

from profiles.events import Event
from tests.security.pages import browser, install, register
from tokens import keys
from tokens.models import Application, DelegatedToken

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def secret_in(answer):
    found = keys.ANYWHERE.search(answer.content.decode())
    assert found, "no secret is shown"
    return found[0]


def test_the_answer_that_shows_it_is_kept_nowhere(alice, work):
    answer = install(browser(alice), work)
    assert answer.status_code == 200  # no redirect that would have to carry it
    secret = secret_in(answer)
    assert keys.digest(secret) == DelegatedToken.objects.get().digest
    assert "no-store" in answer["Cache-Control"]
    assert "Location" not in answer
    assert secret not in str(answer.headers)
    page = answer.content.decode()
    assert secret not in "".join(part.partition("-->")[0] for part in page.split("<!--")[1:])
    assert 'autocomplete="on"' not in page


def test_nothing_shows_it_again(alice, bob, work):
    client = browser(alice)
    secret = secret_in(install(client, work))
    token = DelegatedToken.objects.get()
    for path in (
        "/install/", f"/install/?token={token.public_id}", f"/tokens/{token.public_id}/", "/tokens/", "/activity/", "/",
        f"/api/v1/tokens/{token.public_id}", "/api/v1/tokens",
    ):  # fmt: skip
        assert secret[17:] not in client.get(path).content.decode(), path
    assert secret[17:] not in browser(bob).get("/tokens/").content.decode()


def test_it_is_not_in_the_session_the_cache_the_events_or_the_row(alice, work):
    client = browser(alice)
    secret = secret_in(install(client, work))
    stored = [str(session.get_decoded()) for session in Session.objects.all()]
    stored += [str(vars(event)) for event in Event.objects.all()] + [str(DelegatedToken.objects.values().get())]
    stored += [str(getattr(cache, "_cache", "")), str(client.cookies)]
    assert not any(secret[17:40] in text for text in stored)


def test_pressing_again_shows_no_secret_and_issues_nothing(alice, work):
    client, key = browser(alice), "0b0f7e2c-7f57-4f5c-9f6e-000000000001"
    secret = secret_in(install(client, work, request_key=key))
    again = install(client, work, request_key=key)
    assert secret not in again.content.decode()
    assert not keys.ANYWHERE.search(again.content.decode())
    assert DelegatedToken.objects.count() == 1


def test_a_link_preview_neither_consumes_nor_issues(alice, work):
    client = browser(alice)
    for agent in ("Slackbot-LinkExpanding 1.0", "Mozilla/5.0"):
        for purpose in ("prefetch", ""):
            path = f"/install/?profile=work&name=x&life=7&toolkit={work.pk}&submit=1"
            client.get(path, HTTP_USER_AGENT=agent, HTTP_SEC_PURPOSE=purpose)
            client.head(path)
    assert not DelegatedToken.objects.exists()


def test_the_secret_of_an_application_is_shown_in_one_answer_and_kept_nowhere(alice):
    client, key = browser(alice), "0b0f7e2c-7f57-4f5c-9f6e-000000000002"
    answer = register(client, request_key=key)
    secret = secret_in(answer)
    assert "no-store" in answer["Cache-Control"]
    page, headers = answer.content.decode(), str(answer.headers)
    assert secret not in headers + "".join(part.partition("-->")[0] for part in page.split("<!--")[1:])
    application = Application.objects.get()
    home = f"/applications/{application.client_id}/"
    assert not keys.ANYWHERE.search(register(client, request_key=key).content.decode())
    shown = [client.get(path).content.decode() for path in ("/applications/", home, f"{home}edit/", f"{home}secret/")]
    stored = [str(session.get_decoded()) for session in Session.objects.all()]
    stored += [str(vars(event)) for event in Event.objects.all()] + [str(Application.objects.values().get())]
    stored += [str(getattr(cache, "_cache", "")), str(client.cookies)]
    assert not any(secret[18:40] in text for text in shown + stored)
