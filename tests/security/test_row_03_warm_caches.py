"""Row 3: what a hub process remembers of a token is gone with the answer to its revocation, whatever else is broken."""

import http.client
import json
import time
from contextlib import closing

import pytest

from tests.fleet import CALL, Browser, Flood, ask, statuses, without_a_lease
from tests.upstreams import wait_for

pytestmark = pytest.mark.slow

LEASE_IS_OVER = 2.5  # seconds


def test_a_token_that_every_process_has_seen_a_thousand_times_is_refused_at_the_next_call(stage):
    for hub in stage.hubs:
        with closing(http.client.HTTPConnection(*hub.address, timeout=30)) as connection:
            assert {ask(connection, stage.secret) for _ in range(1000 // len(stage.hubs))} == {200}
    stage.revoke(stage.hubs[2])
    stage.fleet.upstream.forget()
    assert statuses(stage.hubs, stage.secret) == [401, 401, 401]
    assert stage.fleet.upstream.calls == []


def test_a_call_whose_body_is_still_on_its_way_does_not_begin_after_the_answer(stage):
    """The first look, at the headers, let it pass; the second, right before the server is asked, is what counts."""
    begun = [half_a_call(hub, stage.secret) for hub in stage.hubs]
    answered = stage.revoke(stage.hubs[0])
    stage.fleet.upstream.forget()
    assert [the_rest_of(connection) for connection in begun] == [401, 401, 401]
    assert stage.fleet.upstream.calls == []
    assert stage.begun_after(answered.at) == []


def half_a_call(hub, secret):
    connection = http.client.HTTPConnection(*hub.address, timeout=30)
    connection.putrequest("POST", "/hub/mcp")
    for name, value in {
        "Authorization": f"Bearer {secret}", "Content-Type": "application/json", "Content-Length": str(len(CALL)),
    }.items():  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(CALL[:20].encode())
    return connection


def the_rest_of(connection):
    with closing(connection):
        connection.send(CALL[20:].encode())
        return connection.getresponse().status


def test_without_postgresql_nothing_is_revoked_nothing_begins_and_all_comes_back(stage):
    person = Browser(stage.member)
    path = f"/api/v1/tokens/{stage.issued.token.public_id}/revoke"
    assert statuses(stage.hubs, stage.secret) == [200, 200, 200]
    with stage.fleet.without_postgres():
        stopped = time.monotonic()
        for hub in stage.hubs:
            wait_for(lambda hub=hub: without_a_lease(hub, stage.secret), "the end of the lease", LEASE_IS_OVER)
        assert time.monotonic() - stopped < LEASE_IS_OVER
        stage.fleet.upstream.forget()
        with Flood(stage.hubs, stage.secret) as flood:
            answered = person.post(stage.hubs[0], path)
            flood.wait_for(503, 60)
        assert stage.fleet.upstream.calls == []
    assert (answered.status, flood.count(503)) == (503, len(flood.asked))
    assert "Nothing was revoked" in json.loads(answered.text)["detail"]
    for hub in stage.hubs:
        wait_for(lambda hub=hub: statuses([hub], stage.secret) == [200], "the hub process")
    assert person.post(stage.hubs[1], path).status == 200
    assert statuses(stage.hubs, stage.secret) == [401, 401, 401]
