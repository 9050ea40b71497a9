import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from nexus import middleware
from profiles.events import Action, Event
from tests import cast
from tests.security.pages import install
from tokens import calendars, keys
from tokens.models import CalendarFeed, DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")
WEEK = timedelta(days=7)


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, life=WEEK).token


@pytest.fixture
def feed(alice):
    """Alice's feed, and its address."""
    made, key = CalendarFeed.objects.make(alice, by=cast.OPERATOR, now=timezone.now())
    return made, f"/tokens/feed/{key.text}.ics"


def unfolded(answer):
    return answer.content.decode().replace("\r\n ", "").split("\r\n")


def events(lines):
    """Return each event's own properties, and how many alarms it has."""
    text = "\n".join(lines)
    found = []
    for block in re.findall(r"BEGIN:VEVENT\n(.*?)END:VEVENT", text, re.DOTALL):
        own = re.sub(r"BEGIN:VALARM.*?END:VALARM\n", "", block, flags=re.DOTALL)
        properties = dict(line.split(":", 1) for line in own.strip().split("\n"))
        found.append(properties | {"alarms": re.findall(r"TRIGGER:(\S+)", block)})
    return found


def test_the_file_of_a_token_has_its_end_and_two_alarms(as_alice, token):
    answer = as_alice.get(f"/tokens/{token.public_id}/calendar.ics")
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="nexus-token-{token.public_id}.ics"'
    (event,) = events(unfolded(answer))
    assert event["DTSTART"] == f"{token.expires_at:%Y%m%dT%H%M%SZ}"
    assert event["UID"] == f"token-{token.public_id}@nexus"
    assert (event["STATUS"], event["SEQUENCE"]) == ("CONFIRMED", "0")
    assert event["alarms"] == ["-P3D", "-PT24H"]
    assert event["URL"].endswith(f"/tokens/{token.public_id}/")
    assert token.last_four not in "".join(unfolded(answer)).replace(token.public_id, "")


@pytest.mark.parametrize(
    ("life", "alarms"),
    [
        (timedelta(days=30), ["-P3D", "-PT24H"]),
        (timedelta(days=2), ["-PT24H"]),
        (timedelta(days=1), ["-PT1H"]),
        (timedelta(hours=1), []),
    ],
    ids=["a month", "two days", "a day", "an hour"],
)
def test_no_alarm_is_longer_than_the_life(alice, work, life, alarms):
    token = cast.make_token(alice, work, life=life).token
    assert [f"-{trigger}" for trigger, _ in calendars.alarms(token.expires_at - token.issued_at)] == alarms


def test_a_revoked_or_replaced_token_is_cancelled_under_the_same_uid(feed, client, alice, work):
    revoked = cast.make_token(alice, work, "revoked").token
    replaced = cast.make_token(alice, work, "replaced").token
    before = {event["UID"] for event in events(unfolded(client.get(feed[1])))}
    now = timezone.now()
    revoked.revoke(by=cast.OPERATOR, reason="leaked", now=now)
    DelegatedToken.objects.filter(pk=replaced.pk).update(stage="overlapping", retires_at=now + timedelta(hours=1))
    after = events(unfolded(client.get(feed[1])))
    assert {event["UID"] for event in after} == before
    assert {(event["STATUS"], event["SEQUENCE"], len(event["alarms"])) for event in after} == {("CANCELLED", "1", 0)}


def test_a_stranger_gets_no_file(as_bob, as_charlie, client, token):
    for browser in (as_bob, as_charlie):
        assert browser.get(f"/tokens/{token.public_id}/calendar.ics").status_code == 404
    assert client.get(f"/tokens/{token.public_id}/calendar.ics").status_code == 302


def test_the_feed_is_served_to_whoever_has_its_address(feed, client, token, bob, work):
    cast.make_token(bob, work, "of Bob")
    answer = client.get(feed[1])
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, max-age=300"
    assert "Set-Cookie" not in answer
    (event,) = events(unfolded(answer))
    assert "n8n" in event["SUMMARY"]


def test_the_feed_leaves_out_what_is_long_over_pending_or_exchanged(feed, client, alice, work):
    now = timezone.now()
    cast.make_token(alice, work, "long over", now=now - WEEK - timedelta(days=31))
    cast.make_token(alice, work, "just over", now=now - WEEK - timedelta(days=1))
    for name, changes in (("pending", {"stage": "pending"}), ("exchanged", {"exchanges": 1})):
        DelegatedToken.objects.filter(pk=cast.make_token(alice, work, name).token.pk).update(**changes)
    assert [event["SUMMARY"] for event in events(unfolded(client.get(feed[1])))] == ["Token “just over” ends"]


