import contextlib
import json
import os
import shelve
import signal
import socket
import sqlite3
import stat
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from tests.nexus.running import Running, manage, wait_until


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data directory in which Nexus has run once, and ended."""
    folder = tmp_path_factory.mktemp("up") / "var"
    first = Running(folder).wait_until_served()
    assert first.end() < 5
    assert not first.left_behind()
    return folder


@pytest.fixture
def running(data):
    nexus = Running(data).wait_until_served()
    yield nexus
    if nexus.process.poll() is None:
        nexus.end()


def rows(data, query):
    with contextlib.closing(sqlite3.connect(data / "nexus.sqlite3")) as file:
        return file.execute(query).fetchall()


def test_the_first_start_makes_a_person_a_toolkit_and_a_catalog(data):
    assert rows(data, "SELECT email, is_staff, is_superuser FROM profiles_user") == [("admin@example.com", 1, 1)]
    assert rows(data, "SELECT alias, is_default FROM profiles_toolkit") == [("default", 1)]
    assert rows(data, "SELECT slug, failure FROM profiles_server ORDER BY slug") == [("git", ""), ("time", "")]
    allowed = rows(data, "SELECT exposed_name FROM profiles_toolkittool WHERE is_allowed ORDER BY exposed_name")
    assert allowed == [("time__convert_time",), ("time__get_current_time",)]
    assert (data / "demo-repo" / ".git").is_dir()


def test_its_keys_are_for_its_own_user_alone(data):
    assert stat.S_IMODE((data / "keys" / "nexus_secret_key").stat().st_mode) == 0o600


def test_nobody_else_on_the_machine_reads_sessions_or_mails(data):
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "nexus.sqlite3").stat().st_mode) == 0o600


def test_it_says_where_it_is_only_when_the_page_is_served(running):
    assert f"http://localhost:{running.port}/accounts/link/" in running.output
    assert "works once" in running.output
    response, _body = running.get("/accounts/login/")
    assert response.status == 200
    assert running.get("/healthz")[0].status == 200


def test_it_runs_web_worker_and_stdio_host(running):
    assert wait_until(lambda: all(map(running.pid_of, ("nexus-web", "nexus-worker"))), 10)
    assert len(running.pids) >= 4


def test_beat_sends_what_became_due_while_nexus_was_off(data):
    issued = manage(data, "issue_token", "admin@example.com", "default", "--name", "swept", "--days", "1")
    assert issued.returncode == 0, issued.stderr
    public_id = issued.stdout.split("_")[1]
    with contextlib.closing(sqlite3.connect(data / "nexus.sqlite3")) as file, file:
        file.execute(
            "UPDATE tokens_delegatedtoken SET issued_at = '2026-01-01 00:00:00', expires_at = '2026-01-02 00:00:00' "
            "WHERE public_id = ?",
            [public_id],
        )
    with shelve.open(str(data / "run" / "celerybeat-schedule")) as kept:
        kept["entries"] = {
            name: entry._next_instance(entry.last_run_at - timedelta(days=1)) for name, entry in kept["entries"].items()
        }
    nexus = Running(data).wait_until_served()
    stage = f"SELECT stage FROM tokens_delegatedtoken WHERE public_id = '{public_id}'"
    assert wait_until(lambda: rows(data, stage) == [("ended",)], 15), nexus.output
    nexus.end()


def test_a_second_start_finds_everything_as_it_was(data):
    tables = ("profiles_user", "profiles_account", "profiles_toolkit", "profiles_server", "profiles_toolkittool")
    before = [rows(data, f"SELECT * FROM {table} ORDER BY id") for table in tables]
    key = (data / "keys" / "nexus_secret_key").read_text()
    Running(data).wait_until_served().end()
    assert [rows(data, f"SELECT * FROM {table} ORDER BY id") for table in tables] == before
    assert (data / "keys" / "nexus_secret_key").read_text() == key


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_within_five_seconds(running, by):
    assert running.end(by) < 5
    assert running.process.returncode == 0
    assert not running.left_behind()


def test_killing_the_parent_leaves_nothing(running):
    running.end(signal.SIGKILL)
    assert not running.left_behind()


@pytest.fixture
def servers():
    """Variables of a database and a Redis of its own; embedded ones where the suite runs without."""
    if connection.vendor != "postgresql":
        yield {}
        return
    parameters = connection.get_connection_params()
    name = f"up_{os.getpid()}"
    where = {"host": parameters["host"], "user": parameters["user"], "autocommit": True}
    with psycopg.connect(**where, dbname="postgres") as cluster:
        cluster.execute(f"CREATE DATABASE {name}")
        url = f"postgresql://{parameters['user']}@/{name}?host={parameters['host']}"
        yield {"DATABASE_URL": url, "REDIS_URL": f"{os.environ['REDIS_URL']}?db=7"}
        cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
def test_it_runs_on_postgresql_and_redis_too(tmp_path, servers):
    nexus = Running(tmp_path / "var", **servers).wait_until_served()
    assert nexus.get("/healthz")[1] == b"ok"
    state = json.loads(nexus.get("/readyz")[1])
    assert state["ready"], state
    assert wait_until(lambda: manage(tmp_path / "var", "doctor", port=nexus.port, **servers).returncode == 0, 20)
    assert nexus.end() < 5
    assert not nexus.left_behind()


def test_a_worker_that_dies_is_started_again(running):
    wait_until(lambda: running.pid_of("nexus-worker"), 10)
    first = running.pid_of("nexus-worker")
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: running.pid_of("nexus-worker") not in (None, first), 10)
    assert "worker ended" in running.output


def test_when_the_web_dies_all_of_it_ends(running):
    os.kill(running.pid_of("nexus-web"), signal.SIGKILL)
    assert running.process.wait(10) == 1
    assert not running.left_behind()


def test_a_taken_port_is_a_one_line_error(data):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = manage(data, "up", port=listener.getsockname()[1])
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "is taken" in result.stderr


def test_production_does_not_start_without_its_key(tmp_path):
    result = manage(tmp_path / "var", "up", NEXUS_BASE_URL="https://nexus.example.com")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "NEXUS_SECRET_KEY" in result.stderr


def test_production_does_not_start_with_debug_pages(tmp_path):
    result = manage(
        tmp_path / "var", "up", NEXUS_BASE_URL="https://nexus.example.com", NEXUS_DEBUG="1",
        NEXUS_SECRET_KEY="k3y" * 20, NEXUS_FIELD_KEYS="f13ld" * 20,
    )  # fmt: skip
    assert result.returncode == 1
    assert "nexus.E002" in result.stderr
    assert "nexus.E001" in result.stderr
    assert "nexus.E008" in result.stderr


def test_the_doctor_finds_a_running_nexus_well(running, data):
    wait_until(lambda: running.pid_of("nexus-worker"), 10)
    assert wait_until(lambda: manage(data, "doctor", port=running.port).returncode == 0, 20), manage(
        data, "doctor", port=running.port
    ).stdout


def test_the_doctor_says_what_to_do_where_nothing_runs(data):
    result = manage(data, "doctor")
    assert result.returncode == 1
    assert "fail  worker" in result.stdout
    assert "Start celery -A nexus worker" in result.stdout
