"""How a token and a toolkit were used, each on a page of its own."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import usage
from activity.heat import HeatMap
from activity.lives import Life
from activity.models import Call
from activity.unexpected import looking
from profiles.permissions import Role
from tests import cast
from tests.activity.calls import count_calls, make_call, make_calls
from tests.activity.conftest import browser_of
from tests.activity.test_activity import HOSTILE

pytestmark = pytest.mark.django_db(databases="__all__")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n production").token


def ago(**delta):
    return timezone.now() - timedelta(**delta)


def path_of(token):
    return f"/tokens/{token.public_id}/activity/"


def page_of(browser, path):
    count_calls()
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


@pytest.mark.sqlite
def test_it_says_since_when_from_where_and_by_what(at_acme, token):
    make_call(token, ago(hours=30), address="203.0.113.7", client_name="n8n", client_version="1.80", server="echo")
    make_call(token, ago(hours=2), address="203.0.113.7", client_name="n8n", client_version="1.80", server="echo")
    make_call(token, ago(hours=1), address="198.51.100.9", client_name="curl", outcome="refused", tool="nope")
    page = page_of(at_acme, path_of(token))
    for text in ("203.0.113.7", "198.51.100.9", "n8n 1.80", "curl", "1 refused", "Most calls: ",
                 f'href="/tokens/{token.public_id}/replace/"', f'href="/tokens/{token.public_id}/revoke/"',
                 f'href="/activity/?token={token.public_id}"', "In 6 days", "1 of 1 tool was called"):  # fmt: skip
        assert text in page, text
    assert re.findall(r"<dd>(\d+)</dd>", page) == ["2", "1", "2"]
    assert page.count('<rect class="heat-') == 168 + 6


def test_before_the_first_call_it_says_so_and_what_may_be_called(at_acme, token):
    page = page_of(at_acme, path_of(token))
    assert "Not used yet" in page
    assert "echo__echo" in page
    assert "Tighten" not in page


def test_other_generations_are_counted_with_it(at_acme, token):
    successor = token.replace(by=cast.OPERATOR, now=timezone.now()).token
    make_call(token, ago(hours=2), server="echo")
    make_call(successor, ago(hours=1), server="echo")
    page = page_of(at_acme, path_of(successor))
    assert re.findall(r"<dd>(\d+)</dd>", page)[0] == "2"
    assert "The tokens that it replaced are counted with it." in page


def test_an_ended_token_can_still_be_read(at_acme, token):
    make_call(token, ago(hours=1), server="echo")
    token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    page = page_of(at_acme, path_of(token))
    assert "Ended" in page
    assert "life-end" in page
    assert f'href="/tokens/{token.public_id}/revoke/"' not in page


def test_new_networks_are_marked_and_findings_can_be_answered(at_acme, alice, work):
    now = timezone.now()
    token = cast.make_token(alice, work, "old", now=now - 3 * DAY).token
    make_call(token, now - 2 * DAY, address="203.0.113.7")
    count_calls()
    looking.look(now - 2 * DAY)
    make_call(token, now - HOUR, address="198.51.100.9")
    count_calls()
    looking.look(now)
    page = page_of(at_acme, path_of(token))
    assert page.count("new network") == 1
    assert "Calls come from 198.51.100.0/24" in page
    action = re.search(r'action="(/activity/unexpected/[^"]*/fine/)"', page)[1]
    assert "Fine for this token" in page_of(at_acme, "/activity/")
    at_acme.post(action)
    page = page_of(at_acme, path_of(token))
    assert "Unexpected use" not in page
    assert "new network" not in page


@pytest.mark.parametrize("path", ["/tokens/{token}/activity/", "/toolkits/{work}/activity/"])
def test_strangers_and_other_methods_get_nowhere(client, at_acme, as_charlie, token, work, path):
    path = path.format(token=token.public_id, work=work.pk)
    assert as_charlie.get(path).status_code == 404
    assert at_acme.post(path).status_code == 405
    assert client.get(path).url.startswith("/accounts/login/")


def test_a_member_reads_neither_anothers_token_nor_anothers_use_of_a_toolkit(as_bob, bob, token, work):
    make_call(token, ago(hours=1), address="203.0.113.7", server="echo", client_name="of-alice")
    make_call(cast.make_token(bob, work, "of bob").token, ago(hours=1), address="198.51.100.9", server="echo")
    assert as_bob.get(path_of(token)).status_code == 404
    page = page_of(as_bob, f"/toolkits/{work.pk}/activity/")
    assert "198.51.100.9" in page
    assert "What your tokens did with it" in page
    for text in ("203.0.113.7", "of-alice", "n8n production", "alice@example.com", "tighten"):
        assert text not in page.partition("<h1>")[2], text


@pytest.mark.sqlite
def test_the_page_of_a_toolkit_shows_all_to_who_manages_it(at_acme, token, bob, work):
    other = cast.make_token(bob, work, "of bob").token
    make_call(token, ago(hours=30), address="203.0.113.7", server="echo", client_name="n8n")
    make_call(other, ago(hours=1), address="198.51.100.9", server="echo", client_name="curl")
    page = page_of(at_acme, f"/toolkits/{work.pk}/activity/")
    for text in ("203.0.113.7", "198.51.100.9", "curl", "of bob", "bob@example.com", f"/tokens/{other.public_id}/revoke/",
                 f"/tokens/{token.public_id}/replace/", f'href="/activity/?range=30d&amp;toolkit={work.alias}"'):  # fmt: skip
        assert text in page, text
    assert f"/tokens/{other.public_id}/replace/" not in page


def test_the_pages_lead_to_it(at_acme, token, work):
    assert f'href="{path_of(token)}"' in page_of(at_acme, f"/tokens/{token.public_id}/")
    assert f'href="/toolkits/{work.pk}/activity/"' in page_of(at_acme, f"/toolkits/{work.pk}/")


@pytest.mark.parametrize("field", ["client_name", "client_version", "address", "tool", "server"])
def test_hostile_text_is_inert(at_acme, token, work, field):
    size = Call._meta.get_field(field).max_length
    make_call(token, ago(hours=1), **{"server": "echo", field: HOSTILE[:size]})
    for path in (path_of(token), f"/toolkits/{work.pk}/activity/", f"/tokens/{token.public_id}/tighten/"):
        page = page_of(at_acme, path)
        assert "<img src=x" not in page
        assert not re.search("[\u202e\u200b\x07]", page)
        assert not re.search(r"<style|\sstyle=", page)


def test_addresses_come_from_the_newest_calls_and_it_says_how_far_back(at_acme, token, monkeypatch):
    monkeypatch.setattr(usage, "LOOKED_THROUGH", 5)
    make_calls(token, [ago(minutes=number) for number in range(2, 12)], address="203.0.113.7", server="echo")
    make_call(token, ago(hours=5), address="198.51.100.9")
    page = page_of(at_acme, path_of(token))
    assert "198.51.100.9" not in page
    assert "come from the newest 10,000 calls, back to" in page


@pytest.mark.parametrize("path", ["/tokens/{token}/activity/", "/toolkits/{work}/activity/"])
def test_it_asks_the_database_as_often_for_many_calls_as_for_one(at_acme, token, work, path):
    path = path.format(token=token.public_id, work=work.pk)
    make_call(token, ago(hours=1), address="10.0.0.7", server="echo")
    page_of(at_acme, path)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            at_acme.get(path)
        counts.append(len(asked))
        make_calls(token, [ago(hours=number) for number in range(60)], address="10.0.0.8", server="echo")
        count_calls()
    assert counts[0] == counts[1] <= 30, counts


@pytest.mark.sqlite
def test_the_map_is_on_the_persons_clock(at_acme, alice, token):
    alice.time_zone = "Asia/Kolkata"
    alice.save()
    monday = datetime(2026, 11, 23, 20, 40, tzinfo=UTC)
    with timezone.override("Asia/Kolkata"):
        heat = HeatMap.of([(monday, 3), (monday + 7 * DAY, 2), (monday + 30 * HOUR, 1)])
    assert heat.calls == {(1, 2): 5, (2, 8): 1}
    assert heat.summary.startswith("Most calls: Tuesdays, 02:00 to 03:00 (5). None on Mondays, Thursdays, ")
    assert (heat.level(1, 2), heat.level(2, 8), heat.level(0, 0)) == (5, 3, 0)
    assert HeatMap.of([]).summary == "No calls."


def test_an_end_user_sees_nothing_of_others_in_an_assigned_toolkit(acme, work, token):
    eve = cast.make_user("Eve")
    work.assigned_members.add(acme.members.create(user=eve, role=Role.END_USER))
    make_call(token, ago(hours=1), server="echo", address="203.0.113.7")
    page = page_of(browser_of(eve, acme), f"/toolkits/{work.pk}/activity/")
    assert "Not used yet" in page
    assert "203.0.113.7" not in page


def test_a_life_is_a_line_from_issue_to_expiry(token):
    half = token.issued_at + (token.expires_at - token.issued_at) / 2
    life = Life.of(token, token.issued_at, half, half)
    assert (life.passed, life.used_from, life.used_to, life.ended) == (50.0, 0.0, 50.0, None)
    assert Life.of(token, None, None, token.expires_at + DAY).passed == 100.0
