"""Activity in German: what is computed when it is shown is translated, what is kept is not, and no drawing breaks."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from activity import reasons
from activity.models import Finding
from activity.unexpected.rules import Sign
from activity.unexpected.sentences import NAMELESS, SENTENCES, Sentence
from profiles.events import Action, Event
from tests import cast
from tests.activity.calls import count_calls, make_call, make_calls
from tests.activity.test_unexpected import after, found, look, settled, token, use
from tokens.models import CalendarFeed
from tokens.tasks import mail_unexpected

__all__ = ["settled", "token"]  # fixtures

pytestmark = pytest.mark.django_db(databases="__all__")

GERMAN = {"accept-language": "de-DE"}
# Within <svg>: attributes that hold a number, where a decimal comma would be another number.
DRAWN = re.compile(r'\b(?:x|y|width|height|d)="([^"]*)"')


def in_german(browser, path):
    answer = browser.get(path, headers=GERMAN)
    assert answer.status_code == 200, path
    return answer.content.decode()


def drawings(page):
    return [value for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL) for value in DRAWN.findall(svg)]


@pytest.fixture
def calls(alice, work):
    """Make few; more than a thousand only where separators are looked at."""
    token, now = cast.make_token(alice, work, "n8n").token, timezone.now()
    make_calls(token, [now - timedelta(minutes=5)] * 12, hub_ms=1234.5)
    for reason in ("not in the toolkit", "from 203.0.113.7"):
        make_call(token, now - timedelta(hours=3), outcome="refused", reason=reason)
    count_calls()
    return token


def test_numbers_and_reasons_are_german_and_charts_keep_their_points(at_acme, calls):
    make_calls(calls, [timezone.now() - timedelta(minutes=5)] * 1188, hub_ms=1234.5)
    count_calls()
    page = in_german(at_acme, "/activity/")
    for text in ("1.202 Aufrufe: 1.200 OK, 2 abgelehnt, 0 mit Fehler (0,2 % gingen schief).", "1.234,5 ms"):
        assert text in page
    page += in_german(at_acme, "/activity/?outcome=refused")
    assert "nicht im Toolkit" in page
    assert "von 203.0.113.7" in page
    numbers = drawings(page)
    assert len(numbers) > 50
    assert not [value for value in numbers if "," in value]


def test_the_page_of_a_token_draws_its_life_and_its_weekdays(at_acme, calls):
    page = in_german(at_acme, f"/tokens/{calls.public_id}/activity/")
    assert re.search(r"Die meisten Aufrufe: \w+tags|mittwochs", page)
    assert "<span>Mo</span>" in page
    assert not [value for value in drawings(page) if "," in value]


def test_what_was_found_is_told_in_the_reader_s_language_and_kept_in_english(settled, at_acme, alice):
    use(settled, after(minutes=10), address="198.51.100.9")
    look(after(minutes=11))
    assert len(found()) == 1
    [finding] = Finding.objects.all()
    assert finding.said == "Calls come from 198.51.100.0/24, where it was not used before."
    page = in_german(at_acme, f"/tokens/{settled.public_id}/activity/")
    assert "Aufrufe kommen aus 198.51.100.0/24, wo es vorher nicht benutzt wurde." in page
    assert Event.objects.get(action=Action.TOKEN_UNEXPECTED).reason == finding.said

    alice.language = "de"
    alice.save()
    mail_unexpected(settled.pk)
    assert mail.outbox[-1].subject == "„n8n production“ wurde anders benutzt als bisher"
    assert "Aufrufe kommen aus 198.51.100.0/24" in mail.outbox[-1].body


def test_a_finding_from_before_there_were_languages_is_told_as_it_was_kept():
    finding = Finding(evidence=[{"value": "v", "said": "It was so.", "address": ""}])
    assert [sign["said"] for sign in finding.signs] == ["It was so."]


@pytest.mark.parametrize("name", SENTENCES)
def test_every_sentence_has_all_its_parts_in_both_languages(name):
    parts = dict.fromkeys(re.findall(r"%\((\w+)\)s", SENTENCES[name]), "")
    said = Sentence(name, parts)
    sign = Sign("v", said, after(), after())
    assert sign.as_evidence()["parts"] == parts
    assert "%(" not in said.in_english + said.in_language
    assert not {"one", "other", "network"} & parts.keys() or any(text in said.in_english for text in NAMELESS.values())


def test_a_reason_that_a_server_gave_stays_as_it_is():
    assert reasons.told("Its program does not run (no <such> file).") == "Its program does not run (no <such> file)."


def test_an_export_is_noted_in_english_whoever_makes_it(at_acme, calls):
    at_acme.post("/activity/export?tool=echo__echo", {"format": "csv"}, headers=GERMAN)
    assert Event.objects.get(action=Action.ACTIVITY_EXPORTED).after["filters"] == {"Tool": "echo__echo"}


def test_a_calendar_is_in_the_language_of_its_owner(client, alice, calls):
    _, key = CalendarFeed.objects.make(alice, by=cast.OPERATOR, now=timezone.now())
    path = f"/tokens/feed/{key.text}.ics"
    assert "SUMMARY:Token “n8n” ends" in client.get(path, headers=GERMAN).content.decode()
    alice.language = "de"
    alice.save()
    assert "SUMMARY:Token „n8n“ läuft ab" in client.get(path).content.decode()
