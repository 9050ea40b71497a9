"""What must be there for Nexus to work, looked at one by one: for /readyz and for `manage.py doctor`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor

from activity import stream
from activity.models import Drop
from profiles.upstream import stdio_host as host

DIRECT = "Until then calls go straight to PostgreSQL, which takes longer."
OLDEST_WAITING = timedelta(minutes=2)  # a task that waits longer has no worker, a call no drain


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do if it is not well."""

    name: str
    state: State
    detail: str


def report(now: datetime) -> dict[str, Any]:
    """Return the findings that decide whether this process can serve, as /readyz shows them."""
    findings = [database(), migrations(), queue(now), *calls(now), stdio_host()]
    return {
        "ready": all(finding.state is not State.FAIL for finding in findings),
        "checks": {finding.name: {"state": finding.state, "detail": finding.detail} for finding in findings},
    }


def database() -> Finding:
    try:
        for alias in connections:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Finding("database", State.FAIL, f"It does not answer: {error}. Look at DATABASE_URL and the server.")
    return Finding("database", State.OK, "PostgreSQL" if settings.DATABASE_URL else "SQLite")


def migrations() -> Finding:
    try:
        waiting = [str(step) for alias in connections for step in pending_migrations(alias)]
    except DatabaseError as error:
        return Finding("migrations", State.FAIL, f"They cannot be read: {error}.")
    if waiting:
        return Finding("migrations", State.FAIL, f"{len(waiting)} are not applied. Run manage.py migrate.")
    return Finding("migrations", State.OK, "all applied")


def pending_migrations(alias: str) -> list[Any]:
    """Return what waits for this database, of the applications that have tables there."""
    executor = MigrationExecutor(connections[alias])
    targets = [key for key in executor.loader.graph.leaf_nodes() if router.allow_migrate(alias, key[0])]
    return [migration for migration, _ in executor.migration_plan(targets)]


def queue(now: datetime) -> Finding:
    return redis_queue() if settings.REDIS_URL else file_queue(now)


def redis_queue() -> Finding:
    try:
        with redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return Finding("queue", State.FAIL, f"Redis does not answer: {error}. Look at REDIS_URL and the server.")
    return Finding("queue", State.OK, "Redis")


def calls(now: datetime) -> list[Finding]:
    """Return how calls are written down: whether Redis keeps them, whether they are drained, whether any is missing."""
    found = [calls_in_redis(now)] if settings.REDIS_URL and settings.DATABASE_URL else []
    return [*found, missing_calls(now)]


def calls_in_redis(now: datetime) -> Finding:
    try:
        with redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            problem, oldest = stream.why_not_durable(client.info()), stream.oldest(client)
            put_aside = client.xlen(stream.REFUSED_STREAM)
    except redis.RedisError as error:
        return Finding("calls", State.WARN, f"Redis does not answer: {type(error).__name__}. {DIRECT}")
    if oldest and now - oldest > OLDEST_WAITING:
        detail = f"They wait in Redis since {oldest:%Y-%m-%d %H:%M} UTC. Run manage.py drain_activity beside the web."
        return Finding("calls", State.WARN, detail)
    if problem:
        return Finding("calls", State.WARN, f"{problem} {DIRECT}")
    if put_aside:
        detail = (
            f"PostgreSQL did not take those of {put_aside} entries of the stream {stream.REFUSED_STREAM}. See the log."
        )
        return Finding("calls", State.WARN, detail)
    return Finding("calls", State.OK, "through Redis")


def missing_calls(now: datetime) -> Finding:
    try:
        warning = Drop.objects.warning(now)
    except DatabaseError:
        return Finding("activity", State.WARN, "It cannot be read.")
    return Finding("activity", State.WARN if warning else State.OK, warning or "no call is missing")


def file_queue(now: datetime) -> Finding:
    folder = settings.CELERY_QUEUE_DIR
    if not folder.is_dir():
        return Finding("queue", State.FAIL, f"{folder} is not there. `manage.py up` makes it.")
    waiting = sorted(folder.glob("*.celery.msg"))
    if waiting and now - queued_at(waiting[0].name) > OLDEST_WAITING:
        detail = f"{len(waiting)} tasks wait, the oldest for more than {OLDEST_WAITING}: is the worker running?"
        return Finding("queue", State.FAIL, detail)
    return Finding("queue", State.OK, f"files, {len(waiting)} waiting")


def queued_at(file_name: str) -> datetime:
    nanoseconds = file_name.partition("_")[0]
    return datetime.fromtimestamp(int(nanoseconds) / 1e9 if nanoseconds.isdigit() else 0, UTC)


def stdio_host() -> Finding:
    """Return a warning where it does not answer: servers with an address work without it."""
    found = host.status(settings.NEXUS_STDIO_SOCKET)
    if found is None:
        detail = "It does not answer: stdio servers do not work. Run manage.py stdio_host."
        return Finding("stdio host", State.WARN, detail)
    if found.warning:
        return Finding("stdio host", State.WARN, found.warning)
    return Finding("stdio host", State.OK, f"answers, {found.running} running, confined by {found.confinement}")
