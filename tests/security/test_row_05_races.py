"""Row 5: many at once at the limit of a policy, replacing or ending the same tokens, get what one after another would."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connections
from django.utils import timezone

from profiles.events import Action, Event
from tests import cast
from tokens.models import DelegatedToken, Policy
from tokens.models.revoking import revoke_all

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
THREADS = 20


def at_once(act):
    """Run act(number) in 20 threads that begin together; return what each gave, or its error."""
    results, barrier = [], threading.Barrier(THREADS)

    def run(number):
        try:
            barrier.wait(20)
            results.append(act(number))
        except (ValidationError, OperationalError) as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == THREADS
    return results


@pytest.mark.parametrize("limit", [1, 3])
def test_twenty_threads_never_make_more_tokens_than_the_policy_allows(alice, acme, work, limit):
    Policy.objects.create(account=acme, max_tokens=limit)
    results = at_once(lambda number: cast.make_token(alice, work, f"n8n {number}"))
    assert DelegatedToken.objects.current(timezone.now()).count() == limit
    assert sum(isinstance(result, ValidationError) for result in results) == THREADS - limit


def test_of_a_toolkit_s_number_too(alice, bob, acme, work):
    Policy.objects.create(account=acme, toolkit=work, max_tokens=2)
    people = [alice, bob]
    at_once(lambda number: cast.make_token(people[number % 2], work, f"n8n {number}"))
    living = DelegatedToken.objects.current(timezone.now())
    assert [living.filter(owner=person).count() for person in people] == [2, 2]


def test_twenty_replacements_leave_one_pending_successor(alice, work):
    token = cast.make_token(alice, work).token
    at_once(lambda number: token.replace(by=cast.OPERATOR, now=timezone.now()))
    living = DelegatedToken.objects.filter(family=token.family).living(timezone.now())
    assert sorted(living.values_list("stage", flat=True)) == ["current", "pending"]


def test_who_ends_the_same_tokens_in_whatever_order_waits_and_is_not_refused(alice, bob, acme, work):
    """By themselves, as a family, together, with their owner's place: none is the victim of a deadlock."""
    old = [cast.make_token(bob, work, f"n8n {number}").token for number in range(6)]
    new = [token.replace(by=cast.OPERATOR, now=timezone.now()).token for token in old]
    all_of_them, now = DelegatedToken.objects.order_by("pk"), timezone.now()

    def act(number):
        how = {"by": cast.OPERATOR, "now": now}
        if number == 7:
            return acme.members.get(user=bob).remove(**how)
        if number % 4 == 0:
            rows = list(all_of_them.reverse() if number % 8 else all_of_them)
            return revoke_all(rows, reason="other", **how)
        return DelegatedToken.objects.get(pk=(old, new)[number % 2][number // 2 % 6].pk).revoke(reason="other", **how)

    results = at_once(act)
    assert not [result for result in results if isinstance(result, Exception)]
    assert not DelegatedToken.objects.living(now).exists()
    ended = Event.objects.filter(action=Action.TOKEN_REVOKED)
    assert ended.count() == len(old + new)
