"""Calls and events in the Django admin: read only, newest first, never counted."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import Call, uuid7
from activity.router import ActivityRouter
from profiles.events import Action, Event
from tests import cast
from tests.activity.calls import make_finding

pytestmark = pytest.mark.django_db(databases="__all__")
LIST = "/admin/activity/call/"
FINDINGS = "/admin/activity/finding/"


@pytest.fixture
def staff(db):
    browser = Client()
    browser.force_login(cast.make_user("Sam", is_staff=True))
    return browser


def make_calls(number: int, **fields) -> list[Call]:
    now = timezone.now()
    moments = [now - timedelta(minutes=ago) for ago in range(number)]
    return Call.objects.bulk_create(
        Call(**{
            "id": uuid7(int(at.timestamp() * 1000)), "at": at, "account_id": uuid7(), "owner_id": 1,
            "owner_email": "alice@example.com", "toolkit_id": uuid7(), "toolkit_alias": "work",
            "token_public_id": "abc", "token_name": "n8n", "outcome": "ok", "hub_ms": 1, "request_id": "r", **fields,
        })
        for at in moments
    )  # fmt: skip


def rows(browser, query=None):
    return browser.get(LIST, query or {}).context["cl"].result_list


def test_pages_follow_each_other_without_a_gap(staff):
    made = [call.pk for call in make_calls(120)]
    seen, query = [], ""
    for _ in range(3):
        changes = staff.get(f"{LIST}{query}").context["cl"]
        seen += [call.pk for call in changes.result_list]
        query = changes.older
    assert seen == made
    assert not changes.has_more


def test_nothing_is_counted_and_no_page_is_skipped(staff):
    make_calls(60)
    alias = ActivityRouter().db_for_read(Call) if "activity" in connections else "default"
    with CaptureQueriesContext(connections[alias]) as queries:
        staff.get(LIST)
    of_calls = [query["sql"] for query in queries if "activity_call" in query["sql"]]
    assert len(of_calls) == 1
    assert not any("COUNT(" in sql or "OFFSET" in sql for sql in of_calls)


def test_the_time_filter_finds_what_lies_in_it(staff):
    make_calls(90)
    assert len(rows(staff, {"since": "1h", "q": "n8n"})) == 50
    assert {call.at > timezone.now() - timedelta(hours=1) for call in rows(staff, {"since": "1h"})} == {True}
    assert len(rows(staff, {"since": "nonsense"})) == 50


def test_a_cursor_that_is_none_leads_to_the_list(staff):
    assert staff.get(LIST, {"before": "nonsense"}).status_code == 302
    assert staff.get(LIST, {"before": str(uuid7())}).status_code == 302


def test_hostile_text_is_inert(staff):
    make_calls(1, tool="<script>alert(1)</script>", token_name="<img src=x onerror=alert(1)>")
    page = staff.get(LIST).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("path", [LIST, "/admin/profiles/event/"])
def test_evidence_is_neither_added_nor_changed_nor_deleted(staff, alice, path):
    Event.record(Action.CONFIRMED, by=cast.OPERATOR, now=timezone.now(), subject=alice)
    pk = make_calls(1)[0].pk if path == LIST else Event.objects.first().pk
    assert staff.get(f"{path}{pk}/change/").status_code == 200
    assert staff.get(f"{path}add/").status_code == 403
    assert staff.post(f"{path}{pk}/change/", {"reason": "x"}).status_code == 403
    assert staff.post(f"{path}{pk}/delete/", {"post": "yes"}).status_code == 403


def test_findings_lead_to_their_tokens_and_are_only_read(staff, alice, work, django_assert_max_num_queries):
    found = [make_finding(cast.make_token(alice, work, f"service {number}").token) for number in range(3)]
    with django_assert_max_num_queries(14):
        page = staff.get(FINDINGS, {"state": "open", "rule": "network", "since": "24h"}).content.decode()
    assert page.count("/admin/tokens/delegatedtoken/") >= 3
    assert "alice@example.com" in page
    assert "A call from 203.0.113.0/24." in page
    assert staff.get(FINDINGS, {"state": "fine"}).context["cl"].result_list == []
    assert [each.pk for each in staff.get(FINDINGS, {"q": found[1].token_public_id}).context["cl"].result_list] == [
        found[1].pk
    ]
    assert "203.0.113.7" in staff.get(f"{FINDINGS}{found[0].pk}/change/").content.decode()
    for path in (f"{found[0].pk}/change/", f"{found[0].pk}/delete/", "add/"):
        assert staff.post(f"{FINDINGS}{path}", {"answer": "fine", "post": "yes"}).status_code == 403


def test_a_finding_whose_token_is_gone_still_names_it(staff, alice, work):
    token = cast.make_token(alice, work).token
    finding = make_finding(token)
    token.delete()
    assert token.public_id in staff.get(f"{FINDINGS}{finding.pk}/change/").content.decode()
