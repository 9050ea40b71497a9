import json
import multiprocessing
import threading

import pytest
from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from nexus import celery as nexus_celery
from tests.nexus.running import wait_until

MESSAGES = 300
PUBLISHERS = 2


def make_app(folder):
    app = Celery("trial", broker="nexusfs://", set_as_current=False)
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.01,
    }
    return app


def publish(folder, publisher):
    app = make_app(folder)
    with app.producer_pool.acquire() as producer:
        for number in range(MESSAGES):
            producer.publish({"n": f"{publisher}-{number}"}, routing_key="trial", exchange="", serializer="json")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "queue" / "control").mkdir(parents=True)
    return tmp_path / "queue"


def test_a_reader_never_sees_half_a_message_of_two_publishers(folder):
    assert TRANSPORT_ALIASES["nexusfs"] == "nexus.broker:Transport", nexus_celery
    received = []
    with make_app(folder).connection_for_read() as connection:
        queue = connection.SimpleQueue("trial", no_ack=True)
        context = multiprocessing.get_context("spawn")
        publishers = [context.Process(target=publish, args=(folder, name)) for name in range(PUBLISHERS)]
        for process in publishers:
            process.start()
        while len(received) < MESSAGES * PUBLISHERS:
            received.append(queue.get(timeout=30).payload["n"])
        for process in publishers:
            process.join(10)
        queue.close()
    assert len(set(received)) == MESSAGES * PUBLISHERS
    assert [process.exitcode for process in publishers] == [0] * PUBLISHERS


def test_every_file_that_a_poll_can_see_is_complete(folder):
    seen = set()
    stop = threading.Event()

    def look():
        while not stop.is_set():
            for file in folder.glob("*.msg"):
                json.loads(file.read_text())
                seen.add(file.name)

    watcher = threading.Thread(target=look)
    watcher.start()
    publish(folder, 0)
    wait_until(lambda: len(seen) == MESSAGES, 10)
    stop.set()
    watcher.join()
    assert len(seen) == MESSAGES
