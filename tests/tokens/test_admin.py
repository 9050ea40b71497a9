"""Delegated tokens in the Django admin: read, searched, and revoked with a reason; nothing else."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tokens.models import DelegatedToken

pytestmark = pytest.mark.django_db(databases="__all__")
LIST = "/admin/tokens/delegatedtoken/"


@pytest.fixture
def sam(db):
    return cast.make_user("Sam", is_staff=True)


@pytest.fixture
def staff(sam):
    browser = Client()
    browser.force_login(sam)
    return browser


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work, "n8n").token


def revoke(browser, tokens, path=LIST, **given):
    return browser.post(path, {"action": "revoke", "_selected_action": [token.pk for token in tokens], **given})


def shown(browser, query) -> set[str]:
    return {token.name for token in browser.get(LIST, query).context["cl"].result_list}


def test_the_page_shows_facts_and_never_the_digest(staff, token):
    for path in (LIST, f"{LIST}{token.pk}/change/"):
        page = staff.get(path).content.decode()
        assert token.masked in page
        assert "alice@example.com" in page
        assert token.digest not in page


def test_nothing_is_added_changed_or_deleted(staff, token):
    assert staff.get(f"{LIST}add/").status_code == 403
    assert staff.post(f"{LIST}{token.pk}/change/", {"name": "other"}).status_code == 403
    assert staff.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [token.pk], "post": "yes"})
    assert DelegatedToken.objects.get().name == "n8n"


def test_the_number_of_queries_does_not_grow_with_tokens(staff, alice, work):
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            staff.get(LIST)
        return len(queries)

    cast.make_token(alice, work, "first")
    first = count()
    for number in range(12):
        cast.make_token(alice, work, f"service {number}")
    assert count() == first <= 8


@pytest.mark.parametrize("find", ["owner", "name", "public_id", "last_four", "masked", "alias"])
def test_a_token_is_found_by_what_is_known_of_it(staff, token, bob, work, find):
    cast.make_token(bob, cast.make_toolkit(work.account, "other"), "zapier")
    words = {
        "owner": "alice@", "name": "n8n", "public_id": token.public_id, "last_four": token.last_four,
        "masked": token.masked, "alias": "work",
    }  # fmt: skip
    assert shown(staff, {"q": words[find]}) == {"n8n"}


def test_the_filters_find_each_state(staff, alice, work):
    now = timezone.now()
    cast.make_token(alice, work, "fresh")
    cast.make_token(alice, work, "ending", life=timedelta(days=1))
    used = cast.make_token(alice, work, "used").token
    DelegatedToken.objects.touch({used.pk: now})
    cast.make_token(alice, work, "gone", life=timedelta(hours=1), now=now - timedelta(hours=2))
    cast.make_token(alice, work, "leaked").token.revoke(by=cast.OPERATOR, reason="leaked", now=now)
    assert shown(staff, {"state": "living"}) == {"fresh", "ending", "used"}
    assert shown(staff, {"state": "ending"}) == {"ending"}
    assert shown(staff, {"state": "unused"}) == {"fresh", "ending"}
    assert shown(staff, {"state": "expired"}) == {"gone"}
    assert shown(staff, {"state": "revoked"}) == {"leaked"}
    assert shown(staff, {"revoke_reason__exact": "leaked"}) == {"leaked"}
    assert shown(staff, {"account": str(work.account_id), "q": "used"}) == {"used"}
    assert staff.get(LIST, {"account": "nonsense"}).status_code == 200


def test_revoking_says_first_what_it_hits_and_who_is_told(staff, token):
    page = revoke(staff, [token]).content.decode()
    assert token.masked in page
    assert "By mail: alice@example.com" in page
    assert "Never" in page
    assert DelegatedToken.objects.get().revoked_at is None


def test_revoking_needs_a_reason(staff, token):
    for reason in ("", "nonsense"):
        assert revoke(staff, [token], confirmed="1", reason=reason).status_code == 422
    assert DelegatedToken.objects.get().revoked_at is None


def test_revoking_ends_each_and_counts_those_that_had_ended(staff, token, bob, work):
    other = cast.make_token(bob, work, "ci").token
    over = cast.make_token(bob, work, "old").token
    over.revoke(by=cast.OPERATOR, reason="unused", now=timezone.now())
    answer = revoke(staff, [token, other, over], confirmed="1", reason="leaked", note="In a chat")
    assert answer.status_code == 302
    page = staff.get(LIST).content.decode()
    assert "2 tokens ended" in page
    assert "1 token had already ended" in page
    token.refresh_from_db()
    over.refresh_from_db()
    assert (token.revoke_reason, token.revoke_note, over.revoke_reason) == ("leaked", "In a chat", "unused")
    events = Event.objects.filter(action=Action.TOKEN_REVOKED, actor_label="sam@example.com")
    assert events.count() == 2


def test_a_token_that_left_the_filter_in_between_is_still_counted(staff, token):
    token.revoke(by=cast.OPERATOR, reason="unused", now=timezone.now())
    revoke(staff, [token], path=f"{LIST}?state=living", confirmed="1", reason="leaked")
    assert "1 token had already ended" in staff.get(LIST).content.decode()


def test_who_is_not_staff_revokes_nothing_here(client, alice, token):
    client.force_login(alice)
    revoke(client, [token], confirmed="1", reason="leaked")
    assert DelegatedToken.objects.get().revoked_at is None
    assert not mail.outbox


@pytest.mark.parametrize(
    "path",
    [LIST, "/admin/tokens/reminder/", "/admin/profiles/event/", "/admin/profiles/user/", "/admin/activity/call/"],
)
@pytest.mark.parametrize("name", ["q", "state", "account"])
def test_a_secret_typed_as_a_search_is_refused_and_not_shown_again(staff, alice, work, path, name):
    secret = cast.make_token(alice, work, "n8n").key.text
    answer = staff.get(path, {name: secret})
    assert answer.status_code == 400
    assert secret not in answer.content.decode() + str(answer.headers)
