import json
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from nexus import readiness
from nexus.hub import health
from nexus.hub.counters import Counters
from nexus.hub.metrics import generate_latest, make_registry


async def ask(application, peer="127.0.0.1", headers=()):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": list(headers), "client": (peer, 1)}
    await application(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.django_db(transaction=True)
async def test_healthz_says_ok_and_nothing_else():
    assert await ask(health.healthz, peer="203.0.113.7") == (200, b"ok")


async def test_healthz_is_503_when_the_database_fails(monkeypatch):
    def fail():
        raise OSError("secret detail")

    monkeypatch.setattr(health, "database", health.Check(fail))
    assert await ask(health.healthz) == (503, b"unavailable")


async def test_healthz_waits_a_second_at_most_for_a_database_that_hangs(monkeypatch):
    release, asked = threading.Event(), []

    def hang():
        asked.append(1)
        release.wait(10)

    monkeypatch.setattr(health, "database", health.Check(hang))
    monkeypatch.setattr(health, "LONGEST_CHECK", 0.05)
    try:
        assert (await ask(health.healthz))[0] == 503
        assert (await ask(health.healthz))[0] == 503
        assert len(asked) == 1  # the second did not start another thread
    finally:
        release.set()


@pytest.mark.parametrize("application", [health.readyz, health.metrics])
@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("203.0.113.7", []),
        ("127.0.0.1", [(b"x-forwarded-for", b"127.0.0.1")]),
        ("127.0.0.1", [(b"forwarded", b"for=127.0.0.1")]),
        ("203.0.113.7", [(b"authorization", b"Bearer ")]),
        ("203.0.113.7", [(b"authorization", b"Bearer guess")]),
        ("", []),
    ],
)
async def test_strangers_get_404_for_detail(application, peer, headers, settings):
    settings.NEXUS_METRICS_TOKEN = ""
    assert (await ask(application, peer, headers))[0] == 404
    settings.NEXUS_METRICS_TOKEN = "m" * 30
    assert (await ask(application, peer, headers))[0] == 404


async def test_the_metrics_token_opens_metrics_from_anywhere(settings):
    settings.NEXUS_METRICS_TOKEN = "m" * 30
    status, body = await ask(health.metrics, "203.0.113.7", [(b"authorization", b"Bearer " + b"m" * 30)])
    assert status == 200
    assert b"nexus_hub_seconds_bucket" in body


def test_metrics_show_what_the_hub_counted():
    counters = Counters()
    counters.answered(200, "ok", 0.0007)
    counters.answered(200, "ok", 500)
    counters.answered(401, "refused", 0.0001)
    counters.refusals["revoked"] += 1
    text = generate_latest(make_registry(counters)).decode()
    assert 'nexus_hub_answers_total{outcome="ok",status="200"} 2.0' in text
    assert 'nexus_hub_seconds_bucket{le="0.001"} 2.0' in text
    assert 'nexus_hub_seconds_bucket{le="+Inf"} 3.0' in text
    assert 'nexus_hub_refusals_total{reason="revoked"} 1.0' in text


@pytest.mark.django_db(transaction=True)
async def test_readyz_names_each_part(settings, tmp_path):
    settings.NEXUS_STDIO_SOCKET = tmp_path / "none.sock"
    settings.CELERY_QUEUE_DIR = tmp_path
    status, body = await ask(health.readyz)
    report = json.loads(body)
    assert status == 200, report
    assert report["checks"]["migrations"] == {"state": "ok", "detail": "all applied"}
    assert report["checks"]["stdio host"]["state"] == "warn"


@pytest.mark.django_db
def test_a_redis_that_does_not_answer_is_a_failure(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    finding = readiness.queue(timezone.now())
    assert finding.state is readiness.State.FAIL
    assert "REDIS_URL" in finding.detail


def test_a_task_that_waits_long_means_that_no_worker_runs(settings, tmp_path):
    settings.REDIS_URL, settings.CELERY_QUEUE_DIR = "", tmp_path
    now = timezone.now()
    (tmp_path / f"{int(now.timestamp() * 1e9):020d}_x.celery.msg").write_text("{}")
    assert readiness.queue(now).state is readiness.State.OK
    later = readiness.queue(now + timedelta(minutes=3))
    assert later.state is readiness.State.FAIL
    assert "worker" in later.detail
