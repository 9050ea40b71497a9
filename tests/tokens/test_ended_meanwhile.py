"""What comes of a consent or an application while somebody ends it: nothing that outlives the end."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.utils import timezone

from tests import cast
from tests.cast import OPERATOR
from tests.tokens.oauth.exchanging import ask, make_exchanger
from tests.upstreams import wait_for
from tokens.models import Authority, Connection, DelegatedToken

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(connections["default"].vendor != "postgresql", reason="SQLite has one writer at a time"),
]
ENDS = {
    "disabled": lambda desk, now: desk.disable(by=OPERATOR, now=now),
    "removed": lambda desk, now: desk.remove(by=OPERATOR, now=now),
    "no longer to exchange": lambda desk, now: desk.change(may_exchange=False, by=OPERATOR, now=now),
}


def waiting() -> int:
    """Return how many connections to this database wait for a lock."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


def alone(function):
    """Run it on a connection of its own."""
    try:
        return function()
    finally:
        connections.close_all()


def test_a_sign_in_while_the_consent_is_revoked_leaves_nothing_that_lives(alice, acme, work):
    desk, now = make_exchanger(acme), timezone.now()
    connection = Connection.objects.connect(desk, alice, work, scope="mcp", by=OPERATOR, now=now)

    def sign_in_and_exchange():
        _, access = cast.make_access_token(alice, work, desk)
        return ask(desk, access)

    with ThreadPoolExecutor() as threads:
        with transaction.atomic():  # holds the revocation where it has looked for sessions and not committed yet
            Authority.objects.select_for_update().get(pk=1)
            revoking = threads.submit(alone, lambda: connection.revoke(by=OPERATOR, now=now))
            wait_for(lambda: waiting() == 1, "the revocation")
            signing_in = threads.submit(alone, sign_in_and_exchange)
            wait_for(lambda: signing_in.done() or waiting() == 2, "the sign-in")
        assert revoking.result()
        assert signing_in.result().status_code == 400
    assert not DelegatedToken.objects.living(now).exists()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_exchange_while_the_application_is_ended_leaves_nothing_that_lives(alice, acme, work, end):
    desk, subject, now = make_exchanger(acme), cast.make_token(alice, work), timezone.now()
    assert ask(desk, subject.key.text).status_code == 200
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():  # holds the end where it has looked for tokens and not committed yet
            Authority.objects.select_for_update().get(pk=1)
            ending = threads.submit(alone, lambda: end(desk, now))
            wait_for(lambda: waiting() == 1, "the end")
            exchanging = threads.submit(alone, lambda: ask(desk, subject.key.text))
            wait_for(lambda: exchanging.done() or waiting() == 2, "the exchange")
        assert ending.result()
        assert exchanging.result().json()["error"] == "unauthorized_client"
    assert not DelegatedToken.objects.living(now).made_by_exchange().exists()
