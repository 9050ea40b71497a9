"""The programs of the embedded run, and what must be ready before they start."""

import hashlib
import http.client
import os
import shutil
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from celery.apps.worker import Worker
from celery.beat import Service
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from nexus import readiness
from nexus.bounded_http import BoundedProtocol
from nexus.celery import app as celery
from nexus.process_tree import Program, WhenItEnds
from profiles import first_run
from profiles.models import User
from profiles.upstream import stdio_host

STDIO_PATIENCE = 15.0  # seconds that the stdio host may take to start
GRACE = 2  # seconds that open answers get when the web process is told to end


def make_folders() -> None:
    os.umask(0o077)  # what is written from here on, is for this user alone
    for folder in (settings.NEXUS_DATA_DIR / "run", settings.CELERY_QUEUE_DIR, settings.CELERY_QUEUE_DIR / "control"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is done; raise OSError if another program has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def migrate() -> None:
    for alias in connections:
        if readiness.pending_migrations(alias):
            apps = [alias] if alias == "activity" else []  # what has no table in a file costs time there all the same
            call_command("migrate", *apps, database=alias, interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def collect_static() -> None:
    """Collect the static files if any of them has changed since the last time."""
    mark = settings.STATIC_ROOT / ".collected"
    wanted = digest_of_static_files()
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(settings.STATIC_ROOT, ignore_errors=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(wanted)


def digest_of_static_files() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            state = Path(storage.path(path)).stat()
            digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def programs(listener: socket.socket, user: User) -> list[Program]:
    def run_web() -> None:
        config = uvicorn.Config(
            "nexus.asgi:application", loop="uvloop", http=BoundedProtocol, lifespan="on", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])

    def run_worker() -> None:
        listener.close()
        beat = Service(celery, max_interval=1)  # as `celery worker -B`, without a process of its own
        threading.Thread(target=beat.start, name="beat", daemon=True).start()
        try:
            Worker(
                app=celery, pool_cls="threads", concurrency=2, without_gossip=True, without_mingle=True, quiet=True
            ).start()
        finally:
            beat.stop()

    def run_stdio_host() -> None:
        call_command("stdio_host")

    def run_drain() -> None:
        listener.close()
        call_command("drain_activity")

    def list_catalog() -> None:
        listener.close()
        wait_for_stdio_host()
        first_run.list_catalog(user, now=timezone.now())

    return [
        Program("web", run_web, WhenItEnds.END_THE_TREE),
        Program("stdio", run_stdio_host),
        Program("catalog", list_catalog, WhenItEnds.BE_CONTENT),
        Program("worker", run_worker),
        *([Program("drain", run_drain)] if settings.DATABASE_URL and settings.REDIS_URL else []),
    ]


def wait_for_stdio_host() -> None:
    deadline = time.monotonic() + STDIO_PATIENCE
    while stdio_host.status(settings.NEXUS_STDIO_SOCKET) is None and time.monotonic() < deadline:
        time.sleep(0.05)


def prepare(now: datetime) -> User:
    """Make tables, static files and the first person; leave no connection open."""
    migrate()
    collect_static()
    return first_run.prepare(settings.NEXUS_ADMIN_EMAIL, settings.NEXUS_DATA_DIR / "demo-repo", now=now)


def close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def is_served() -> bool:
    """Return True if the sign-in page comes, as a browser would get it."""
    host = "127.0.0.1" if settings.NEXUS_HOST in ("0.0.0.0", "") else settings.NEXUS_HOST  # noqa: S104
    client = http.client.HTTPConnection(host, settings.PORT, timeout=2)
    try:
        client.request("GET", "/accounts/login/", headers={"Host": urlsplit(settings.NEXUS_BASE_URL).netloc})
        return client.getresponse().status == 200
    except OSError:
        return False
    finally:
        client.close()
