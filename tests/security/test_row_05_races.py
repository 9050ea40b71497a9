"""Row 5: many at once at the limit of a policy, or replacing one token, get no more than one would."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connections
from django.utils import timezone

from tests import cast
from tokens.models import DelegatedToken, Policy

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
