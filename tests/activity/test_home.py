from datetime import timedelta

import pytest
from django.utils import timezone

from activity.models import Call
from tests import cast


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
    with django_assert_max_num_queries(10):
        as_alice.get("/")
