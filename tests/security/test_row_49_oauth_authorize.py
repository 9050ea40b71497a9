"""Row 49, at the authorization endpoint: PKCE, issuer, mix-up, and consent that nobody gave."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from tests import cast
from tests.security.pages import browser
from tests.tokens.oauth.authorizing import CHALLENGE, address_of, allow, answer_in, resource_of
from tokens.models import Connection, Grant
from tokens.models.connections import SESSION_LIFE

pytestmark = pytest.mark.django_db(databases="__all__")
WEB = "https://client.example/callback"


@pytest.fixture
def trusted(alice, work):
    """A site that Alice lets use Acme's toolkit."""
    application = cast.make_application(name="Chat", redirect_uris=WEB)
    answer_in(allow(browser(alice), address_of(application, redirect_uri=WEB, resource=resource_of(work)), work))
    return application


def test_a_new_client_of_the_same_name_and_address_is_not_let_through(alice, work, trusted):
    person = browser(alice)
    known = address_of(trusted, redirect_uri=WEB, resource=resource_of(work))
    assert "code" in answer_in(person.get(known))  # in the very browser that agreed
    for name, uri in (("Chat", WEB), ("Chat", "https://evil.example/callback")):
        other = cast.make_application(name=name, redirect_uris=uri)
        answer = person.get(address_of(other, redirect_uri=uri, resource=resource_of(work)))
        assert answer.status_code == 200
        assert "you agreed to this before" not in answer.content.decode()


def test_what_another_person_agreed_to_counts_for_nobody_else(bob, work, trusted):
    assert browser(bob).get(address_of(trusted, redirect_uri=WEB, resource=resource_of(work))).status_code == 200


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:5/cb", "http://localhost:5/cb", "http://[::1]:5/cb", "cursor://x/cb"]
)
def test_a_program_cannot_use_the_consent_of_another(alice, work, uri):
    application, person = cast.make_application(redirect_uris=uri), browser(alice)
    address = address_of(application, redirect_uri=uri, resource=resource_of(work))
    answer_in(allow(person, address, work))
    answer = person.get(address)
    assert answer.status_code == 200
    assert "Location" not in answer


def test_a_mixed_client_is_let_through_to_its_site_only(alice, work):
    application, person = cast.make_application(redirect_uris=f"{WEB} http://127.0.0.1/cb"), browser(alice)
    answer_in(allow(person, address_of(application, redirect_uri=WEB), work))
    named = {"resource": resource_of(work)}
    assert "code" in answer_in(person.get(address_of(application, redirect_uri=WEB, **named)))
    assert person.get(address_of(application, redirect_uri="http://127.0.0.1:9/cb", **named)).status_code == 200


def test_a_form_from_elsewhere_agrees_to_nothing(alice, work):
    application, person = cast.make_application(), browser(alice, enforce_csrf_checks=True)
    answer = allow(person, address_of(application), work)
    assert answer.status_code == 403
    assert not Connection.objects.exists()


def test_nothing_in_the_form_changes_what_the_address_asks(alice, work):
    application, other = (
        cast.make_application(),
        cast.make_application(name="Evil", redirect_uris="https://evil.example/cb"),
    )
    more = {
        "client_id": other.client_id,
        "redirect_uri": "https://evil.example/cb",
        "code_challenge": "A" * 43,
        "state": "evil",
    }
    answer = answer_in(allow(browser(alice), address_of(application), work, **more))
    grant = Grant.objects.get()
    assert (grant.application, grant.code_challenge, answer["state"]) == (application, CHALLENGE, "xyz/1+2")


def test_parameters_in_a_form_alone_are_no_request(alice, work):
    application = cast.make_application()
    query = urlsplit(address_of(application)).query
    form = "application/x-www-form-urlencoded"
    assert browser(alice).post("/oauth/authorize", query, content_type=form).status_code == 400


def test_every_answer_names_the_issuer(alice, work):
    application, person = cast.make_application(), browser(alice)
    answers = [
        allow(person, address_of(application), work), person.post(address_of(application), {"decision": "cancel"}),
        person.get(address_of(application, code_challenge_method="plain")), browser().get(address_of(application, prompt="none")),
    ]  # fmt: skip
    assert {answer_in(answer)["iss"] for answer in answers} == {settings.NEXUS_BASE_URL}


def test_no_code_outlives_what_was_agreed(alice, work):
    application = cast.make_application()
    before = timezone.now()
    answer_in(allow(browser(alice), address_of(application), work, days="30"))
    grant = Grant.objects.get()
    assert grant.session_ends_at - before <= SESSION_LIFE + timedelta(seconds=30)
    assert grant.expires - before <= timedelta(seconds=90)


def test_a_session_too_old_gives_no_code_to_whoever_took_it(alice, work, trusted):
    person = browser(alice, confirmed_ago=601)
    address = address_of(trusted, redirect_uri=WEB, resource=resource_of(work))
    known = Grant.objects.count()
    for answer in (person.get(address), allow(person, address, work)):
        assert urlsplit(answer["Location"]).path == "/accounts/confirm/"
    assert Grant.objects.count() == known


def test_no_code_is_written_to_the_log(alice, work, caplog):
    code = answer_in(allow(browser(alice), address_of(cast.make_application()), work))["code"]
    assert code not in caplog.text


def test_pages_about_a_request_are_kept_nowhere_and_framed_by_nobody(alice, work, trusted):
    person = browser(alice)
    for address in (
        address_of(cast.make_application()),
        address_of(trusted, client_id="x"),
        address_of(trusted, redirect_uri=WEB),
    ):
        for answer in (person.get(address), browser().get(address)):
            assert answer["Cache-Control"] == "no-store"
            assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
            assert answer["Referrer-Policy"] == "no-referrer"
