"""The whole of Nexus, on a PostgreSQL and a Redis with fsync: web, drain, Redis and PostgreSQL are killed under load."""

import contextlib
import subprocess
import sys
import threading

import httpx2
import pytest

from nexus.settings import DATABASE_URL
from tests import live
from tests.activity.test_durability import Servers, fetch
from tests.nexus.running import ROOT, Running, environment, manage, wait_until
from tests.servers import end_with_parent, start_postgres
from tests.upstreams import running_recorder, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not DATABASE_URL, reason="this is about PostgreSQL and Redis"),
]
CLIENTS, ROUNDS = 6, 3


class DurableServers(Servers):
    def start(self, name):
        if name == "postgres":
            self.processes[name] = start_postgres(self.folder, "-c", "fsync=on")
        else:
            super().start(name)


class Nexus:
    def __init__(self, folder, servers, upstream):
        self.folder, self.servers, self.web, self.drains, self.logs = folder, servers, None, [], 0
        self.stores = {
            "DATABASE_URL": f"postgresql://postgres@/postgres?host={servers.folder}",
            "REDIS_URL": servers.redis_url,
        }
        first = Running(folder / "var", **self.stores)
        assert wait_until(lambda: "Stop  " in first.output, 240), first.output
        self.manage("add_toolkit", "work")
        self.manage("add_server", "echo", upstream, "--toolkit", "work")
        self.secret = self.manage("issue_token", "admin@example.com", "work", "--name=n8n", "--days=1")
        first.process.terminate()
        first.process.wait(30)

    def manage(self, *arguments):
        done = manage(self.folder / "var", *arguments, **self.stores)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start_web(self):
        keys = {
            f"NEXUS_{name}": (self.folder / "var/keys" / f"nexus_{name.lower()}").read_text()
            for name in ("SECRET_KEY", "FIELD_KEYS")
        }
        self.web = live.start(self.folder / "var", **self.stores, **keys)

    def start_drain(self):
        command = [sys.executable, "manage.py", "drain_activity"]
        self.logs += 1
        with (self.folder / f"drain{self.logs}.log").open("wb") as log:
            told = environment(self.folder / "var", 8800, **self.stores)
            self.drains.append(
                subprocess.Popen(command, cwd=ROOT, env=told, stdout=log, stderr=log, preexec_fn=end_with_parent)
            )

    def kill_web(self):
        self.web.process.kill()
        self.web.process.wait(10)
        self.start_web()

    def kill_drain(self):
        drain = self.drains.pop(0)
        drain.kill()
        drain.wait(10)
        self.start_drain()


class Clients:
    """Call one after another; each answer names its row (X-Request-Id)."""

    def __init__(self, nexus):
        self.nexus, self.answered, self.is_over = nexus, [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.is_over:
            with contextlib.suppress(httpx2.TransportError, RuntimeError):
                answer = self.nexus.web.tool(self.nexus.secret, "echo__echo", {"text": "x"})
                if answer.status_code == 200:
                    self.answered.append(answer.headers["x-request-id"])

    def go_on(self, more=60):
        wanted = len(self.answered) + more
        wait_for(lambda: len(self.answered) >= wanted, "more answers", seconds=90)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def nexus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    servers = DurableServers(folder)
    with running_recorder() as upstream:
        nexus = Nexus(folder, servers, upstream.url)
        nexus.start_web()
        nexus.start_drain()
        nexus.start_drain()
        yield nexus
        nexus.web.stop()
        for drain in nexus.drains:
            drain.terminate()
            drain.wait(30)
    for name in servers.processes:
        servers.kill(name)


def test_every_answered_call_has_exactly_one_row_whatever_is_killed(nexus):
    clients = Clients(nexus)
    clients.go_on()
    for _ in range(ROUNDS):
        for kill in (
            nexus.kill_web,
            nexus.kill_drain,
            *(lambda name=name: nexus.servers.restart(name) for name in ("redis", "postgres")),
        ):
            kill()
            clients.go_on()
    clients.stop()
    uncounted = "SELECT count(*) FROM activity_call WHERE id::text = ANY(string_to_array('{}', ','))"
    wanted = len(clients.answered)
    assert len(set(clients.answered)) == wanted
    query = uncounted.format(",".join(clients.answered))
    wait_for(lambda: fetch(nexus.servers, query) == [(wanted,)], "the last rows", seconds=90)
    ended = fetch(nexus.servers, "SELECT count(*), count(DISTINCT id) FROM activity_call WHERE outcome <> 'open'")
    assert ended[0][0] == ended[0][1] >= wanted
    for table in ("minuterollup", "hourrollup", "minutetotal", "hourtotal"):
        assert fetch(nexus.servers, f"SELECT sum(calls) FROM activity_{table}") == [(ended[0][0],)]
