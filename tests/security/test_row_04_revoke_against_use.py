"""Row 4: five hundred tokens, each revoked while all processes are called with it: nothing starts after its answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from tests import cast
from tests.fleet import Flood

pytestmark = pytest.mark.slow

TOKENS = 500
AT_ONCE = 4


def test_of_five_hundred_none_is_taken_after_the_answer_to_its_revocation(stage):
    issued = [cast.make_token(stage.member, stage.toolkit, f"ci {number}") for number in range(TOKENS)]
    revoked = {}

    def revoke(each):
        each.token.revoke(by=cast.OPERATOR, reason="unneeded", now=timezone.now())
        revoked[each.key.text] = timezone.now().timestamp()

    with ThreadPoolExecutor(AT_ONCE) as pool, Flood(stage.hubs, stage.secret, threads_each=1) as flood:
        for begin in range(0, TOKENS, AT_ONCE):
            some = issued[begin : begin + AT_ONCE]
            flood.secrets = [*(each.key.text for each in some), *list(revoked)[-1:]]  # and one that has been revoked
            list(pool.map(revoke, some))
        list(pool.map(lambda number: connections.close_all(), range(AT_ONCE)))
    taken = [each for each in flood.asked if each.status == 200]
    assert len(taken) > TOKENS // 10
    assert [each for each in taken if each.begun > revoked.get(each.secret, each.begun)] == []
    assert flood.count(401) > TOKENS // 10
