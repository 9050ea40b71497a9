"""Who acts, on the Activity page: the applications that a token was issued to, or that exchanged it."""

import pytest

from tests import cast
from tests.activity.calls import make_call
from tests.activity.test_activity import page_of, tools_of

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "nightly").token


@pytest.fixture
def connection(alice, work):
    return cast.make_access_token(alice, work, cast.make_application())[0].session.connection


def call_of_connection(token, connection, **fields):
    return make_call(
        token, token_kind="nxso", token_public_id=connection.public_id, token_name="Claude Code", actors="Claude Code",
        **fields,
    )  # fmt: skip


def test_a_call_says_who_acts(at_acme, token):
    make_call(token, actors="CRM <sync> ← Claude Code")
    assert "by <bdi>CRM &lt;sync&gt; ← Claude Code" in page_of(at_acme)


def test_a_call_of_a_token_made_by_hand_says_no_more_than_before(at_acme, token):
    make_call(token)
    assert "by <bdi>" not in page_of(at_acme)


def test_a_call_of_an_access_token_leads_to_the_calls_of_its_application(at_acme, token, connection):
    call = call_of_connection(token, connection)
    for path in ("/activity/", f"/activity/calls/{call.pk}/"):
        page = at_acme.get(path).content.decode()
        assert f"?token={connection.public_id}" in page
        assert f"/tokens/{connection.public_id}/" not in page
    assert f"nxso_{connection.public_id}_…" in page
    assert "<dt>Who acts</dt>" in page


@pytest.mark.parametrize("typed", ["{id}", "nxso_{id}", "nxso_{id}_…", "Claude Code", "claude code"])
def test_the_calls_of_a_connection_are_found(at_acme, token, connection, typed):
    call_of_connection(token, connection, tool="echo__theirs")
    make_call(token, tool="echo__mine")
    assert tools_of(page_of(at_acme, f"?token={typed.format(id=connection.public_id)}")) == ["echo__theirs"]


def test_the_search_finds_who_acts(at_acme, token):
    make_call(token, tool="echo__theirs", actors="CRM sync ← Claude Code")
    make_call(token, tool="echo__mine")
    assert tools_of(page_of(at_acme, "?text=crm")) == ["echo__theirs"]


def test_a_connection_of_another_account_is_not_found_by_its_id(at_acme, token, charlie):
    toolkit = cast.make_toolkit(charlie.personal_account, "secret")
    foreign = cast.make_access_token(charlie, toolkit, cast.make_application())[0].session.connection
    make_call(token)
    assert tools_of(page_of(at_acme, f"?token={foreign.public_id}")) == []
