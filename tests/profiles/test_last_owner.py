"""An organization always has an owner, also where two owners go at the same moment."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from profiles.permissions import Role
from tests import cast

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.sqlite]


def test_of_two_owners_who_go_at_once_one_stays(alice, bob):
    acme = cast.make_account("Acme", owner=alice)
    acme.members.create(user=bob, role=Role.OWNER)
    places = list(acme.members.select_related("user", "account"))
    outcomes, barrier = [], threading.Barrier(2)

    def go(act):
        try:
            barrier.wait(20)
            act()
            outcomes.append("went")
        except ValidationError:
            outcomes.append("stays")
        finally:
            connections.close_all()

    how = {"by": cast.OPERATOR, "now": timezone.now()}
    acts = [lambda: places[0].change_role(Role.MEMBER, **how), lambda: places[1].remove(**how)]
    threads = [threading.Thread(target=go, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["stays", "went"]
    assert acme.members.filter(role=Role.OWNER).count() == 1
