"""Revoking all tokens of a toolkit, all of mine, all of a person: together, once told, one event each."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from profiles.events import Event
from tests import cast
from tests.tokens.conftest import browser_of
from tokens import tasks
from tokens.models import Authority, Connection, Credentials, DelegatedToken, OAuthSession, Webhook

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
REASON = {"reason": "leaked", "note": "laptop lost"}


@pytest.fixture
def sales(acme):
    return cast.make_toolkit(acme, "sales")


@pytest.fixture
def everything(alice, bob, charlie, acme, work, sales):
    """Tokens of Alice and Bob for both toolkits, an application that Bob uses, and what Bob has elsewhere."""
    application = cast.make_application(name="Desk")
    elsewhere = cast.make_toolkit(bob.personal_account, "own")
    made = {
        "alice work": cast.make_token(alice, work, "ci").token,
        "bob work": cast.make_token(bob, work, "n8n").token,
        "bob sales": cast.make_token(bob, sales, "make").token,
        "bob own": cast.make_token(bob, elsewhere, "own").token,
        "charlie": cast.make_token(charlie, cast.make_toolkit(charlie.personal_account, "own"), "own").token,
    }
    cast.make_access_token(bob, work, application)
    return made


def living(everything):
    now = timezone.now()
    rows = DelegatedToken.objects.in_bulk([token.pk for token in everything.values()])
    return {name for name, token in everything.items() if rows[token.pk].state(now) not in ("revoked", "expired")}


@pytest.mark.parametrize(
    ("person", "address", "left", "connected"),
    [
        ("bob", "/tokens/mine/revoke/", {"alice work", "charlie"}, 0),
        ("alice", "/tokens/of/{bob}/revoke/", {"alice work", "bob own", "charlie"}, 0),
        ("alice", "/tokens/toolkit/{work}/revoke/", {"bob sales", "bob own", "charlie"}, 0),
        ("alice", "/tokens/mine/revoke/", {"bob work", "bob sales", "bob own", "charlie"}, 1),
    ],
    ids=["mine", "of a person", "of a toolkit", "mine without applications"],
)
def test_the_page_says_how_many_and_ends_exactly_these(
    request, acme, bob, work, everything, person, address, left, connected
):
    browser = browser_of(request.getfixturevalue(person), acme)
    path = address.format(bob=bob.pk, work=work.pk)
    page = browser.get(path).content.decode()
    ends = len(everything) - len(left)
    assert f"{ends} token{'' if ends == 1 else 's'}" in page
    assert ("1 connected application" in page) == (not connected)
    assert browser.post(path, {"reason": "nonsense"}).status_code == 422
    assert living(everything) == set(everything)
    epoch = Authority.objects.get().epoch
    browser.post(path, REASON)
    assert living(everything) == left
    assert Connection.objects.living().count() == connected
    assert OAuthSession.objects.filter(ended_at=None).count() == connected
    assert Authority.objects.get().epoch == epoch + 1
    events = Event.objects.filter(action__in=["token.revoked", "application.disconnected"])
    assert events.count() == ends + 1 - connected
    assert {event.reason for event in events} == {"Leaked: laptop lost"}
    assert "nothing to revoke" in browser.get(path).content.decode()


def test_strangers_and_members_find_no_such_page(as_bob, as_charlie, alice, bob, work, everything):
    for browser in (as_bob, as_charlie):
        for path in (f"/tokens/of/{alice.pk}/revoke/", f"/tokens/toolkit/{work.pk}/revoke/"):
            assert browser.get(path).status_code == 404
            assert browser.post(path, REASON).status_code == 404
    assert living(everything) == set(everything)


def test_of_somebody_who_has_nothing_to_do_with_the_account_there_is_no_page(as_alice, charlie):
    assert as_alice.get(f"/tokens/of/{charlie.pk}/revoke/").status_code == 404


def test_the_cost_does_not_grow_with_their_number(bob, work, django_assert_num_queries):
    for number in range(30):
        cast.make_token(bob, work, f"ci {number}")
    with django_assert_num_queries(18, exact=False):
        ended = Credentials.of_toolkit(work).revoke(by=cast.OPERATOR, reason="policy", now=timezone.now())
    assert str(ended) == "30 tokens"


def test_each_owner_is_told_once_and_who_did_it_is_not(
    alice, as_alice, work, everything, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args: sent.append((name, args)))
    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(f"/tokens/toolkit/{work.pk}/revoke/", REASON)
    [(name, args)] = sent
    tasks.mail_revoked_together(*args)
    assert name == "tokens.tasks.mail_revoked_together"
    [message] = mail.outbox
    assert message.to == ["bob@example.com"]
    assert message.subject == "Access of yours was revoked: 1 token, 1 connected application"
    assert "alice@example.com has revoked" in message.body
    assert "n8n" in message.body
    assert "Leaked: laptop lost" in message.body


def test_webhooks_hear_of_each(acme, work, everything):
    now = timezone.now()
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="", kinds=["token.revoked"], by=cast.OPERATOR, now=now
    )
    Credentials.of_toolkit(work).revoke(by=cast.OPERATOR, reason="policy", now=now)
    assert hook.deliveries.filter(kind="token.revoked").count() == 2


def test_what_has_ended_already_keeps_its_reason(bob, work, everything):
    now = timezone.now()
    old = cast.make_token(bob, work, "old", timedelta(hours=1), now=now - timedelta(hours=2)).token
    everything["bob work"].revoke(by=cast.OPERATOR, reason="unneeded", now=now)
    Credentials.of_owner(bob).revoke(by=cast.OPERATOR, reason="left", now=now)
    reasons = dict(DelegatedToken.objects.filter(owner=bob).values_list("name", "revoke_reason"))
    assert reasons == {"n8n": "unneeded", "make": "left", "own": "left", "old": ""}
    assert old.revoked_at is None


@pytest.mark.parametrize(
    "end",
    [
        lambda bob, toolkit, now: toolkit.delete_for_good(by=cast.OPERATOR, now=now),
        lambda bob, toolkit, now: toolkit.account.members.get(user=bob).remove(by=cast.OPERATOR, now=now),
    ],
    ids=["toolkit deleted", "member removed"],
)
def test_who_loses_many_tokens_at_once_gets_one_mail(
    end, bob, sales, monkeypatch, django_capture_on_commit_callbacks, django_assert_max_num_queries
):
    for number in range(30):
        cast.make_token(bob, sales, f"n8n {number}")
    sent = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args: sent.append((name, args)))
    with django_capture_on_commit_callbacks(execute=True), django_assert_max_num_queries(60):
        end(bob, sales, timezone.now())
    [[owner, tokens, number, connections, _]] = [args for name, args in sent if name.startswith("tokens.")]
    assert owner == bob.pk
    assert (len(tokens), number, connections) == (Credentials.MAILED, 30, 0)
    assert not DelegatedToken.objects.filter(owner=bob).living(timezone.now()).exists()
