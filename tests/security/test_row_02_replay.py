"""Row 2: what was sent again after the answer to a revocation does not begin, in whichever process it arrives."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fleet import Flood, frozen, statuses

pytestmark = pytest.mark.slow

LIMIT = 2.5  # seconds in which a revocation is answered, whatever a hub process does


def test_of_a_flood_no_accepted_call_begins_after_the_answer(stage):
    with Flood(stage.hubs, stage.secret) as flood:
        flood.wait_for(200, 60)
        answered = stage.revoke(stage.hubs[0])
        flood.wait_for(401, 60)
    assert answered.status == 200
    assert answered.seconds < LIMIT
    assert flood.after(answered.at, stage.secret) == {401}
    assert stage.begun_after(answered.at) == []
    assert flood.count(200) + flood.count(401) == len(flood.asked)


def test_two_hundred_at_once_right_after_the_answer_are_all_refused(stage):
    assert statuses(stage.hubs, stage.secret) == [200] * len(stage.hubs)
    stage.revoke(stage.hubs[0])
    stage.fleet.upstream.forget()
    with ThreadPoolExecutor(12) as pool:
        answers = pool.map(lambda number: statuses([stage.hubs[number % 3]], stage.secret)[0], range(200))
        assert set(answers) == {401}
    assert stage.fleet.upstream.calls == []


def test_the_same_without_redis(stage):
    with stage.fleet.without_redis(), Flood(stage.hubs, stage.secret) as flood:
        flood.wait_for(200, 60)
        answered = stage.revoke(stage.hubs[1])
        flood.wait_for(401, 60)
    assert (answered.status, answered.seconds < LIMIT) == (200, True)
    assert flood.after(answered.at, stage.secret) == {401}
    assert stage.begun_after(answered.at) == []


def test_with_a_frozen_process_the_answer_waits_for_its_lease_and_thawed_it_refuses(stage):
    *alive, other = stage.hubs
    with Flood(stage.hubs, stage.secret) as flood:
        flood.wait_for(200, 60)
        with frozen(other):
            answered = stage.revoke(alive[0])
            assert statuses(alive, stage.secret) == [401, 401]
        flood.wait_for(401, 60)
    assert answered.status == 200
    assert answered.seconds < LIMIT
    assert flood.after(answered.at, stage.secret) <= {401, 503}  # thawed, it knows nothing for a moment
    assert stage.begun_after(answered.at) == []
    assert statuses([other], stage.secret) == [401]
