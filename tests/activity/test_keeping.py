"""Months are made ahead and dropped when they are past; on SQLite rows go, a few thousand at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import keeping, partitions
from activity.models import Call, Drop, HourRollup, HourTotal, MinuteTotal, TokenUse
from nexus.settings import DATABASE_URL
from tests import cast
from tests.activity.calls import count_calls, make_call, make_calls

pytestmark = pytest.mark.django_db(databases="__all__")
partitioned = pytest.mark.skipif(not DATABASE_URL, reason="SQLite has one table")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


def place_of(call):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM activity_call WHERE id = %s", [call.pk])
        return cursor.fetchone()[0]


@pytest.mark.sqlite
def test_what_is_past_its_time_is_forgotten_and_the_rest_stays(token, settings, monkeypatch):
    monkeypatch.setattr(keeping, "AT_ONCE", 3)
    settings.NEXUS_ACTIVITY_DAYS = 30
    now = timezone.now()
    old, new = now - timedelta(days=31), now - timedelta(days=29)
    make_calls(token, [old] * 7 + [new, now])
    count_calls()
    Drop.objects.note(5, now - timedelta(days=2))
    assert "calls" in keeping.forget(now)
    assert sorted(Call.objects.values_list("at", flat=True)) == [new, now]
    assert sum(calls for _, calls in HourTotal.objects.all().by("outcome")) == 2
    assert sum(calls for _, calls in HourRollup.objects.all().by("outcome")) == 2
    assert [calls for _, calls in MinuteTotal.objects.all().by("outcome")] == [1]
    assert TokenUse.objects.get().last_at == now
    assert not Drop.objects.exists()
    assert keeping.forget(now).startswith("0 months, 0 calls")


@pytest.mark.sqlite
def test_nothing_is_locked_while_old_rows_are_looked_for(token, settings):
    """The embedded hub waits for whoever writes, and a search through all calls takes seconds."""
    settings.NEXUS_ACTIVITY_DAYS = 30
    make_calls(token, [timezone.now() - timedelta(days=31)] * 3)
    with CaptureQueriesContext(connections[Call.objects.db]) as asked:
        keeping.forget(timezone.now())
    deletes = [query["sql"] for query in asked if query["sql"].startswith("DELETE FROM")]
    assert not any("LIMIT" in sql for sql in deletes)
    assert any("activity_call" in sql for sql in deletes)
    assert not Call.objects.exists()


@partitioned
def test_a_month_that_is_past_is_dropped_whole(token, settings):
    settings.NEXUS_ACTIVITY_DAYS = 10
    now = datetime(2031, 3, 11, tzinfo=UTC)
    assert "activity_call_2031_02" in partitions.make(datetime(2031, 1, 1, tzinfo=UTC))
    assert place_of(make_call(token, datetime(2031, 1, 31, 23, 59, tzinfo=UTC))) == "activity_call_2031_01"
    kept = make_call(token, now)
    keeping.forget(now - timedelta(seconds=1))
    assert partitions._names()[0] == "activity_call_2031_02"
    keeping.forget(now + timedelta(days=1))
    assert partitions._names()[0] == "activity_call_2031_03"
    assert list(Call.objects.all()) == [kept]


@partitioned
def test_what_a_wrong_clock_wrote_moves_into_its_month_when_that_is_made(token):
    early = make_call(token, datetime(2032, 5, 31, 23, 59, 59, 999999, tzinfo=UTC))
    other = make_call(token, datetime(2032, 6, 1, tzinfo=UTC))
    assert {place_of(early), place_of(other)} == {"activity_call_default"}
    assert partitions.make(datetime(2032, 2, 29, tzinfo=UTC))[-1] == "activity_call_2032_05"
    assert (place_of(early), place_of(other)) == ("activity_call_2032_05", "activity_call_default")
    assert partitions.make(datetime(2032, 2, 29, tzinfo=UTC)) == []


@pytest.mark.sqlite
def test_the_page_can_say_how_many_calls_are_missing():
    now = timezone.now()
    assert Drop.objects.warning(now) == ""
    Drop.objects.note(1, now)
    assert "1 call was answered" in Drop.objects.warning(now)
    Drop.objects.note(1200, now)
    assert "1,201 calls were answered" in Drop.objects.warning(now)
    assert Drop.objects.warning(now + timedelta(days=2)) == ""
