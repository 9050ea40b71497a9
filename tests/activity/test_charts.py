"""The chart: what was counted, drawn and said; days that begin at midnight where the person is."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.utils import timezone

from activity import charts, keyset
from activity.models import Slot
from activity.spans import DAY, HOUR, MINUTE, Span
from tests import cast
from tests.activity.calls import count_calls, make_call, make_calls

NOON = datetime(2026, 11, 24, 12, 10, tzinfo=UTC)

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


@pytest.fixture(autouse=True)
def _at_noon():
    with time_machine.travel(NOON, tick=False):
        yield


def page_of(browser, query=""):
    answer = browser.get(f"/activity/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def summary_of(page):
    text = re.sub(r"<[^>]*>", "", re.search(r'<p id="chart-summary">(.*?)</p>', page, re.DOTALL)[1])
    return " ".join(text.split())


def test_the_page_says_in_words_and_numbers_what_it_draws(at_acme, alice, token):
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    make_calls(token, [NOON - MINUTE] * 3, hub_ms=12.0)
    make_call(token, NOON - MINUTE, outcome="refused")
    make_call(token, NOON - 5 * HOUR, outcome="tool_error", hub_ms=12.0)
    count_calls()
    page = page_of(at_acme)
    said = summary_of(page)
    assert said.startswith("5 calls: 3 OK, 1 refused, 1 with an error (40 % went wrong).")
    assert "The most at once: 4, 24 Nov, 17:30 to 17:40." in said
    assert re.search(r"Half of them took up to 1[1-6](\.\d)? ms, 95 % up to 1[1-6](\.\d)? ms\.", said)
    assert "<title>24 Nov, 17:30 to 17:40: 3 OK, 1 refused, 0 with an error; p50" in page
    assert 'title="24 Nov 2026, 12:00 UTC">24 Nov, 17:30 to 17:40</time>' in page


@pytest.mark.parametrize(
    "query", ["", "?range=7d", "?toolkit=work", "?tool=echo__echo", "?token=n8n", "?client=code", "?text=echo"]
)
def test_every_filter_has_its_chart(at_acme, alice, acme, token, query):
    make_calls(token, [NOON - MINUTE] * 3, client_name="claude-code", server="echo")
    make_call(token, NOON - HOUR, outcome="upstream_error", client_name="claude-code", server="echo")
    make_call(token, NOON - HOUR, outcome="open", client_name="claude-code", server="echo")
    other = cast.make_token(alice, cast.make_toolkit(acme, "home"), "other").token
    make_call(other, NOON - MINUTE, tool="git__log", server="git", client_name="n8n")
    count_calls()
    calls = 5 if query in ("", "?range=7d") else 4
    assert summary_of(page_of(at_acme, query)).startswith(f"{calls} calls: {calls - 1} OK, 0 refused, 1 with an error")


def test_a_member_has_the_chart_of_their_own_calls(at_acme, as_bob, bob, work, token):
    make_calls(token, [NOON - MINUTE] * 3)
    make_call(cast.make_token(bob, work).token, NOON - MINUTE)
    count_calls()
    assert summary_of(page_of(as_bob)).startswith("1 call: 1 OK")
    assert summary_of(page_of(at_acme, f"?member={bob.pk}")).startswith("1 call: 1 OK")


def test_what_no_rollup_knows_is_counted_of_the_newest_calls_and_said_to_be(at_acme, token, monkeypatch):
    monkeypatch.setattr(keyset, "SEARCHED", 10)
    make_calls(token, [NOON - number * MINUTE for number in range(1, 31)], client_name="claude-code")
    said = summary_of(page_of(at_acme, "?client=claude"))
    assert said.startswith("10 calls: 10 OK")
    assert "Only the newest calls are looked through for this, back to 24 Nov 2026, 12:00." in said


def test_nothing_is_drawn_where_there_were_no_calls(at_acme, token):
    make_call(token, NOON - 3 * DAY)
    count_calls()
    page = page_of(at_acme)
    assert summary_of(page) == "No calls."
    assert "<rect" not in page


def test_a_bar_leads_to_its_own_time(at_acme, token):
    make_call(token, NOON - 2 * HOUR, tool="found")
    make_call(token, NOON - MINUTE, tool="other")
    count_calls()
    page = page_of(at_acme, "?outcome=ok")
    link = re.search(r'<a href="([^"]*)" tabindex="-1"><title>24 Nov, 10:00', page)[1]
    assert link == "?outcome=ok&amp;since=2026-11-24T10:00Z&amp;until=2026-11-24T10:30Z"
    narrowed = page_of(at_acme, link.replace("&amp;", "&"))
    assert "found" in narrowed
    assert "other" not in narrowed.partition("calls-title")[2]


def chart_of(*slots, span=None):
    """A chart whose first bars are these."""
    span = span or Span.named("24h", NOON)
    all_slots = [*slots, *(Slot(NOON) for _ in span.bars()[len(slots) :])]
    return charts._chart(span, all_slots)


def slot_of(**outcomes):
    slot = Slot(NOON)
    for outcome, number in outcomes.items():
        slot.add(outcome, 5, number)
    return slot


def test_a_single_refused_call_among_thousands_is_seen():
    _, _, _, parts = chart_of(slot_of(ok=5000, refused=1)).drawn()[0]
    assert [part.kind for part in parts] == ["ok", "refused"]
    assert parts[1].height >= 2


def test_no_bar_leaves_the_chart():
    chart = chart_of(slot_of(ok=96, refused=2, failed=2))
    _, _, _, parts = chart.drawn()[0]
    assert chart.top == 100
    assert all(part.y >= -0.05 and part.y + part.height <= 100.05 for part in parts)


def test_lines_are_broken_where_nothing_was_timed():
    line = chart_of(slot_of(ok=1), slot_of(ok=1), slot_of(refused=3), slot_of(ok=1)).slow_line
    assert (line.count("M"), line.count("L")) == (2, 1)


@pytest.mark.parametrize(("most", "top"), [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (101, 200), (100_000, 100_000)])
def test_the_scale_ends_at_a_round_number(most, top):
    assert charts._round_up(most) == top


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(None, "–"), (0.3, "under 1 ms"), (1, "1 ms"), (12.345, "12.3 ms"), (999.9, "1.0 s"), (61_000, "61.0 s")]
)  # fmt: skip
def test_a_duration_is_as_exact_as_a_reader_wants_it(milliseconds, text):
    assert charts.duration(milliseconds) == text


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo"]
)
@pytest.mark.parametrize("length", [HOUR, 5 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY, 366 * DAY])
def test_bars_cover_the_span_without_gap_or_overlap(zone, length):
    with timezone.override(zone):
        for end in (NOON, datetime(2026, 4, 2, 3, 17, tzinfo=UTC), datetime(2026, 10, 27, 3, 17, tzinfo=UTC)):
            span = Span.between(end - length, end, NOON)
            bars = span.bars()
            assert bars[0][0] <= span.start < bars[0][1]
            assert bars[-1][0] < span.end <= bars[-1][1]
            assert all(left[1] == right[0] for left, right in pairwise(bars))
            assert sum(number for _, _, number in span.runs()) == len(bars) <= 62
            assert all((at - datetime(2026, 1, 1, tzinfo=UTC)) % span.unit == timedelta() for at, _ in bars)


def test_days_begin_at_midnight_on_both_sides_of_a_change_of_the_clocks():
    with timezone.override("Europe/Berlin"):
        span = Span.between(datetime(2026, 10, 10, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC), NOON)
        assert span.step == 12 * HOUR
        span = Span.between(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC), NOON)
        assert {timezone.localtime(at).hour for at, _ in span.bars()} == {0}
        assert [number for _, _, number in span.runs()] == [24, 1, 11]
