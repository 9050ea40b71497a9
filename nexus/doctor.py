"""What `manage.py doctor` looks at beyond /readyz: the machine, the keys, the worker, the mail."""

import shutil
import smtplib
import stat
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.core import mail
from django.core.checks import CheckMessage, run_checks
from django.core.checks.messages import ERROR
from django.db import connection
from kombu.exceptions import OperationalError

from nexus.celery import app
from nexus.readiness import Finding, State, calls, database, migrations, queue, stdio_host
from tokens.oauth import documents

WANTED_SPACE = 1 << 30  # bytes
LEAST_SPACE = 100 << 20
MAX_CLOCK_DRIFT = 5.0  # seconds


def findings(now: datetime) -> list[Finding]:
    """Return everything that was looked at, in the order in which it is worth repairing."""
    there = database()
    needs_database: list[Callable[[], Finding]] = [migrations, clock] if there.state is State.OK else []
    return [
        *settings_findings(),
        keys(),
        data_directory(),
        disk_space(),
        there,
        *(look() for look in needs_database),
        queue(now),
        *(calls(now) if there.state is State.OK else []),
        worker(),
        stdio_host(),
        mail_server(),
        client_documents(),
    ]


def settings_findings() -> list[Finding]:
    messages = run_checks(include_deployment_checks=settings.NEXUS_PRODUCTION, tags=["security"])
    if not messages:
        return [Finding("settings", State.OK, f"{settings.NEXUS_BASE_URL}, listening on port {settings.PORT}")]
    return [
        Finding(message.id or "settings", state_of(message), f"{message.msg} {message.hint}") for message in messages
    ]


def state_of(message: CheckMessage) -> State:
    return State.FAIL if message.level >= ERROR else State.WARN


def keys() -> Finding:
    """Check that nobody else on the machine can read the keys that Nexus made for itself."""
    files = list((settings.NEXUS_DATA_DIR / "keys").glob("*"))
    readable = [file.name for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if readable:
        return Finding(
            "keys", State.FAIL, f"Others can read {', '.join(readable)}. Run chmod 600 in {files[0].parent}."
        )
    return Finding("keys", State.OK, "made here, for this user only" if files else "from the environment")


def data_directory() -> Finding:
    folder = settings.NEXUS_DATA_DIR
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Finding(
            "data", State.WARN, f"Others can read {folder}: sessions and mails lie there. Run chmod 700 {folder}."
        )
    return Finding("data", State.OK, str(folder))


def disk_space() -> Finding:
    folder = settings.NEXUS_DATA_DIR if settings.NEXUS_DATA_DIR.exists() else settings.BASE_DIR
    free = shutil.disk_usage(folder).free
    detail = f"{free / (1 << 30):.1f} GB free at {folder}"
    if free < LEAST_SPACE:
        return Finding("disk", State.FAIL, f"{detail}: calls cannot be recorded soon, and are refused then. Make room.")
    return Finding("disk", State.OK if free > WANTED_SPACE else State.WARN, detail)


def clock() -> Finding:
    """Compare the clock with the database's: expiry is decided by ours."""
    if connection.vendor != "postgresql":
        return Finding("clock", State.OK, "one machine, one clock")
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        drift = abs(float(cursor.fetchone()[0]) - time.time())
    if drift > MAX_CLOCK_DRIFT:
        return Finding("clock", State.FAIL, f"{drift:.0f} s from the database's. Tokens end by it: set up NTP.")
    return Finding("clock", State.OK, f"{drift:.1f} s from the database's")


def worker() -> Finding:
    try:
        answers = app.control.ping(timeout=2.0)
    except (OSError, OperationalError) as error:
        return Finding("worker", State.FAIL, f"It cannot be asked: {error}.")
    if not answers:
        return Finding("worker", State.FAIL, "None answers: no mail, no reminders. Start celery -A nexus worker.")
    return Finding("worker", State.OK, f"{len(answers)} answering")


def mail_server() -> Finding:
    if not settings.EMAIL_URL:
        return Finding("mail", State.OK, f"files in {settings.NEXUS_DATA_DIR / 'mail'}, shown to staff in the portal")
    try:
        with mail.get_connection(fail_silently=False):
            pass
    except (OSError, smtplib.SMTPException) as error:
        return Finding("mail", State.FAIL, f"The server does not take us: {error}. Look at EMAIL_URL.")
    return Finding("mail", State.OK, "the server answers")


def client_documents() -> Finding:
    """Clients that find documents on use nothing else, so they must not be on where none can be read."""
    if not settings.NEXUS_CLIENT_ID_DOCUMENTS:
        return Finding("clients", State.OK, "register themselves; client id documents are off")
    if documents.can_be_read():
        return Finding("clients", State.OK, "register themselves, or are known by their document")
    text = "No client's document can be read from here: unknown clients fail. Set NEXUS_CLIENT_ID_DOCUMENTS=0."
    return Finding("clients", State.WARN, text)
