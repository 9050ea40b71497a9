from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast
from tests.activity.calls import count_calls


@pytest.fixture
def as_alice(client, alice, acme):
    client.force_login(alice)
    client.post("/settings/account/", {"account": str(acme.pk)})
    return client


def make_call(token, **fields):
    values = {
        "at": timezone.now(), "account_id": token.account_id, "owner_id": token.owner_id, "toolkit_id": token.toolkit_id,
        "toolkit_alias": "work", "token_public_id": token.public_id, "token_name": token.name, "method": "tools/call",
        "tool": "echo__echo", "outcome": "ok", "hub_ms": 1.0, "request_id": "r",
    }  # fmt: skip
    return Call.objects.create(**{**values, **fields})


pytestmark = pytest.mark.django_db(databases="__all__")


def test_somebody_new_is_told_what_to_do_first(as_alice, acme):
    page = as_alice.get("/").content.decode()
    assert "First steps" in page
    assert "offers no tools" in page
    assert "No calls yet" in page


def test_the_checklist_is_gone_once_all_is_done(as_alice, alice, work):
    token = cast.make_token(alice, work).token
    assert "First steps" in as_alice.get("/").content.decode()
    make_call(token)
    assert "First steps" not in as_alice.get("/").content.decode()


def test_the_checklist_does_not_end_at_a_call_that_failed(as_alice, alice, work):
    make_call(cast.make_token(alice, work).token, outcome="refused")
    page = as_alice.get("/").content.decode()
    assert "none went well yet" in page
    assert "3 of 4" in page


def test_the_checklist_does_not_end_at_a_list_of_tools_or_the_portals_own_test(as_alice, alice, work):
    token = cast.make_token(alice, work).token
    for method in ("initialize", "tools/list"):
        make_call(token, method=method, tool="", client_name="nexus-portal-test")
    make_call(token, method="tools/list", tool="", client_name="claude-code")
    count_calls()
    assert "3 of 4" in as_alice.get("/").content.decode()


def test_a_green_call_of_long_ago_still_ends_it(as_alice, alice, work):
    token = cast.make_token(alice, work).token
    make_call(token, at=timezone.now() - timedelta(hours=2))
    count_calls()
    for _ in range(9):
        make_call(token, outcome="tool_error")
    assert "First steps" not in as_alice.get("/").content.decode()


def test_the_figures_are_of_the_last_day_and_of_what_one_may_see(as_alice, client, alice, bob, work):
    token = cast.make_token(alice, work).token
    for outcome in ("ok", "ok", "ok", "refused"):
        make_call(token, outcome=outcome)
    count_calls()
    assert "25.0 % went wrong" in as_alice.get("/").content.decode()
    cast.make_token(bob, work)
    client.force_login(bob)
    client.post("/settings/account/", {"account": str(work.account_id)})
    page = client.get("/").content.decode()
    assert "no calls" in page
    assert "25.0 %" not in page


def test_it_shows_toolkits_calls_and_what_ends_soon(as_alice, alice, work):
    token = cast.make_token(alice, work, "n8n production", timedelta(days=2)).token
    make_call(token)
    page = as_alice.get("/").content.decode()
    assert all(text in page for text in ("Work", "echo__echo", "n8n production", "Tokens ending soon"))


def test_nobody_sees_calls_of_others(client, charlie, alice, work):
    make_call(cast.make_token(alice, work).token)
    client.force_login(charlie)
    assert "echo__echo" not in client.get("/").content.decode()


def test_it_only_shows(as_alice):
    assert as_alice.post("/").status_code == 405


def test_it_asks_the_database_as_often_for_much_as_for_little(
    as_alice, alice, acme, work, django_assert_max_num_queries
):
    for number in range(12):
        token = cast.make_token(alice, cast.make_toolkit(acme, f"t{number}"), f"n{number}", timedelta(days=1)).token
        make_call(token)
    with django_assert_max_num_queries(11):
        as_alice.get("/")


def test_the_name_of_a_tool_breaks_where_it_reads_well_and_nowhere_else(as_alice, alice, work):
    make_call(cast.make_token(alice, work).token, tool="git__get_<b>_file")
    page = as_alice.get("/").content.decode()
    assert ">git__<wbr>get_<wbr>&lt;b&gt;_<wbr>file</bdi>" in page
    assert 'title="git__get_&lt;b&gt;_file"' in page
