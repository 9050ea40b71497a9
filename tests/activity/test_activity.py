import re
from datetime import UTC, datetime, timedelta
from datetime import timezone as dt_timezone
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import keyset, views
from activity.models import Call, Drop
from profiles.events import Action, Event
from profiles.permissions import Role
from tests import cast
from tests.activity.calls import call_of, count_calls, make_call, make_calls
from tests.activity.conftest import browser_of

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production").token


def minutes_ago(number):
    return timezone.now() - timedelta(minutes=number)


def page_of(browser, query=""):
    answer = browser.get(f"/activity/{query}")
    assert answer.status_code == 200, answer.content.decode()
    return answer.content.decode()


def tools_of(page):
    """Return the tools of the rows, in their order."""
    return re.findall(r'<th scope="row"><a [^>]*><bdi class="mono" title="([^"]*)">', page)


def test_a_row_says_what_a_reader_looks_for(at_acme, token):
    call = make_call(
        token, minutes_ago(1), client_name="claude-code", client_version="2.1", address="10.0.0.7", server="echo",
        hub_ms=1.25, upstream_ms=40.5,
    )  # fmt: skip
    page = page_of(at_acme)
    for text in (
        "echo__echo", "n8n production", "<bdi>claude-code 2.1</bdi>", "10.0.0.7", "41.8 ms",
        f'href="/activity/calls/{call.pk}/"', f'href="/tokens/{token.public_id}/"',
    ):  # fmt: skip
        assert text in page, text


@pytest.mark.parametrize(
    ("outcome", "word", "icon"),
    [
        ("ok", "OK", "circle-check"), ("refused", "Refused", "ban"), ("failed", "Failed", "circle-x"), ("open", "Under way", "clock"),
        ("tool_error", "Tool error", "circle-x"), ("upstream_error", "Server error", "circle-x"),
    ],
)  # fmt: skip
def test_each_outcome_has_a_word_an_icon_and_its_reason(at_acme, token, outcome, word, icon):
    make_call(token, outcome=outcome, reason="Because of this.")
    page = page_of(at_acme)
    assert re.search(rf'<span class="badge \w+">.*#{icon}.*</svg>\s*{word}</span>', page)
    assert "Because of this." in page


def test_newest_calls_are_first(at_acme, token):
    for minutes, tool in ((2, "middle"), (1, "newest"), (3, "oldest")):
        make_call(token, minutes_ago(minutes), tool=tool)
    assert tools_of(page_of(at_acme)) == ["newest", "middle", "oldest"]


def test_a_member_sees_their_own_calls_only(at_acme, as_bob, bob, work, token):
    make_call(token, tool="of_alice")
    make_call(cast.make_token(bob, work).token, tool="of_bob")
    assert tools_of(page_of(as_bob)) == ["of_bob"]
    assert sorted(tools_of(page_of(at_acme))) == ["of_alice", "of_bob"]


@pytest.mark.parametrize(("role", "sees"), [(Role.ADMIN, 1), (Role.OWNER, 1), (Role.MEMBER, 0), (Role.END_USER, 0)])
def test_who_sees_the_calls_of_others_is_what_the_table_of_acts_says(acme, token, role, sees):
    make_call(token)
    dana = cast.make_user("Dana")
    acme.members.create(user=dana, role=role)
    assert len(tools_of(page_of(browser_of(dana, acme)))) == sees


def test_a_stranger_sees_nothing_whatever_they_ask_for(as_charlie, acme, token):
    call = make_call(token)
    as_charlie.post("/settings/account/", {"account": str(acme.pk)})
    for query in ("", f"?token={token.public_id}", "?token=n8n+production", "?text=echo", f"?text={call.request_id}"):
        page = page_of(as_charlie, query)
        assert "echo__echo" not in page
        assert "alice" not in page
    for query in ("?toolkit=work", f"?before={call.pk}"):
        answer = as_charlie.get(f"/activity/{query}")
        assert answer.status_code == 422
        assert "echo__echo" not in answer.content.decode()


def test_nobody_is_led_to_sign_in(client, db):
    assert client.get("/activity/").url == "/accounts/login/?next=/activity/"


def test_it_only_shows(at_acme):
    assert at_acme.post("/activity/").status_code == 405


def test_it_says_when_calls_are_missing(at_acme, token):
    assert "could not be written down" not in page_of(at_acme)
    Drop.objects.note(3, timezone.now())
    assert "3 calls were answered and could not be written down" in page_of(at_acme)


