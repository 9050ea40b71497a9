"""Row 12: no chain of exchanges lengthens a life, none is longer than two, and the end of a link ends what follows."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests import cast
from tests.security.conftest import EVERYTHING
from tests.tokens.oauth.exchanging import SECRET, ask, make_exchanger
from tests.upstreams import wait_for
from tokens import keys
from tokens.models import DelegatedToken, OAuthSession
from tokens.oauth.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE

DAY = 86400
IN_MEMORY = pytest.mark.django_db(databases="__all__")


def made(answer) -> DelegatedToken:
    assert answer.status_code == 200, answer.content
    return DelegatedToken.objects.get(digest=keys.digest(answer.json()["access_token"]))


@IN_MEMORY
@pytest.mark.sqlite
def test_a_chain_at_day_29_ends_with_its_root(alice, acme, work):
    application = make_exchanger(acme)
    root = cast.make_token(alice, work, life=timedelta(days=30), now=timezone.now() - timedelta(days=29))
    first = ask(application, root.key.text, expires_in=str(30 * DAY))
    second = ask(application, first.json()["access_token"], expires_in=str(30 * DAY))
    assert made(first).expires_at == made(second).expires_at == root.token.expires_at
    for answer in (first, second):
        assert DAY - 60 < answer.json()["expires_in"] <= DAY
    third = ask(application, second.json()["access_token"])
    assert (third.status_code, third.json()["error"]) == (400, "invalid_request")
    assert DelegatedToken.objects.count() == 3


@IN_MEMORY
@pytest.mark.sqlite
def test_a_fraction_of_a_second_is_never_gained(alice, acme, work, time_machine):
    time_machine.move_to("2026-11-24T12:00:00.999999Z", tick=False)
    application, now = make_exchanger(acme), timezone.now()
    access, text = cast.make_access_token(alice, work, application, life=timedelta(seconds=600.4), now=now)
    token = made(ask(application, text, expires_in=str(DAY)))
    assert token.expires_at <= access.expires
    assert token.expires_at.microsecond == 0


@IN_MEMORY
def test_a_thousand_exchanges_do_not_move_the_end(alice, acme, work):
    application = make_exchanger(acme)
    root = cast.make_token(alice, work, life=timedelta(days=2))
    digest = root.token.digest
    for _ in range(1000):
        issued = DelegatedToken.objects.exchange(
            digest, keys.Kind.DELEGATED, application=application, scopes=frozenset(), lasts=timedelta(days=30),
            name="loop", by=cast.OPERATOR, now=timezone.now(),
        )  # fmt: skip
        assert issued.token.expires_at == root.token.expires_at
    root.token.refresh_from_db()
    assert DelegatedToken.objects.filter(expires_at__gt=root.token.expires_at).count() == 0


@IN_MEMORY
@pytest.mark.sqlite
@pytest.mark.parametrize("left", [0, 59, 60, 61])
def test_less_than_a_minute_is_not_worth_a_token(alice, acme, work, time_machine, left):
    time_machine.move_to("2026-11-24T12:00:00Z", tick=False)
    root = cast.make_token(alice, work, life=timedelta(minutes=10))
    time_machine.move_to(root.token.expires_at - timedelta(seconds=left), tick=False)
    answer = ask(make_exchanger(acme), root.key.text)
    assert answer.status_code == (200 if left >= 60 else 400)
    assert DelegatedToken.objects.count() == (2 if left >= 60 else 1)


@IN_MEMORY
@pytest.mark.sqlite
def test_an_access_token_counts_as_no_exchange_and_its_session_bounds_it(alice, acme, work):
    application, now = make_exchanger(acme), timezone.now()
    access, text = cast.make_access_token(alice, work, application)
    OAuthSession.objects.filter(pk=access.session_id).update(ends_at=now + timedelta(minutes=5))
    first = ask(application, text)
    assert 290 <= first.json()["expires_in"] <= 300
    second = ask(application, first.json()["access_token"], expires_in=str(DAY))
    assert made(second).exchanges == 2
    assert made(second).expires_at <= now + timedelta(minutes=5)
    assert ask(application, second.json()["access_token"]).status_code == 400


def over_the_wire(scene, application, subject, **form):
    """Exchange at the live Nexus."""
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN} | form
    return scene.live.request("POST", "/oauth/token", data=form, auth=(application.client_id, SECRET))


@EVERYTHING
@pytest.mark.sqlite
@pytest.mark.parametrize("end", ["parent", "child", "session", "connection"])
def test_the_end_of_a_link_ends_what_came_of_it_at_the_hub(scene, end):
    application, now = make_exchanger(scene.acme), timezone.now()
    root = scene.secret
    if end in ("session", "connection"):
        access, root = cast.make_access_token(scene.alice, scene.work, cast.make_application())
    first = over_the_wire(scene, application, root).json()["access_token"]
    second = over_the_wire(scene, application, first).json()["access_token"]
    for secret in (first, second):
        assert scene.live.tool(secret, "echo__echo", {"text": "hi"}).status_code == 200
    if end == "parent":
        scene.issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=now)
    elif end == "child":
        made_first = DelegatedToken.objects.get(digest=keys.digest(first))
        made_first.revoke(by=cast.OPERATOR, reason="leaked", now=now)
    elif end == "session":
        access.session.end(by=cast.OPERATOR, now=now)
    else:
        access.session.connection.revoke(by=cast.OPERATOR, now=now)
    for secret in (first, second):
        answer = scene.live.tool(secret, "echo__echo", {"text": "hi"})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert over_the_wire(scene, application, secret).status_code == 400
    if end == "child":  # what it came of lives on
        assert scene.live.call(root).status_code == 200
    rows = DelegatedToken.objects.filter(exchanges__gt=0)
    assert rows.exclude(revoked_at=None).count() == 2
    assert len(scene.upstream.calls) == 2


@EVERYTHING
@pytest.mark.sqlite
def test_many_end_in_few_steps_and_the_owner_is_told_once(scene, mailoutbox, django_assert_max_num_queries):
    application = make_exchanger(scene.acme)
    for _ in range(20):
        over_the_wire(scene, application, scene.secret)
    with django_assert_max_num_queries(75):
        scene.issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    assert DelegatedToken.objects.living(timezone.now()).count() == 0


@EVERYTHING
@pytest.mark.parametrize("end", ["token", "session", "connection"])
def test_what_is_revoked_while_it_is_exchanged_leaves_nothing(alice, acme, work, end):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    application, now = make_exchanger(acme), timezone.now()
    issued = cast.make_token(alice, work)
    access, text = cast.make_access_token(alice, work, application)
    subject = issued.key.text if end == "token" else text
    answers, looked = [], threading.Event()

    def exchange():
        try:
            looked.set()
            answers.append(ask(application, subject))
        finally:
            connection.close()

    with transaction.atomic():  # the end is written, and not yet committed
        if end == "token":
            issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=now)
        elif end == "session":
            access.session.end(by=cast.OPERATOR, now=now)
        else:
            access.session.connection.revoke(by=cast.OPERATOR, now=now)
        thread = threading.Thread(target=exchange)
        thread.start()
        looked.wait(5)
        wait_for(waiting, "the exchange to wait for the lock")
    thread.join(10)
    assert (answers[0].status_code, answers[0].json()["error"]) == (400, "invalid_request")
    assert DelegatedToken.objects.filter(exchanges__gt=0).count() == 0


@EVERYTHING
@pytest.mark.parametrize("end", ["token", "session", "connection"])
def test_what_is_exchanged_while_it_is_revoked_is_found_and_ended(alice, acme, work, end):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    application, now = make_exchanger(acme), timezone.now()
    issued = cast.make_token(alice, work)
    access, text = cast.make_access_token(alice, work, application)
    subject = issued.key.text if end == "token" else text

    def revoke():
        try:
            if end == "token":
                issued.token.revoke(by=cast.OPERATOR, reason="leaked", now=now)
            elif end == "session":
                access.session.end(by=cast.OPERATOR, now=now)
            else:
                access.session.connection.revoke(by=cast.OPERATOR, now=now)
        finally:
            connection.close()

    thread = threading.Thread(target=revoke)
    with transaction.atomic():  # the child is written, and not yet committed
        assert ask(application, subject).status_code == 200
        thread.start()
        wait_for(waiting, "the end to wait for the exchange")
    thread.join(10)
    child = DelegatedToken.objects.get(exchanges=1)
    assert (child.stage, child.revoke_reason) == ("ended", "parent")


def waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0
