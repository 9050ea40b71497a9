"""Row 62: what Nexus leans on may fail; then it answers 503 or 401, and no call is let through that was not decided."""

import contextlib
import os
import signal
import sqlite3
from dataclasses import dataclass

import pytest

from activity.models import Call
from activity.recorder import TABLE, SqliteRecorder
from nexus.hub.assembly import make_hub
from profiles.models import Member
from tests.activity.rows import make_file
from tests.hub.conftest import HubClient
from tests.live import Live
from tests.nexus.running import Running, manage
from tests.security.conftest import EVERYTHING
from tests.servers import start_postgres, start_redis
from tests.upstreams import Recorder, running_recorder, wait_for
from tokens import keys

pytestmark = EVERYTHING


@dataclass
class Installation:
    """A Nexus with a PostgreSQL and a Redis of its own, a toolkit “work” on a recording server, and a token."""

    live: Live
    upstream: Recorder
    secret: str
    postgres: object
    redis: object

    def statuses(self, secret):
        """Ask in every way that a client can."""
        sent = {"Authorization": f"Bearer {secret}"}
        return {
            self.live.tool(secret, "echo__echo").status_code,
            self.live.call(secret).status_code,
            self.live.call(secret, "initialize").status_code,
            self.live.call(secret, url="/mcp?profile=work").status_code,
            self.live.request("GET", "/hub/token/verify", headers=sent).status_code,
        }


@pytest.fixture
def installation(tmp_path):
    with contextlib.ExitStack() as stack:
        for name in ("pg", "redis"):
            (tmp_path / name).mkdir()
        postgres, redis = start_postgres(tmp_path / "pg"), start_redis(tmp_path / "redis")
        upstream = stack.enter_context(running_recorder())
        stores = {
            "DATABASE_URL": f"postgresql://postgres@/postgres?host={tmp_path / 'pg'}",
            "REDIS_URL": f"unix://{tmp_path / 'redis' / 'redis.sock'}",
        }
        nexus = Running(tmp_path / "var", **stores).wait_until_served()

        def run(*arguments):
            done = manage(tmp_path / "var", *arguments, port=nexus.port, **stores)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        run("add_toolkit", "work")
        run("add_server", "echo", upstream.url, "--toolkit", "work")
        secret = run("issue_token", "admin@example.com", "work", "--name=n8n", "--days=1")
        live = Live(f"http://localhost:{nexus.port}", tmp_path, nexus.process)
        yield Installation(live, upstream, secret, postgres, redis)
        live.client.close()
        nexus.end()
        for process in (postgres, redis):
            process.send_signal(signal.SIGINT)
            process.wait(10)


def stop(process):
    os.kill(process.pid, signal.SIGINT)
    process.wait(10)


def test_without_postgresql_nothing_is_allowed_and_without_redis_nothing_more(installation):
    assert installation.statuses(installation.secret) == {200}
    stop(installation.redis)
    assert installation.statuses(installation.secret) == {200}  # PostgreSQL decides; each process keeps rates itself
    assert installation.statuses(keys.make(keys.Kind.DELEGATED).text) == {401}
    stop(installation.postgres)
    lease_is_over = "nothing is allowed now"  # until then a call may begin, but it is not answered: it has no row
    wait_for(lambda: lease_is_over in installation.live.call(installation.secret).text, "the end of the lease")
    installation.upstream.forget()
    for secret in (installation.secret, keys.make(keys.Kind.DELEGATED).text):
        assert installation.statuses(secret) == {503}
    assert installation.live.call(None).status_code == 401
    answer = installation.live.request("GET", "/api/v1/tokens")
    assert answer.status_code in (401, 403, 503)
    assert installation.upstream.calls == []


@contextlib.asynccontextmanager
async def hub_on_a_full_disk(path):
    """A hub whose file of calls has a page left, as a file has on a disk that is all but full."""
    hub = make_hub()
    hub._recorder = hub._accounting._recorder = recorder = SqliteRecorder(str(path))
    await hub.start()
    (pages,) = recorder._file.execute("PRAGMA page_count").fetchone()
    recorder._file.execute(f"PRAGMA max_page_count = {pages + 1}")
    try:
        yield HubClient(hub)
    finally:
        await hub.stop()


@pytest.mark.sqlite
async def test_on_a_full_disk_no_call_is_answered_without_its_row(scene, tmp_path):
    path = make_file(tmp_path)
    async with hub_on_a_full_disk(path) as client:
        statuses = [(await client.call(scene.secret, "echo__echo", {"text": "x" * 50})).status for _ in range(60)]
        assert statuses[-1] == 503
        assert set(statuses) <= {200, 503}
        listed = await client.post(scene.secret)
        assert listed.status == 503
        assert "Activity cannot be written" in listed.json["error"]["message"]
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (statuses.count(200),)


@pytest.mark.sqlite
def test_a_permission_check_that_fails_lets_nothing_through(scene):
    Member.objects.filter(user=scene.alice, account=scene.acme).update(role="auditor")  # no role that we know
    for answer in (scene.live.tool(scene.issued, "echo__echo"), scene.live.call(scene.issued)):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "auditor" not in answer.text
    assert scene.upstream.calls == []


@pytest.mark.sqlite
def test_names_of_a_megabyte_are_refused_and_leave_little(scene):
    for name in ("x" * 1_000_000, "echo__" * 170_000, "(" * 500_000 + "a" * 500_000):
        answer = scene.live.tool(scene.issued, name)
        assert answer.json()["error"]["code"] == -32602
        assert len(answer.content) < 2_000
    assert scene.live.call(scene.issued, "m" * 1_000_000).status_code in (200, 400, 404)
    assert scene.upstream.calls == []
    assert max(len(call.tool) + len(call.method) + len(call.reason) for call in Call.objects.all()) < 600