def test_the_feed_is_not_sent_again_while_nothing_changed(feed, client, token):
    first = client.get(feed[1])
    again = client.get(feed[1], headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert client.get(feed[1], headers={"if-none-match": first["ETag"]}).status_code == 200


def test_every_wrong_address_gets_the_same_bytes(feed, client, alice, work, django_assert_max_num_queries):
    address = feed[1]
    wrong = keys.make(keys.Kind.CALENDAR).text
    other = cast.make_token(alice, work).key.text
    answers = {}
    for text in (wrong, wrong[:-1] + ("a" if wrong[-1] != "a" else "b"), "nxsc_x", "x"):
        answer = client.get(f"/tokens/feed/{text}.ics")
        answers[text] = (answer.status_code, answer.content, answer["Content-Type"])
    assert set(answers.values()) == {(404, b"There is no such calendar.\n", "text/plain; charset=utf-8")}
    assert client.get(f"/tokens/feed/{other}.ics").status_code == 400  # a delegated token belongs in no address
    for path in (address + "?token=" + wrong, address.replace("/tokens/feed/", "/tokens/feeds/"), address + "/"):
        assert client.get(path).status_code == 400, path


def test_a_fetch_costs_few_queries_and_is_noted(feed, client, alice, work, django_assert_max_num_queries):
    for number in range(20):
        cast.make_token(alice, work, f"service {number}")
    with django_assert_max_num_queries(3):
        client.get(feed[1])
    with django_assert_max_num_queries(2):
        client.get(feed[1])
    assert CalendarFeed.objects.get().fetched_at


def test_the_feed_of_a_disabled_person_is_closed(feed, client, alice):
    alice.disable(by=cast.OPERATOR, now=timezone.now())
    assert client.get(feed[1]).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_feed_is_only_read(feed, client, method):
    assert getattr(client, method)(feed[1]).status_code == 405


def test_the_secret_opens_nothing_else(feed, client, work):
    secret = feed[1].removeprefix("/tokens/feed/").removesuffix(".ics")
    bearer = {"authorization": f"Bearer {secret}"}
    assert client.get("/tokens/", headers=bearer).status_code == 302
    assert client.get("/api/v1/tokens", headers=bearer).status_code in (401, 403)
    assert client.get("/tokens/", headers={"cookie": f"nexus_session={secret}"}).status_code == 302


def test_a_feed_is_made_shown_once_replaced_and_closed(as_alice, alice, token):
    page = as_alice.post("/settings/calendar/")
    assert page["Cache-Control"] == "no-store"
    first = keys.ANYWHERE.search(page.content.decode())[0]
    shown = as_alice.get("/settings/calendar/").content.decode()
    assert first[18:] not in shown
    assert str(CalendarFeed.objects.get()) in shown
    assert first not in str(CalendarFeed.objects.values().get())
    second = keys.ANYWHERE.search(as_alice.post("/settings/calendar/").content.decode())[0]
    statuses = [Client().get(f"/tokens/feed/{secret}.ics").status_code for secret in (first, second)]
    assert statuses == [404, 200]
    as_alice.post("/settings/calendar/revoke/")
    assert Client().get(f"/tokens/feed/{second}.ics").status_code == 404
    made = Event.objects.filter(action__in=[Action.FEED_MADE, Action.FEED_REVOKED]).values_list("action", flat=True)
    assert sorted(made) == ["feed.made", "feed.made", "feed.revoked"]
    assert as_alice.post("/settings/calendar/revoke/").status_code == 302


def test_making_a_feed_asks_who_one_is(stale_alice):
    answer = stale_alice.post("/settings/calendar/")
    assert answer.status_code == 303
    assert not CalendarFeed.objects.exists()


def test_the_request_log_does_not_have_the_address(feed, client, monkeypatch):
    logged = []
    monkeypatch.setattr(middleware.logger, "log", lambda level, event, **members: logged.append(members))
    client.get(feed[1])
    assert logged[-1]["path"] == "/tokens/feed/….ics"


def test_pages_link_to_the_calendar(as_alice, token, alice, work):
    assert f"/tokens/{token.public_id}/calendar.ics" in as_alice.get(f"/tokens/{token.public_id}/").content.decode()
    assert "/calendar.ics" in install(as_alice, work, "crm").content.decode()
    assert "/settings/calendar/" in as_alice.get("/settings/").content.decode()


@pytest.mark.parametrize(
    "text", ["x" * 200, "é" * 100, "\U0001f511" * 60, "a" * 74 + "é", "a" * 75, "a" * 76, ""],
    ids=["ascii", "two octets", "four octets", "at the edge", "exactly", "one over", "empty"],
)  # fmt: skip
def test_lines_are_folded_at_75_octets_between_characters(text):
    folded = calendars.fold(text)
    assert all(len(line.encode()) <= 75 for line in folded.split("\r\n"))
    assert folded.replace("\r\n ", "") == text