def test_what_is_unexpected_is_above_the_calls(at_acme, as_bob, alice, acme, token):
    Event.record(Action.TOKEN_IN_URL, by=cast.OPERATOR, now=timezone.now(), account=acme, subject=token)
    page = page_of(at_acme)
    assert "Unexpected use" in page
    assert f"subject=delegatedtoken:{token.pk}" in page
    assert "Unexpected use" not in page_of(as_bob)
    revoke = f'href="/tokens/{token.public_id}/revoke/"'
    assert (revoke in page, f'href="/tokens/{token.public_id}/replace/"' in page) == (True, True)
    events = at_acme.get("/activity/events/?group=token").content.decode()
    assert events.count(revoke) == 1, "beside what was sent in a URL, and beside nothing else"
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert "Unexpected use" not in page_of(at_acme), "there is nothing left to do"
    assert revoke not in at_acme.get("/activity/events/").content.decode()


def test_before_the_first_call_it_leads_to_install(at_acme):
    page = page_of(at_acme)
    assert "No calls yet" in page
    assert 'href="/install/"' in page
    assert "<form" not in page.partition("<h1>")[2]


def test_when_nothing_matches_it_offers_to_clear_the_filters(at_acme, token):
    make_call(token)
    page = page_of(at_acme, "?text=nothing")
    assert "No call matches" in page
    assert "Clear filters" in page
    assert 'value="nothing"' in page


@pytest.mark.parametrize(("name", "hours"), [("1h", 1), ("24h", 24), ("7d", 168), ("30d", 720)])
def test_the_range_ends_where_it_says(at_acme, token, name, hours):
    """On the minute, and on the hour where it is longer than a day: so that list and chart are about the same calls."""
    slack = timedelta(minutes=1) if hours <= 24 else timedelta(hours=1)
    make_call(token, timezone.now() - timedelta(hours=hours) + slack, tool="within")
    make_call(token, timezone.now() - timedelta(hours=hours) - slack, tool="beyond")
    assert tools_of(page_of(at_acme, f"?range={name}")) == ["within"]


def test_without_a_range_it_is_about_a_day_and_for_one_token_about_a_month(at_acme, token):
    make_call(token, minutes_ago(60), tool="today")
    make_call(token, minutes_ago(60 * 24 * 20), tool="before")
    assert tools_of(page_of(at_acme)) == ["today"]
    assert tools_of(page_of(at_acme, f"?token={token.public_id}")) == ["today", "before"]


@time_machine.travel("2026-11-24 12:30:20+00:00", tick=False)
def test_a_range_of_ones_own_is_read_on_the_persons_clock_or_with_a_zone(at_acme, alice, token):
    alice.time_zone = "Europe/Berlin"
    alice.save()
    for hour in (8, 9, 10):
        make_call(token, datetime(2026, 11, 20, hour, 30, tzinfo=UTC), tool=f"at_{hour}")
    for query in ("?since=2026-11-20T10:00&until=2026-11-20T11:00", "?since=2026-11-20T09:00Z&until=2026-11-20T10:00Z"):
        page = page_of(at_acme, query)
        assert tools_of(page) == ["at_9"]
        assert 'value="2026-11-20T10:00"' in page
        assert "20 Nov 2026, 10:00 to 20 Nov 2026, 11:00" in page
        assert "Europe/Berlin (UTC+0100)" in page
    assert tools_of(page_of(at_acme, "?since=2026-11-20T10:20")) == ["at_10", "at_9"]


def test_calls_of_one_toolkit(at_acme, alice, acme, token):
    make_call(token, tool="of_work")
    make_call(cast.make_token(alice, cast.make_toolkit(acme, "home")).token, tool="of_home")
    assert tools_of(page_of(at_acme, "?toolkit=home")) == ["of_home"]


@pytest.mark.parametrize("form", ["{id}", "nxs_{id}_…", "n8n production", "N8N Production"])
def test_calls_of_one_token_by_its_id_or_name(at_acme, alice, work, token, form):
    make_call(token, tool="wanted")
    make_call(cast.make_token(alice, work, "CI").token, tool="other")
    assert tools_of(page_of(at_acme, f"?token={form.format(id=token.public_id)}")) == ["wanted"]


def test_a_name_that_looks_like_an_id_finds_its_token(at_acme, alice, work):
    make_call(cast.make_token(alice, work, "integrations").token, tool="wanted")
    assert tools_of(page_of(at_acme, "?token=integrations")) == ["wanted"]


