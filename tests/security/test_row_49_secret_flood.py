"""A flood of wrong client secrets is answered, limited, and leaves the hub its speed."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.security.conftest import EVERYTHING
from tests.tokens.oauth.flow import make_confidential

pytestmark = EVERYTHING
FLOOD = 200


def test_the_hub_answers_during_a_flood_of_wrong_secrets(scene):
    robot = make_confidential(scene.acme)
    header = {"Authorization": "Basic " + base64.b64encode(f"{robot.client_id}:guess".encode()).decode()}
    form = {"grant_type": "client_credentials"}

    def guess(client: httpx2.Client) -> int:
        return client.post(f"{scene.live.base}/oauth/token", data=form, headers=header).status_code

    assert scene.live.call(scene.issued).status_code == 200  # warm
    with httpx2.Client(trust_env=False, timeout=30) as client, ThreadPoolExecutor(20) as pool:
        attempts = [pool.submit(guess, client) for _ in range(FLOOD)]
        waits = []
        while not all(attempt.done() for attempt in attempts):
            asked = time.perf_counter()
            assert scene.live.call(scene.issued).status_code == 200
            waits.append(time.perf_counter() - asked)
    statuses = [attempt.result() for attempt in attempts]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) < FLOOD / 4
    assert waits
    assert max(waits) < 2
