from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from activity import charts
from activity.models import Call
from tests import cast
from tests.activity.calls import make_call, make_calls

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


def chart_of(now):
    return charts.calls_per_hour(Call.objects.all(), now)


def test_each_call_is_counted_in_its_hour_and_kind(token):
    now = timezone.now().replace(minute=30, second=0, microsecond=0)
    make_call(token, now)
    make_call(token, now.replace(minute=0))
    make_call(token, now.replace(minute=0) - timedelta(microseconds=1), outcome="refused")
    for outcome in ("tool_error", "upstream_error", "failed"):
        make_call(token, now - timedelta(hours=3), outcome=outcome)
    bars = chart_of(now).bars
    assert [(bar.ok, bar.refused, bar.errors) for bar in (bars[23], bars[22], bars[20])] == [
        (2, 0, 0),
        (0, 1, 0),
        (0, 0, 3),
    ]
    assert sum(bar.total for bar in bars) == 6


def test_what_is_older_than_a_day_is_left_out(token):
    now = timezone.now()
    make_call(token, charts.first_hour(now))
    make_call(token, charts.first_hour(now) - timedelta(microseconds=1))
    chart = chart_of(now)
    assert (len(chart.bars), chart.total, chart.bars[0].total) == (24, 1, 1)


def test_a_single_refused_call_among_thousands_is_seen(token):
    now = timezone.now()
    make_calls(token, [now] * 500)
    make_call(token, now, outcome="refused")
    _, _, parts = chart_of(now).drawn()[23]
    assert [part.kind for part in parts] == ["ok", "refused"]
    assert parts[1].height >= 2


def test_no_bar_leaves_the_chart(token):
    now = timezone.now()
    for outcome, number in (("ok", 96), ("refused", 2), ("failed", 2)):
        make_calls(token, [now] * number, outcome=outcome)
    chart = chart_of(now)
    _, _, parts = chart.drawn()[23]
    assert chart.top == 100
    assert all(part.y >= -0.05 and part.y + part.height <= 100.05 for part in parts)


@pytest.mark.parametrize(("most", "top"), [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (101, 200), (100_000, 100_000)])
def test_the_scale_ends_at_a_round_number(most, top):
    assert charts._round_up(most) == top


@time_machine.travel("2026-11-23 12:10:00+00:00", tick=False)
def test_the_page_says_in_words_and_numbers_what_it_draws(at_acme, alice, token):
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    make_calls(token, [timezone.now()] * 3)
    make_call(token, outcome="refused")
    page = at_acme.get("/activity/").content.decode()
    assert "4 calls: 3 OK, 1 refused, 0 with an error. The most in one hour: 4, 17:30 to 18:30." in page
    assert "<title>17:30 to 18:30: 3 OK, 1 refused, 0 with an error</title>" in page
    assert 'title="23 Nov 2026, 12:00 UTC">17:30 to 18:30</time>' in page


def test_old_calls_alone_draw_no_chart(at_acme, token):
    make_call(token, timezone.now() - timedelta(days=3))
    page = at_acme.get("/activity/").content.decode()
    assert "No calls." in page
    assert "<rect" not in page


def test_the_chart_is_of_all_calls_and_gives_way_to_filters_and_older_pages(at_acme, token):
    call = make_call(token)
    assert "The last 24 hours</h2>" in at_acme.get("/activity/").content.decode()
    for query in ("?outcome=ok", f"?before={call.pk}"):
        assert "The last 24 hours</h2>" not in at_acme.get(f"/activity/{query}").content.decode()