def test_calls_stay_when_their_token_is_gone(at_acme, token):
    make_call(token, token_public_id="goneGoneGone", token_name="gone", tool="kept")
    assert tools_of(page_of(at_acme, "?token=goneGoneGone")) == ["kept"]


@pytest.mark.parametrize("outcome", Call.Outcome.values)
def test_calls_of_one_outcome(at_acme, token, outcome):
    for each in Call.Outcome.values:
        make_call(token, tool=each, outcome=each)
    assert tools_of(page_of(at_acme, f"?outcome={outcome}")) == [outcome]
    went_wrong = tools_of(page_of(at_acme, "?outcome=not_ok"))
    assert (outcome in went_wrong) is (outcome not in ("ok", "open"))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00Z", "0001-01-01T00:00", "9999-12-31T23:59Z", "9999-12-31T23:59"])
def test_the_ends_of_the_calendar_are_no_range(at_acme, alice, zone, moment):
    alice.time_zone = zone
    alice.save()
    for query in (f"?since={moment}", f"?since={moment}&until={moment}", f"?since=2026-11-01T00:00&until={moment}"):
        assert at_acme.get(f"/activity/{query}").status_code == 422


REST = ("/api/v1/activity/calls", "/api/v1/activity/events")


def test_an_offset_that_no_clock_has_is_understood(at_acme, token):
    moment = (timezone.now() - timedelta(hours=1)).astimezone(dt_timezone(timedelta(hours=-21, minutes=-19)))
    make_call(token)
    query = urlencode({"since": moment.isoformat()})
    for path in ("/activity/", "/activity/tail/", "/activity/events/", *REST):
        assert at_acme.get(f"{path}?{query}").status_code == 200
    assert len(at_acme.get(f"{REST[0]}?{query}").json()["results"]) == 1


@pytest.mark.parametrize(
    "query",
    ["since=9999-12-31T23:59:58Z&until=9999-12-31T23:59:59Z", "since=0001-01-01T00:00:00Z&until=0001-01-02T00:00:00Z"],
    ids=["last", "first"],
)
def test_nor_is_a_day_at_one_of_them(at_acme, alice, query):
    alice.time_zone = "America/New_York"
    alice.save()
    for path in ("/activity/", "/activity/tail/", "/activity/events/", *REST):
        assert at_acme.get(f"{path}?{query}").status_code in (400, 422)


@pytest.mark.parametrize(
    "query",
    ["client=CURSOR", "server=jira", "tool=jira__issue", "address=10.9.8.7", "address=10.9.0.0/16", "address=10.9.8.7/24",
     "client=cursor&tool=jira__issue&address=10.9.8.0/24"],
)  # fmt: skip
def test_each_filter_finds_its_calls(at_acme, token, query):
    make_call(token, tool="jira__issue", server="jira", client_name="Cursor", address="10.9.8.7")
    make_call(token, tool="other", server="git", client_name="n8n", address="10.8.8.7")
    make_call(token, tool="another", address="no address")
    page = page_of(at_acme, f"?{query}")
    assert tools_of(page) == ["jira__issue"]
    assert 'id="more-filters" open' in page


def test_calls_of_one_member_are_for_who_sees_them(at_acme, as_bob, alice, bob, work, token):
    make_call(token, tool="of_alice")
    make_call(cast.make_token(bob, work).token, tool="of_bob")
    assert tools_of(page_of(at_acme, f"?member={bob.pk}")) == ["of_bob"]
    assert as_bob.get(f"/activity/?member={alice.pk}").status_code == 422
    assert "alice@example.com" not in page_of(as_bob)


def test_each_filter_that_is_set_can_be_taken_away(at_acme, token):
    make_call(token)
    page = page_of(at_acme, "?range=7d&outcome=ok&text=echo&before=")
    links = dict(re.findall(r'class="chip" href="([^"]*)"><span class="soft">(\w+)</span>', page))
    assert links == {"?range=7d&amp;text=echo": "Result", "?range=7d&amp;outcome=ok": "Search"}


