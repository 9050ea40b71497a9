"""The mails of an instance without a mail server: files, one per connection, that staff read in the portal."""

import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from itertools import chain, islice
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

LARGEST = 256 * 1024  # bytes of a file that are read
DIVIDER = b"-" * 79


@dataclass(frozen=True, slots=True)
class Mail:
    at: datetime
    to: str
    subject: str
    text: str


def is_in_files() -> bool:
    return not settings.EMAIL_URL


def newest(number: int) -> list[Mail]:
    """Return the newest mails; of each, the plain text only."""
    folder = Path(settings.NEXUS_DATA_DIR) / "mail"
    files = sorted(folder.glob("*.log"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return list(islice(chain.from_iterable(_mails_in(path) for path in files), number))


def _mails_in(path: Path) -> list[Mail]:
    at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    with path.open("rb") as file:
        parts = file.read(LARGEST).split(b"\n" + DIVIDER + b"\n")
    return [_read(part, at) for part in reversed(parts) if part.strip()]


def _read(raw: bytes, at: datetime) -> Mail:
    message = BytesParser(_class=EmailMessage, policy=email.policy.default).parsebytes(raw.lstrip())
    body = message.get_body(preferencelist=("plain",))
    text = body.get_content() if body else _("This mail has no plain text.")
    return Mail(at=at, to=str(message.get("To", "")), subject=str(message.get("Subject", "")), text=text)
