from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from profiles.events import Event
from tests import cast
from tests.security.pages import browser
from tokens import expiry
from tokens.clients.filling import Facts
from tokens.clients.stores import stores_named
from tokens.forms_narrowing import NarrowingForm

NOW = datetime(2026, 11, 25, 2, 54, tzinfo=UTC)
GERMAN = {"accept-language": "de"}


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (timedelta(days=6, hours=23), "in 6 Tagen 23 Stunden"),
        (timedelta(days=1), "in 1 Tag"),
        (timedelta(hours=-2), "vor 2 Stunden"),
        (timedelta(seconds=5), "in weniger als einer Minute"),
    ],
)
def test_how_far_a_moment_is_bends_the_words_as_german_does(life, words):
    with translation.override("de"):
        assert expiry.words(NOW + life, NOW) == words
        assert expiry.span(6 * 86400) == "6 Tage"


def test_a_described_moment_is_written_in_the_language_of_the_request():
    zone = ZoneInfo("Europe/Berlin")
    assert expiry.describe(NOW, zone, NOW).local == "Wed 25 Nov 2026, 03:54 Europe/Berlin (UTC+1)"
    with translation.override("de"):
        assert expiry.describe(NOW, zone, NOW).local == "Mi, 25. Nov. 2026, 03:54 Europe/Berlin (UTC+1)"


def test_the_bounds_of_a_field_are_grouped_as_the_language_does():
    def said() -> str:
        return str(NarrowingForm({"call_cap": "many"}).errors["call_cap"][0])

    assert said() == "Write a whole number from 1 to 1,000,000,000, or leave it empty."
    with translation.override("de"):
        assert "von 1 bis 1.000.000.000" in said()


@pytest.mark.django_db
def test_events_keep_a_reason_in_english_whoever_gives_it_and_pages_translate_it(alice, work):
    token, at = cast.make_token(alice, work, "n8n").token, browser(alice)
    at.post(f"/tokens/{token.public_id}/revoke/", {"reason": "unneeded"}, headers=GERMAN)
    assert Event.objects.get(action="token.revoked").reason == "No longer needed"
    page = at.get(f"/tokens/{token.public_id}/", headers=GERMAN).content.decode()
    assert page.count("Nicht mehr nötig") == 2
    assert "No longer needed" not in page


def test_the_file_among_the_stores_is_named_in_the_language_of_the_page(work):
    with translation.override("de"):
        labels = [store.label for store in stores_named("nexus-work-n8n", Facts.of(work))]
    assert ".env-Datei" in labels
    assert "Kubernetes" in labels