@pytest.mark.parametrize("text", ["ISSUE", "cursor", "10.9.8", "req-77", "100%_"])
def test_text_is_searched_in_tool_client_address_and_request_id(at_acme, token, text):
    make_call(token, tool="tracker__issue 100%_", client_name="Cursor", address="10.9.8.7", request_id="req-77")
    make_call(token, tool="other")
    assert len(tools_of(page_of(at_acme, f"?text={text.replace('%', '%25')}"))) == 1


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("range=2h", "Choose one of: 1h, 24h, 7d, 30d, custom."),
        ("range=custom", "Say from when."),
        ("since=yesterday", "as in 2026-12-24T17:30"),
        ("since=2026-13-40T10:00", "as in 2026-12-24T17:30"),
        ("since=0001-01-01T00:00Z", "from 1970 to 2999"),
        ("since=2026-11-20T10:00&until=2026-11-20T10:00", "not after the beginning"),
        ("until=9999-12-31T23:59", "from 1970 to 2999"),
        ("since=2026-01-01T00:00&until=2999-12-31T00:00", "at most 366 days"),
        ("address=10.0.0.300", "Write an address or a network"),
        ("member=0", "Nobody of this account."),
        ("member=x", "Nobody of this account."),
        ("after=yesterday", "This is no place in the list."),
        ("toolkit=nope", "Choose one of: default, work."),
        ("outcome=good", "Choose one of: not_ok, ok, tool_error, upstream_error, refused, failed, open, unknown."),
        ("text=" + "x" * 101, "at most 100 characters"),
        ("token=" + "x" * 81, "at most 80 characters"),
        ("before=yesterday", "This is no place in the list."),
        ("before=00000000-0000-7000-8000-000000000000", "no longer kept"),
    ],
)
def test_a_wrong_filter_is_said_and_nothing_is_shown(at_acme, token, query, says):
    make_call(token)
    answer = at_acme.get(f"/activity/?{query}")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert says in page
    assert tools_of(page) == []


@pytest.mark.parametrize(
    "name",
    [
        "range",
        "toolkit",
        "token",
        "outcome",
        "text",
        "before",
        "after",
        "since",
        "member",
        "client",
        "server",
        "tool",
        "address",
    ],
)
def test_a_null_character_is_refused(at_acme, name):
    assert at_acme.get(f"/activity/?{name}=%00").status_code in (400, 422)


def test_a_secret_typed_as_a_filter_is_refused_and_not_shown_again(at_acme, alice, work):
    secret = cast.make_token(alice, work).key.text
    for name in ("token", "text"):
        answer = at_acme.get("/activity/", {name: secret})
        assert answer.status_code == 400
        assert "This address holds a token" in answer.content.decode()
        assert secret not in answer.content.decode()


def pages(browser, query=""):
    """Walk by the links, as a person would; return the tools of each page."""
    address, found = f"/activity/{query}", []
    while address:
        page = browser.get(address).content.decode()
        found.append(tools_of(page))
        link = re.search(r'href="([^"]*)" rel="next"', page)
        address = "/activity/" + link[1].replace("&amp;", "&") if link else None
    return found


def test_pages_follow_each_other_without_gap_or_repetition(at_acme, token):
    same = minutes_ago(5)  # many at one moment, which only the id tells apart
    Call.objects.bulk_create([call_of(token, same, tool=f"t{number}") for number in range(95)])
    found = pages(at_acme, "?range=24h")
    assert [len(tools) for tools in found] == [50, 45]
    assert len({tool for tools in found for tool in tools}) == 95


@pytest.mark.parametrize("query", ["", "?outcome=ok"])
def test_pages_lead_back_to_where_one_came_from(at_acme, token, monkeypatch, query):
    monkeypatch.setattr(views, "CALLS_A_PAGE", 10)
    monkeypatch.setattr(keyset, "SEARCHED", 17)
    make_calls(token, [minutes_ago(number) for number in range(1, 46)])
    there = walk(at_acme, query, "next")
    last = there[-1][0]
    back = walk(at_acme, last, "prev")
    seen = [pk for _, rows in reversed(back) for pk in rows]
    assert [pk for _, rows in there for pk in rows] == list(dict.fromkeys(seen))[: len(set(seen))]
    assert len(set(seen)) == 45
    assert 'rel="prev"' not in page_of(at_acme, back[-1][0])


def walk(browser, query, rel):
    """Follow the links of one kind; return each address and the ids of its rows."""
    found = []
    while query is not None:
        page = page_of(browser, query)
        found.append((query, re.findall(r'id="call-([^"]*)"', page)))
        link = re.search(rf'href="([^"]*)" rel="{rel}"', page)
        query = link[1].replace("&amp;", "&") if link else None
    return found


