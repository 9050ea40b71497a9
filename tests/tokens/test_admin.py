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
from tests.activity.test_admin import make_calls
from tokens import keys
from tokens.admin import DelegatedTokenAdmin
from tokens.models import CalendarFeed, DelegatedToken

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
    assert count() == first <= 10


@pytest.mark.parametrize("find", ["owner", "name", "public_id", "last_four", "masked", "alias"])
def test_a_token_is_found_by_what_is_known_of_it(staff, token, bob, work, find):
    cast.make_token(bob, cast.make_toolkit(work.account, "other"), "zapier")
    words = {
        "owner": "alice@", "name": "n8n", "public_id": token.public_id, "last_four": token.last_four,
        "masked": token.masked, "alias": "work",
    }  # fmt: skip
    assert shown(staff, {"q": words[find]}) == {"n8n"}


def test_tokens_are_found_by_the_address_and_the_client_that_called_lately(staff, token, bob, work):
    cast.make_token(bob, work, "zapier")
    make_calls(1, token_public_id=token.public_id, address="203.0.113.9", client_name="n8n")
    make_calls(1, token_public_id="somebodyelse", address="203.0.113.10", client_name="curl")
    assert shown(staff, {"q": "203.0.113.9"}) == {"n8n"}
    assert shown(staff, {"q": "203.0.113.99"}) == set()
    assert shown(staff, {"client": "n8n"}) == {"n8n"}
    assert "?client=curl" in staff.get(LIST).content.decode()


def test_the_pages_follow_each_other_and_nothing_is_counted(staff, alice, work):
    made = [cast.make_token(alice, work, f"service {number}").token for number in range(60)]
    with CaptureQueriesContext(connection) as queries:
        first = staff.get(LIST).context["cl"]
    of_tokens = [query["sql"] for query in queries if 'FROM "tokens_delegatedtoken"' in query["sql"]]
    assert not any("COUNT(" in sql or "OFFSET" in sql for sql in of_tokens)
    second = staff.get(f"{LIST}{first.older}").context["cl"]
    assert [token.pk for token in (*first.result_list, *second.result_list)] == [token.pk for token in reversed(made)]
    assert not second.has_more
    assert staff.get(LIST, {"before": "nonsense"}).status_code == 302


def test_a_search_looks_through_so_many_at_a_time_and_says_how_far_it_came(staff, alice, work, monkeypatch):
    monkeypatch.setattr(DelegatedTokenAdmin, "looked_through", 10)
    cast.make_token(alice, work, "needle")
    for number in range(15):
        cast.make_token(alice, work, f"service {number}")
    answer = staff.get(LIST, {"q": "needle"})
    assert (answer.context["cl"].result_count, "Search older ones" in answer.content.decode()) == (0, True)
    found = staff.get(f"{LIST}{answer.context['cl'].older}").context["cl"]
    assert ([token.name for token in found.result_list], found.has_more) == (["needle"], False)


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
    assert "By mail, once each: alice@example.com" in page
    assert "It was not used in the last hour" in page
    assert DelegatedToken.objects.get().revoked_at is None


def test_revoking_shows_what_is_in_use_and_the_mail_as_it_will_be(staff, alice, bob, work):
    tokens = [cast.make_token(alice, work, name).token for name in ("n8n production", "GitHub Actions", "idle")]
    DelegatedToken.objects.touch({token.pk: timezone.now() - timedelta(minutes=5) for token in tokens[:2]})
    tokens.append(cast.make_token(bob, work, "Zapier").token)
    page = revoke(staff, tokens, confirmed="1", preview="yes", reason="leaked", note="in a build log").content.decode()
    assert "2 used in the last hour: " in page
    assert "sam@example.com has revoked 3 tokens of yours" in page
    assert "Leaked: in a build log" in page
    assert not DelegatedToken.objects.exclude(revoked_at=None).exists()


def test_each_owner_is_mailed_once_however_many_tokens_end(
    staff, alice, bob, work, monkeypatch, django_capture_on_commit_callbacks
):
    told = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args: told.append((name, args[0], args[2])))
    tokens = [cast.make_token(owner, work, name).token for owner in (alice, bob) for name in ("n8n", "ci", "cron")]
    with django_capture_on_commit_callbacks(execute=True):
        revoke(staff, tokens, confirmed="1", reason="leaked")
    mails = sorted(each for each in told if "mail" in each[0])
    assert mails == [("tokens.tasks.mail_revoked_together", owner.pk, 3) for owner in (alice, bob)]
    assert not DelegatedToken.objects.living(timezone.now()).exists()


def test_many_end_only_for_whoever_types_how_many(staff, alice, work):
    tokens = [cast.make_token(alice, work, f"service {number}").token for number in range(20)]
    for number in ("", "19"):
        answer = revoke(staff, tokens, confirmed="1", reason="leaked", number=number)
        assert (answer.status_code, "Type that number" in answer.content.decode()) == (422, True)
    assert revoke(staff, tokens, confirmed="1", reason="leaked", number="20").status_code == 302
    assert not DelegatedToken.objects.living(timezone.now()).exists()


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


@pytest.mark.parametrize("prefix", ["", "Bearer ", " "])
def test_a_pasted_token_leads_to_its_page_and_is_not_shown_or_logged(staff, alice, work, caplog, prefix):
    issued = cast.make_token(alice, work)
    caplog.set_level("DEBUG")
    answer = staff.post(f"{LIST}identify/", {"secret": prefix + issued.key.text})
    assert answer["Location"] == f"{LIST}{issued.token.pk}/change/"
    page = staff.get(answer["Location"]).content.decode()
    assert "the delegated token belongs here" in page
    assert issued.key.text[20:] not in page + str(answer.headers) + caplog.text


def test_every_kind_of_secret_leads_somewhere(staff, alice, work):
    key, secret = cast.make_key(alice, work.account)
    application = cast.make_application(work.account)
    access, access_secret = cast.make_access_token(alice, work, application)
    _, feed = CalendarFeed.objects.make(alice, by=cast.OPERATOR, now=timezone.now())
    for text, page in (
        (secret, f"managementkey/{key.pk}"), (access_secret, f"oauthsession/{access.session_id}"),
        (feed.text, f"user/{alice.pk}"),
    ):  # fmt: skip
        assert page in staff.post(f"{LIST}identify/", {"secret": text})["Location"]


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        (keys.make(keys.Kind.DELEGATED, "AAAAAAAAAAAA").text, "no such secret was ever made here"),
        (keys.make(keys.Kind.CLIENT, "AAAAAAAAAAAA").text, "no such secret was ever made here"),
        ("nxs_nonsense", "has not the form of a secret"),
        ("", "has not the form of a secret"),
        ("x" * 5000, "has not the form of a secret"),
    ],
    ids=["unknown", "unknown application", "nonsense", "nothing", "long"],
)
def test_what_belongs_nowhere_says_so_and_is_not_repeated(staff, pasted, said):
    page = staff.post(f"{LIST}identify/", {"secret": pasted}, follow=True).content.decode()
    assert said in page
    assert not pasted or pasted not in page


def test_only_staff_may_ask_whose_a_secret_is(client, alice, token):
    assert client.post(f"{LIST}identify/", {"secret": "x"}).status_code == 302
    client.force_login(alice)
    assert client.post(f"{LIST}identify/", {"secret": "x"})["Location"].startswith("/admin/login/")


def test_asking_whose_a_secret_is_takes_only_a_form(staff):
    assert staff.get(f"{LIST}identify/").status_code == 405


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