def test_what_comes_in_while_somebody_reads_moves_no_page(at_acme, token):
    make_calls(token, [minutes_ago(number) for number in range(10, 80)])
    link = re.search(r'href="([^"]*)" rel="next"', page_of(at_acme))[1]
    before = tools_of(page_of(at_acme, link))
    make_call(token, tool="new")
    assert tools_of(page_of(at_acme, link)) == before
    assert 'rel="prev"' in page_of(at_acme, link)


def test_a_search_looks_through_a_bounded_number_of_calls_and_says_so(at_acme, token, monkeypatch):
    monkeypatch.setattr(keyset, "SEARCHED", 10)
    make_calls(token, [minutes_ago(number) for number in range(1, 35)])
    make_call(token, minutes_ago(100), tool="needle")
    page = page_of(at_acme, "?text=needle")
    assert "Nothing found so far" in page
    assert "Older calls" in page
    assert [tools for tools in pages(at_acme, "?text=needle") if tools] == [["needle"]]


HOSTILE = '<img src=x onerror=alert(1)>"\u202etxt.exe\x07\u200b'


SHOWN_IN_THE_ROW = ["tool", "method", "client_name", "token_name", "reason", "address", "server", "toolkit_alias"]


@pytest.mark.parametrize("field", SHOWN_IN_THE_ROW)
def test_hostile_text_is_inert(at_acme, token, field):
    size = Call._meta.get_field(field).max_length
    make_call(token, **{"tool": "" if field == "method" else "x", "client_name": "x", field: HOSTILE[:size]})
    page = page_of(at_acme)
    assert "<img src=x" not in page
    assert not re.search("[\u202e\u200b\x07]", page)
    if size > 40:
        assert "\\u{202e}txt.exe\\u{7}\\u{200b}" in page


def test_long_text_is_cut_in_the_row(at_acme, token):
    make_call(token, tool="W" * 200, reason="R" * 300)
    page = page_of(at_acme)
    assert f">{'W' * 63}…</bdi>" in page
    assert tools_of(page) == ["W" * 200]
    assert "R" * 91 not in page


def test_times_are_in_the_persons_zone_with_utc_beside(at_acme, alice, token):
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    make_call(token, datetime(2026, 11, 1, 20, 15, 7, tzinfo=UTC))
    page = page_of(at_acme, "?since=2026-11-01T00:00Z&until=2026-11-03T00:00Z")
    assert 'title="1 Nov 2026, 20:15:07 UTC">2 Nov, 01:45:07</time>' in page


def test_rows_can_be_led_to(at_acme, token):
    call = make_call(token)
    assert f'id="call-{call.pk}"' in page_of(at_acme)


def test_nothing_is_inline(at_acme, token):
    make_call(token)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page_of(at_acme))


@pytest.mark.parametrize(
    "query",
    ["", "?text=e&outcome=ok&range=24h&toolkit=work", "?token=n8n+production", "?tool=echo__echo&range=30d",
     "?address=10.0.0.0/8"],
)  # fmt: skip
def test_it_asks_the_database_as_often_for_many_calls_as_for_one(at_acme, token, query, django_assert_max_num_queries):
    make_call(token, address="10.0.0.7")
    with django_assert_max_num_queries(23) as few:
        page_of(at_acme, query)
    make_calls(token, [minutes_ago(number) for number in range(60)], address="10.0.0.7")
    with django_assert_max_num_queries(23) as many:
        page_of(at_acme, query)
    assert len(many) == len(few)


@pytest.mark.skipif(not settings.DATABASE_URL, reason="partitions are PostgreSQL's")
@pytest.mark.parametrize(
    "query", ["", "?toolkit=work", "?token={id}", "?tool=echo__echo", "?text=e", "?member={owner}"]
)
def test_no_plan_reads_a_whole_table_that_grows_with_calls(at_acme, token, query):
    """Tables this small are read whole where that is allowed; where it is not, an index must do."""
    make_calls(token, [minutes_ago(number) for number in range(60)])
    count_calls()
    with CaptureQueriesContext(connection) as asked:
        page_of(at_acme, query.format(id=token.public_id, owner=token.owner_id))
    found = [each["sql"] for each in asked.captured_queries if 'FROM "activity_' in each["sql"]]
    assert len(found) >= 2
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        for sql in found:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan on activity" not in plan, plan
            assert "Index Cond" in plan, plan
